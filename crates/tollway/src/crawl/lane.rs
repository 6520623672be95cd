//! One host of a crawl: what it allows, when it may be asked again, and the order in which its pages lead on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::frontier::Entry;
use super::robots::Rules;

/// Times a page is asked for while its host is busy.
pub(crate) const TRIES_MAX: u32 = 4;

/// Pauses one after another that a host is given before it is left alone.
const PAUSES_MAX: u32 = 8;

/// Longest pause that is waited for; a host that wants a longer one is left alone.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(600);

/// The pause after a busy answer that names none; doubled each time.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// A visit under way, or to be made again.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Its place among the visits of its host.
    pub(crate) number: u64,
    /// How often it was made before.
    pub(crate) tries: u32,
    pub(crate) entry: Entry,
}

/// One host.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// By origin; a host has two at most.
    pub(crate) rules: HashMap<String, Rules>,
    /// Rules are being asked for.
    pub(crate) asking: bool,
    /// Visits under way.
    pub(crate) in_flight: usize,
    /// Visits to be made again.
    pub(crate) again: VecDeque<Flight>,
    /// Left alone for good.
    pub(crate) closed: bool,
    /// When the next page may be asked for: after the pause between two pages.
    slot: Option<Instant>,
    /// The host has no time before.
    busy_until: Option<Instant>,
    pauses: u32,
    sent: u64,
    joined: u64,
    /// What pages led to, by their number, until all before them are in.
    found: BTreeMap<u64, Vec<Entry>>,
}

impl Lane {
    /// When the next page may be asked for, where that is not now.
    pub(crate) fn not_before(&self, now: Instant) -> Option<Instant> {
        self.slot.max(self.busy_until).filter(|at| *at > now)
    }

    /// A page is asked for, and its host wants a pause after it.
    pub(crate) fn asked(&mut self, now: Instant, delay: Duration) {
        if !delay.is_zero() {
            self.slot = Some(now + delay);
        }
    }

    /// The number of the next visit.
    pub(crate) fn number(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    /// Visits ahead of the oldest one that is not in.
    pub(crate) fn ahead(&self) -> u64 {
        self.sent - self.joined
    }

    /// A visit is in: what joins the queue now, in the order in which the visits were sent for.
    pub(crate) fn join(&mut self, number: u64, found: Vec<Entry>) -> Vec<Entry> {
        self.found.insert(number, found);
        let mut joined = Vec::new();
        while let Some(next) = self.found.remove(&self.joined) {
            self.joined += 1;
            joined.extend(next);
        }
        joined
    }

    /// The host answered as it should.
    pub(crate) fn served(&mut self) {
        self.pauses = 0;
    }

    /// The host has no time. Whether it will have some soon enough to wait for; else the lane is closed.
    pub(crate) fn pause(&mut self, now: Instant, asked: Option<Duration>, tries: u32) -> bool {
        let pause = asked.unwrap_or(PAUSE_FIRST * 2_u32.saturating_pow(tries));
        if self.busy_until.is_none_or(|until| until <= now) {
            self.pauses += 1;
        }
        self.closed |= pause > PAUSE_MAX || self.pauses > PAUSES_MAX;
        if !self.closed {
            self.busy_until = self.busy_until.max(Some(now + pause));
        }
        !self.closed
    }
}

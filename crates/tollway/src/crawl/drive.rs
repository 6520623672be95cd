//! The loop of a crawl: which page next, when, and when to stop.
//!
//! Pages arrive in any order, yet their links join the queue in the order the pages were sent for, so one site always
//! gives one order of visits, however fast its pages answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::frontier::{Entry, Frontier, Pushed};
use super::log::Log;
use super::page::{Outcome, PageEvent, Skip, Visit, Visitor};
use super::progress::Progress;
use super::robots::Rules;
use super::summary::{Stopped, Summary};

/// Pages sent for ahead of the oldest one without an answer, per page that may be in flight. Bounds what is held back
/// for the sake of order.
const AHEAD_PER_FLIGHT: u64 = 8;

/// What bounds and paces a crawl.
pub(crate) struct Pace {
    /// Pages in flight at once; at least 1.
    pub(crate) concurrency: usize,
    /// Pages to stop after.
    pub(crate) max_pages: Option<u64>,
    /// Whether to ask for `robots.txt` and heed it.
    pub(crate) respect_robots: bool,
    /// The pause between two pages of a host, in place of the one its `robots.txt` asks for.
    pub(crate) crawl_delay: Option<Duration>,
}

/// A crawl under way.
pub(crate) struct Drive {
    visitor: Arc<Visitor>,
    progress: Arc<dyn Progress>,
    log: Option<Log>,
    pace: Pace,
    frontier: Frontier,
    /// By origin; the scope allows two at most.
    rules: HashMap<String, Rules>,
    /// When the next page of a host may be sent for.
    slots: HashMap<String, Instant>,
    /// Chosen, and waiting for its host's slot.
    next: Option<Next>,
    flights: JoinSet<(u64, Visit)>,
    sent: u64,
    /// What pages led to, by the order in which they were sent for, until all before them are in.
    found: BTreeMap<u64, Vec<Entry>>,
    joined: u64,
    stopped: Option<Stopped>,
    summary: Summary,
}

/// The page to send for next.
struct Next {
    entry: Entry,
    slot: Instant,
    /// The pause its host wants after it.
    delay: Duration,
}

impl Drive {
    /// A crawl of what waits in `frontier`, told to `progress` and `log`.
    pub(crate) fn new(
        visitor: Visitor,
        pace: Pace,
        frontier: Frontier,
        progress: Arc<dyn Progress>,
        log: Option<Log>,
    ) -> Self {
        Self {
            visitor: Arc::new(visitor),
            progress,
            log,
            pace,
            frontier,
            rules: HashMap::new(),
            slots: HashMap::new(),
            next: None,
            flights: JoinSet::new(),
            sent: 0,
            found: BTreeMap::new(),
            joined: 0,
            stopped: None,
            summary: Summary::default(),
        }
    }

    /// Runs to the end. When stopped early, pages already sent for are waited for: they may be paid.
    pub(crate) async fn run(mut self, mut cancel: watch::Receiver<bool>) -> anyhow::Result<Summary> {
        let began = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = cancelled(&mut cancel), if self.stopped.is_none() => self.stop(Stopped::Cancelled),
                () = self.choose() => {}
            }
            let slot = self.next.as_ref().map(|next| next.slot);
            if slot.is_none() && self.flights.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = cancelled(&mut cancel), if self.stopped.is_none() => self.stop(Stopped::Cancelled),
                Some(landed) = self.flights.join_next() => self.land(landed.context("a visit broke off")?),
                () = sleep_until(slot.unwrap_or(began)), if slot.is_some() => self.send_next(),
            }
        }
        self.progress.finished();
        Ok(self.finish(began.elapsed()))
    }

    /// Sends for pages until there is no room, nothing to send for, or the next one must wait for its slot.
    async fn choose(&mut self) {
        while self.next.is_none() && self.has_room() {
            let Some(entry) = self.frontier.pop() else {
                return;
            };
            let Some(delay) = self.permission(&entry.url).await else {
                self.tell(&PageEvent { url: entry.url, outcome: Outcome::Skipped(Skip::Robots), charged: None });
                continue;
            };
            let now = Instant::now();
            let slot = self.slots.get(host(&entry.url)).copied().unwrap_or(now);
            self.next = Some(Next { entry, slot, delay });
            if slot <= now {
                self.send_next();
            }
        }
    }

    /// Whether one more page may be sent for. Every page in flight may yet count against `max_pages`.
    fn has_room(&self) -> bool {
        let in_flight = self.flights.len();
        let ahead_max = AHEAD_PER_FLIGHT.saturating_mul(to_u64(self.pace.concurrency));
        self.stopped.is_none()
            && in_flight < self.pace.concurrency
            && self.sent - self.joined < ahead_max
            && self.pace.max_pages.is_none_or(|max| self.summary.pages_ok + to_u64(in_flight) < max)
    }

    /// The pause `url`'s host wants after it, or `None` where the page may not be visited.
    async fn permission(&mut self, url: &Url) -> Option<Duration> {
        if !self.pace.respect_robots {
            return Some(self.pace.crawl_delay.unwrap_or_default());
        }
        let origin = url.origin().ascii_serialization();
        if !self.rules.contains_key(&origin) {
            let rules = Rules::fetch(self.visitor.fetch.as_ref(), url, &self.visitor.agent).await;
            if let Rules::DenyAll(why) = &rules {
                self.summary.detail.get_or_insert_with(|| why.clone());
            }
            self.rules.insert(origin.clone(), rules);
        }
        let rules = self.rules.get(&origin)?;
        rules.allow(url).then(|| self.pace.crawl_delay.or(rules.crawl_delay()).unwrap_or_default())
    }

    fn send_next(&mut self) {
        let Some(Next { entry, delay, .. }) = self.next.take() else {
            return;
        };
        if !delay.is_zero() {
            self.slots.insert(host(&entry.url).to_owned(), Instant::now() + delay);
        }
        let (number, visitor) = (self.sent, Arc::clone(&self.visitor));
        self.sent += 1;
        self.flights.spawn(async move { (number, visitor.visit(entry).await) });
    }

    fn land(&mut self, (number, visit): (u64, Visit)) {
        match &visit.event.outcome {
            Outcome::Skipped(Skip::BudgetExhausted) => self.stop(Stopped::BudgetExhausted),
            Outcome::NotSaved(why) => self.cannot_save(why.clone()),
            _ => {}
        }
        self.tell(&visit.event);
        self.found.insert(number, visit.found);
        while let Some(found) = self.found.remove(&self.joined) {
            self.joined += 1;
            self.queue(found);
        }
        self.progress.queued(self.frontier.len());
        self.progress.money(self.summary.charged, self.visitor.fetch.budget_left());
    }

    fn queue(&mut self, found: Vec<Entry>) {
        for entry in found {
            let url = entry.url.clone();
            if self.frontier.push(entry) == Pushed::Full {
                self.tell(&PageEvent { url, outcome: Outcome::Skipped(Skip::QueueFull), charged: None });
            }
        }
    }

    fn tell(&mut self, event: &PageEvent) {
        self.summary.count(event);
        self.progress.page(event);
        if let Some(Err(error)) = self.log.as_mut().map(|log| log.write(event)) {
            self.summary.errors += 1;
            self.cannot_save(error.to_string());
        }
    }

    fn cannot_save(&mut self, why: String) {
        self.summary.detail = Some(why);
        self.stop(Stopped::SaveFailed);
    }

    /// Sends for nothing more. The first reason is the one that is kept.
    fn stop(&mut self, why: Stopped) {
        self.stopped.get_or_insert(why);
        self.next = None;
    }

    fn finish(mut self, elapsed: Duration) -> Summary {
        let enough = self.pace.max_pages.is_some_and(|max| self.summary.pages_ok >= max);
        self.summary.stopped = match self.stopped {
            Some(stopped) => stopped,
            None if enough && !self.frontier.is_empty() => Stopped::MaxPages,
            None => Stopped::Done,
        };
        self.summary.took(elapsed);
        self.summary
    }
}

/// Waits until the caller asks to stop; for ever where nobody is left to ask.
async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

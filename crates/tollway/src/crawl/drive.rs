//! The loop of a crawl: which page next, of which host, when, and when to stop.
//!
//! Hosts take turns, and each is asked for so many pages at once and no more. Pages arrive in any order, yet their links
//! join the queue in the order the pages were sent for, so one host always gives one order of visits, however fast its
//! pages answer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::frontier::{Entry, Frontier, Kind, Pushed};
use super::lane::{Flight, Lane, TRIES_MAX};
use super::page::{Outcome, PageEvent, Skip, Visit, Visited, Visitor, to_u64};
use super::progress::Progress;
use super::robots::Rules;
use super::summary::{Stopped, Summary};

/// Pages of a host sent for ahead of the oldest one without an answer, per page that may be in flight. Bounds what is
/// held back for the sake of order.
const AHEAD_PER_FLIGHT: u64 = 8;

/// What bounds and paces a crawl.
pub(crate) struct Pace {
    /// Pages in flight at once; at least 1.
    pub(crate) concurrency: usize,
    /// Of those, of one host; at least 1.
    pub(crate) per_host: usize,
    /// Pages to stop after.
    pub(crate) max_pages: Option<u64>,
    /// Whether to ask for `robots.txt` and heed it.
    pub(crate) respect_robots: bool,
    /// Whether to ask for sitemaps.
    pub(crate) sitemaps: bool,
    /// The pause between two pages of a host, in place of the one its `robots.txt` asks for.
    pub(crate) crawl_delay: Option<Duration>,
}

/// A crawl under way.
pub(crate) struct Drive {
    visitor: Arc<Visitor>,
    progress: Arc<dyn Progress>,
    pace: Pace,
    frontier: Frontier,
    /// By number of the frontier.
    lanes: Vec<Lane>,
    /// Whose turn it is.
    turn: usize,
    flights: JoinSet<(usize, Landed)>,
    /// Of the flights, those that visit.
    visits: usize,
    stopped: Option<Stopped>,
    summary: Summary,
}

/// What comes back from a flight.
enum Landed {
    Rules { of: Url, rules: Rules },
    Visit { number: u64, tries: u32, visited: Visited },
}

impl Drive {
    /// A crawl of what waits in `frontier`, told to `progress`.
    pub(crate) fn new(visitor: Visitor, pace: Pace, frontier: Frontier, progress: Arc<dyn Progress>) -> Self {
        Self {
            visitor: Arc::new(visitor),
            progress,
            pace,
            frontier,
            lanes: Vec::new(),
            turn: 0,
            flights: JoinSet::new(),
            visits: 0,
            stopped: None,
            summary: Summary::default(),
        }
    }

    /// Runs to the end. When stopped early, pages already sent for are waited for: they may be paid.
    pub(crate) async fn run(mut self, mut cancel: watch::Receiver<bool>) -> anyhow::Result<Summary> {
        let began = Instant::now();
        loop {
            self.send_all();
            let slot = self.next_slot();
            let has_ended = if self.stopped.is_some() { self.visits == 0 } else { self.flights.is_empty() };
            if slot.is_none() && has_ended {
                break;
            }
            tokio::select! {
                biased;
                () = cancelled(&mut cancel), if self.stopped.is_none() => self.stop(Stopped::Cancelled),
                Some(landed) = self.flights.join_next() => self.land(landed.context("a visit broke off")?),
                () = sleep_until(slot.unwrap_or(began)), if slot.is_some() => {}
            }
        }
        self.progress.finished();
        Ok(self.finish(began.elapsed()))
    }

    /// Sends for pages, one host after another, until there is no room, nothing to send for, or every host wants a pause.
    fn send_all(&mut self) {
        let now = Instant::now();
        let mut in_vain = 0;
        while in_vain < self.lanes().len() && self.stopped.is_none() {
            let lane = self.turn % self.lanes.len();
            self.turn = lane + 1;
            in_vain = if self.step(lane, now) { 0 } else { in_vain + 1 };
        }
    }

    /// One step for a host; whether there was one to take.
    fn step(&mut self, lane: usize, now: Instant) -> bool {
        if self.lanes[lane].closed {
            return self.leave(lane);
        }
        if !self.has_room() || !self.lane_has_room(lane) {
            return false;
        }
        let must_wait = self.lanes[lane].not_before(now).is_some();
        if !self.lanes[lane].again.is_empty() {
            let flight = if must_wait { None } else { self.lanes[lane].again.pop_front() };
            return flight.map(|flight| self.visit(lane, flight)).is_some();
        }
        let Some(entry) = self.frontier.front(lane) else { return false };
        let url = entry.url.clone();
        let (is_page, is_had) = (entry.kind == Kind::Page, self.visitor.had(entry).is_some());
        let Some(rules) = self.lanes[lane].rules.get(&origin(&url)) else { return self.ask_rules(lane, url) };
        let allowed = is_had || !is_page || rules.allow(&url);
        let delay = self.pace.crawl_delay.or(rules.crawl_delay()).unwrap_or_default();
        if must_wait && allowed && !is_had {
            return false;
        }
        let Some(entry) = self.frontier.pop(lane) else { return false };
        if !allowed {
            self.tell(&PageEvent { url, outcome: Outcome::Skipped(Skip::Robots), charged: None });
            return true;
        }
        if !is_had {
            self.lanes[lane].asked(now, delay);
        }
        let number = self.lanes[lane].number();
        self.visit(lane, Flight { number, tries: 0, entry });
        true
    }

    fn visit(&mut self, lane: usize, flight: Flight) {
        self.lanes[lane].in_flight += 1;
        self.visits += 1;
        let visitor = Arc::clone(&self.visitor);
        let Flight { number, tries, entry } = flight;
        self.flights.spawn(async move { (lane, Landed::Visit { number, tries, visited: visitor.visit(entry).await }) });
    }

    /// Learns the rules of an origin; whether that is a step.
    fn ask_rules(&mut self, lane: usize, url: Url) -> bool {
        if self.lanes[lane].asking {
            return false;
        }
        if !self.pace.respect_robots {
            self.learn(lane, &url, Rules::AllowAll);
            return true;
        }
        self.lanes[lane].asking = true;
        let visitor = Arc::clone(&self.visitor);
        self.flights.spawn(async move {
            let rules = Rules::fetch(visitor.fetch.as_ref(), &url, &visitor.agent).await;
            (lane, Landed::Rules { of: url, rules })
        });
        true
    }

    fn learn(&mut self, lane: usize, url: &Url, rules: Rules) {
        self.lanes[lane].asking = false;
        if let Rules::DenyAll(why) = &rules {
            self.summary.detail.get_or_insert_with(|| why.clone());
        }
        let mut sitemaps = Vec::new();
        if self.pace.sitemaps && self.visitor.depth_max != Some(0) {
            sitemaps = rules.sitemaps(url);
            sitemaps.extend(url.join("/sitemap.xml").ok().filter(|at| rules.allow(at)));
        }
        self.lanes[lane].rules.insert(origin(url), rules);
        let number = self.lanes[lane].number();
        self.join(lane, number, sitemaps.into_iter().map(|url| Entry::sitemap(url, 0)).collect());
    }

    /// Skips the next page of a host that is left alone; whether there was one.
    fn leave(&mut self, lane: usize) -> bool {
        let again = self.lanes[lane].again.pop_front();
        let number = again.as_ref().map(|flight| flight.number);
        let Some(entry) = again.map(|flight| flight.entry).or_else(|| self.frontier.pop(lane)) else { return false };
        if entry.kind == Kind::Page {
            self.tell(&PageEvent { url: entry.url, outcome: Outcome::Skipped(Skip::HostBusy), charged: None });
        }
        if let Some(number) = number {
            self.join(lane, number, Vec::new());
        }
        true
    }

    /// Whether one more page may be sent for. Every page in flight may yet count against `max_pages`.
    fn has_room(&self) -> bool {
        let arrived = self.summary.pages_ok + self.summary.pages_kept;
        self.stopped.is_none()
            && self.visits < self.pace.concurrency
            && self.pace.max_pages.is_none_or(|max| arrived + to_u64(self.visits) < max)
    }

    fn lane_has_room(&self, lane: usize) -> bool {
        let lane = &self.lanes[lane];
        let per_host = self.pace.per_host.min(self.pace.concurrency);
        let ahead_max = AHEAD_PER_FLIGHT.saturating_mul(to_u64(per_host));
        // What is made again is not further ahead than it was.
        lane.in_flight < per_host && (lane.ahead() < ahead_max || !lane.again.is_empty())
    }

    /// When a host can be asked again that something waits for.
    fn next_slot(&mut self) -> Option<Instant> {
        if !self.has_room() {
            return None;
        }
        let now = Instant::now();
        let waits = |lane: usize| !self.lanes[lane].again.is_empty() || self.frontier.front(lane).is_some();
        let lanes = (0..self.lanes.len()).filter(|lane| self.lane_has_room(*lane) && waits(*lane));
        lanes.filter_map(|lane| self.lanes[lane].not_before(now)).min()
    }

    /// The hosts found so far.
    fn lanes(&mut self) -> &[Lane] {
        self.lanes.resize_with(self.frontier.lanes(), Lane::default);
        &self.lanes
    }

    fn land(&mut self, (lane, landed): (usize, Landed)) {
        match landed {
            Landed::Rules { of, rules } => self.learn(lane, &of, rules),
            Landed::Visit { number, tries, visited } => {
                self.lanes[lane].in_flight -= 1;
                self.visits -= 1;
                match visited {
                    Visited::Done(visit) => self.take(lane, number, visit),
                    Visited::Busy { entry, status, after } => {
                        self.wait(lane, Flight { number, tries, entry }, status, after);
                    }
                }
                self.progress.money(self.summary.charged, self.visitor.fetch.budget_left());
            }
        }
        self.progress.queued(self.frontier.len());
    }

    fn take(&mut self, lane: usize, number: u64, visit: Visit) {
        match &visit.event.outcome {
            Outcome::Skipped(Skip::BudgetExhausted) => self.stop(Stopped::BudgetExhausted),
            Outcome::NotSaved(why) => self.cannot_save(why.clone()),
            Outcome::Page { .. } | Outcome::Redirect { .. } => self.lanes[lane].served(),
            _ => {}
        }
        self.tell(&visit.event);
        self.join(lane, number, visit.found);
    }

    /// A host has no time for a page now: later, or not at all.
    fn wait(&mut self, lane: usize, flight: Flight, status: u16, after: Option<Duration>) {
        let (number, url) = (flight.number, flight.entry.url.clone());
        let waits = self.lanes[lane].pause(Instant::now(), after, flight.tries);
        let outcome = match (waits, flight.tries + 1 < TRIES_MAX) {
            (true, true) => {
                self.lanes[lane].again.push_back(Flight { tries: flight.tries + 1, ..flight });
                return;
            }
            (true, false) => Outcome::Failed(format!("answered {status} {TRIES_MAX} times")),
            (false, _) => Outcome::Skipped(Skip::HostBusy),
        };
        if flight.entry.kind == Kind::Page {
            self.tell(&PageEvent { url, outcome, charged: None });
        }
        self.join(lane, number, Vec::new());
    }

    fn join(&mut self, lane: usize, number: u64, found: Vec<Entry>) {
        for entry in self.lanes[lane].join(number, found) {
            let url = entry.url.clone();
            if self.frontier.push(entry) == Pushed::Full {
                self.tell(&PageEvent { url, outcome: Outcome::Skipped(Skip::QueueFull), charged: None });
            }
        }
    }

    fn tell(&mut self, event: &PageEvent) {
        self.summary.count(event);
        self.progress.page(event);
        let written = self.visitor.shelf.as_ref().map(|shelf| shelf.log.write(event));
        if let Some(Err(error)) = written {
            // A page that could not be saved is counted by now.
            self.summary.errors += u64::from(!matches!(event.outcome, Outcome::NotSaved(_)));
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
    }

    fn finish(mut self, elapsed: Duration) -> Summary {
        let arrived = self.summary.pages_ok + self.summary.pages_kept;
        let enough = self.pace.max_pages.is_some_and(|max| arrived >= max);
        let waiting = !self.frontier.is_empty() || self.lanes.iter().any(|lane| !lane.again.is_empty());
        self.summary.stopped = match self.stopped {
            Some(stopped) => stopped,
            None if enough && waiting => Stopped::MaxPages,
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

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

//! The buyer's side: what a crawl has fetched and paid, while it runs, and what is left of its budget.

mod page;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use tollway_core::clock::Clock;
use tollway_http::body::Body;
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_protocol::Amount;

use crate::assets::{Assets, Source};
use crate::live::Hub;
use crate::reply;

/// The script of this page.
const SCRIPTS: &[Source] = &[("buying.js", include_str!("assets/buying.js"))];
/// Newest pages shown.
const RECENT: usize = 20;
/// Hosts counted apart; the surplus is summed under one name.
const HOSTS_MAX: usize = 500;
/// Seconds drawn, and over which the rate is taken.
const SECONDS_MAX: usize = 600;
const RATE_SECONDS: u64 = 10;
/// How often open pages are told, at most: a fast crawl is a thousand pages a second.
const TELL: Duration = Duration::from_millis(250);

/// A crawl as it goes. Handed news by the crawler, read by pages.
pub struct Buying {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    hub: Hub,
}

/// One address that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The address.
    pub url: String,
    /// Its host.
    pub host: String,
    /// How it went, in a word or a few.
    pub outcome: String,
    /// Whether a page arrived.
    pub is_page: bool,
    /// Whether a person should look at it.
    pub is_trouble: bool,
    /// Its size in bytes, where it arrived.
    pub bytes: u64,
    /// What it cost.
    pub charged: Option<Amount>,
}

/// What a crawl has come to.
#[derive(Debug, Default)]
struct State {
    started: u64,
    budget: Amount,
    before: Amount,
    pages: u64,
    bytes: u64,
    troubles: u64,
    queued: u64,
    charged: Amount,
    left: Option<Amount>,
    finished: bool,
    is_news: bool,
    recent: VecDeque<(u64, Done)>,
    hosts: BTreeMap<String, Host>,
    /// Pages by second, for the rate.
    seconds: VecDeque<(u64, u64)>,
}

/// What one host has come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Host {
    pages: u64,
    bytes: u64,
    charged: Amount,
}

impl Buying {
    /// A crawl that may spend `budget` in all, of which earlier runs were charged `before`.
    pub fn new(clock: Arc<dyn Clock>, budget: Amount, before: Amount) -> Self {
        let state = State { started: clock.now(), budget, before, ..State::default() };
        Self { clock, state: Mutex::new(state), hub: Hub::new(16) }
    }

    /// Style and scripts.
    pub fn assets() -> Assets {
        Assets::new(SCRIPTS)
    }

    /// An address is done.
    pub fn done(&self, done: Done) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.add(done, now);
    }

    /// So many addresses wait.
    pub fn queued(&self, count: u64) {
        let mut state = self.state.lock();
        (state.queued, state.is_news) = (count, true);
    }

    /// So much was charged in this run, and where it is known so much may still be spent.
    pub fn money(&self, charged: Amount, left: Option<Amount>) {
        let mut state = self.state.lock();
        (state.charged, state.left, state.is_news) = (charged, left, true);
    }

    /// It is over.
    pub fn finished(&self) {
        let mut state = self.state.lock();
        (state.finished, state.is_news) = (true, true);
        drop(state);
        self.tell();
    }

    /// Tells open pages what is new, for ever.
    pub async fn keep(self: Arc<Self>) {
        let mut every = tokio::time::interval(TELL);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.tell();
        }
    }

    /// A reader: what has happened since its page was written is told again, for it has heard none of it.
    fn join(&self, request: &Request<Body>) -> Response<Body> {
        let answer = self.hub.answer(request.headers());
        self.state.lock().is_news = true;
        answer
    }

    fn tell(&self) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if std::mem::take(&mut state.is_news) {
            let event = page::event(&state, now);
            drop(state);
            self.hub.publish("figures", &event);
        }
    }
}

impl State {
    fn add(&mut self, done: Done, now: u64) {
        self.is_news = true;
        self.troubles += u64::from(done.is_trouble);
        if done.is_page {
            self.pages += 1;
            self.bytes = self.bytes.saturating_add(done.bytes);
            match self.seconds.back_mut().filter(|(second, _)| *second == now) {
                Some((_, count)) => *count += 1,
                None => self.seconds.push_back((now, 1)),
            }
            if self.seconds.len() > SECONDS_MAX {
                self.seconds.pop_front();
            }
        }
        let known = self.hosts.len() < HOSTS_MAX || self.hosts.contains_key(&done.host);
        let host = self.hosts.entry(if known { done.host.clone() } else { "(others)".to_owned() }).or_default();
        host.pages += u64::from(done.is_page);
        host.bytes = host.bytes.saturating_add(if done.is_page { done.bytes } else { 0 });
        host.charged = host.charged.checked_add(done.charged.unwrap_or(Amount::ZERO)).unwrap_or(host.charged);
        self.recent.push_front((now, done));
        self.recent.truncate(RECENT);
    }

    /// Pages in the last whole seconds, and over how many seconds.
    fn rate(&self, now: u64) -> (u64, u64) {
        let from = now.saturating_sub(RATE_SECONDS);
        let pages =
            self.seconds.iter().filter(|(second, _)| (from..now).contains(second)).map(|(_, count)| count).sum();
        (pages, RATE_SECONDS.min(now.saturating_sub(self.started)).max(1))
    }
}

/// The pages of a crawl as what a server serves.
#[derive(Clone)]
pub struct BuyingPages(pub Arc<Buying>);

impl Endpoint for BuyingPages {
    fn answer(&self, request: Request<Body>) -> Answering {
        Box::pin(std::future::ready(self.0.route(&request)))
    }
}

impl Buying {
    fn route(&self, request: &Request<Body>) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET");
        }
        let now = self.clock.now();
        match request.uri().path() {
            "/" => reply::html(page::page(&self.state.lock(), now)),
            "/hosts.csv" => page::csv(&self.state.lock()),
            "/live" => self.join(request),
            _ => reply::text(StatusCode::NOT_FOUND, "no such page"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tollway_core::clock::ManualClock;

    use super::*;

    fn done(host: &str, charged: u128) -> Done {
        Done {
            url: format!("https://{host}/<b>"),
            host: host.to_owned(),
            outcome: "page".to_owned(),
            is_page: true,
            is_trouble: false,
            bytes: 10,
            charged: Some(Amount::new(charged)),
        }
    }

    #[test]
    fn pages_money_and_rate_are_summed() {
        let clock = Arc::new(ManualClock::at(100));
        let buying = Buying::new(clock.clone(), Amount::new(1_000_000), Amount::ZERO);
        for second in 0..5 {
            clock.set(100 + second);
            buying.done(done("a.example", 2_000));
        }
        clock.set(105);
        buying.money(Amount::new(10_000), Some(Amount::new(990_000)));
        let state = buying.state.lock();
        assert_eq!((state.pages, state.bytes, state.rate(105)), (5, 50, (5, 5)));
        assert_eq!(state.hosts["a.example"], Host { pages: 5, bytes: 50, charged: Amount::new(10_000) });
        let text = page::page(&state, 105);
        assert!(text.contains("$0.99") && text.contains("&lt;b&gt;") && !text.contains("<b>"), "{text}");
    }

    #[tokio::test]
    async fn a_page_that_was_written_before_the_end_hears_of_it() {
        let buying = Buying::new(Arc::new(ManualClock::at(1)), Amount::ZERO, Amount::ZERO);
        buying.finished();
        let asked = Request::get("/live").body(tollway_http::body::empty()).unwrap();
        let mut stream = buying.route(&asked).into_body();
        buying.tell();
        let heard = async {
            let mut text = String::new();
            while !text.contains("finished") {
                let frame = http_body_util::BodyExt::frame(&mut stream).await.unwrap().unwrap();
                text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
    }

    #[test]
    fn threat_93_hosts_and_pages_are_bounded() {
        let buying = Buying::new(Arc::new(ManualClock::at(1)), Amount::ZERO, Amount::ZERO);
        for number in 0..2_000 {
            buying.done(done(&format!("h{number}.example"), 1));
        }
        let state = buying.state.lock();
        assert_eq!((state.hosts.len(), state.recent.len(), state.seconds.len()), (HOSTS_MAX + 1, RECENT, 1));
        assert_eq!(state.hosts["(others)"].charged, Amount::new(1_500));
    }
}

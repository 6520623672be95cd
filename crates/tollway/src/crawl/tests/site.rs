//! A site in memory with prices, delays and a purse, and what was asked of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::crawl::frontier::Limits;
use crate::crawl::page::PageEvent;
use crate::crawl::{Charged, CrawlOptions, Exchange, Fetch, FetchError, Fetched, Progress, Summary, crawl_within};

/// What a site answers for one address.
#[derive(Clone)]
pub(super) enum Answer {
    Page {
        kind: &'static str,
        body: String,
        price: u128,
    },
    Status(u16),
    Redirect(String),
    Error(FetchError),
    /// So often a status that asks for a pause, then the other answer.
    Busy {
        status: u16,
        times: usize,
        after: Option<u64>,
        then: Box<Answer>,
    },
}

/// One request, as the site saw it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) url: String,
    pub(super) at: Instant,
    pub(super) free: bool,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    charged: u128,
    in_flight: usize,
    in_flight_most: usize,
}

/// The site, and the payer in front of it.
#[derive(Default)]
pub(super) struct Site {
    answers: HashMap<String, Answer>,
    budget: Option<u128>,
    price_max: Option<u128>,
    latency: Option<fn(&Url) -> Duration>,
    state: Mutex<State>,
}

impl Site {
    pub(super) fn answer(mut self, url: &str, answer: Answer) -> Self {
        self.answers.insert(Url::parse(url).unwrap().into(), answer);
        self
    }

    /// A page with links.
    pub(super) fn page(self, url: &str, price: u128, links: &[&str]) -> Self {
        let body = links.iter().map(|link| format!("<a href=\"{link}\">x</a>")).collect();
        self.answer(url, Answer::Page { kind: "text/html", body, price })
    }

    pub(super) fn text(self, url: &str, body: &str) -> Self {
        self.answer(url, Answer::Page { kind: "text/plain", body: body.into(), price: 0 })
    }

    pub(super) fn redirect(self, url: &str, to: &str) -> Self {
        self.answer(url, Answer::Redirect(to.into()))
    }

    pub(super) fn budget(mut self, budget: u128) -> Self {
        self.budget = Some(budget);
        self
    }

    pub(super) fn price_max(mut self, price_max: u128) -> Self {
        self.price_max = Some(price_max);
        self
    }

    pub(super) fn latency(mut self, latency: fn(&Url) -> Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Pages asked for, in order; not the free requests.
    pub(super) fn visits(&self) -> Vec<String> {
        self.requests().into_iter().filter(|request| !request.free).map(|request| request.url).collect()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(super) fn charged(&self) -> u128 {
        self.state.lock().unwrap().charged
    }

    pub(super) fn in_flight_most(&self) -> usize {
        self.state.lock().unwrap().in_flight_most
    }

    async fn get(&self, url: &Url, free: bool) -> Result<Fetched, FetchError> {
        {
            let mut state = self.state.lock().unwrap();
            state.requests.push(Request { url: url.to_string(), at: Instant::now(), free });
            state.in_flight += 1;
            state.in_flight_most = state.in_flight_most.max(state.in_flight);
        }
        if let Some(latency) = self.latency {
            tokio::time::sleep(latency(url)).await;
        }
        let mut state = self.state.lock().unwrap();
        state.in_flight -= 1;
        let asked = state.requests.iter().filter(|request| request.url == url.as_str()).count();
        let answer = match self.answers.get(url.as_str()).cloned().unwrap_or(Answer::Status(404)) {
            Answer::Busy { status, times, after, .. } if asked <= times => {
                return Ok(Fetched { retry_after: after.map(Duration::from_secs), ..fetched(status) });
            }
            Answer::Busy { then, .. } => *then,
            answer => answer,
        };
        match answer {
            Answer::Page { price, .. } if price > 0 && free => Ok(fetched(402)),
            Answer::Page { kind, body, price } => {
                if self.price_max.is_some_and(|max| price > max) {
                    return Err(FetchError::OverMaxPrice { asked: price });
                }
                if self.budget.is_some_and(|budget| state.charged + price > budget) {
                    return Err(FetchError::BudgetExhausted);
                }
                state.charged += price;
                let charged = (price > 0).then(|| Charged { id: url.to_string(), amount: price });
                Ok(Fetched { content_type: Some(kind.into()), body: body.into(), charged, ..fetched(200) })
            }
            Answer::Status(status) => Ok(fetched(status)),
            Answer::Redirect(to) => Ok(Fetched { location: Some(to), ..fetched(302) }),
            Answer::Error(error) => Err(error),
            Answer::Busy { status, .. } => Ok(fetched(status)),
        }
    }
}

#[async_trait]
impl Fetch for Site {
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.get(url, false).await
    }

    async fn fetch_free(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.get(url, true).await
    }

    fn budget_left(&self) -> Option<u128> {
        self.budget.map(|budget| budget - self.charged())
    }
}

fn fetched(status: u16) -> Fetched {
    let (content_type, location, charged, retry_after) = (None, None, None, None);
    let (body, exchange) = (bytes::Bytes::new(), Exchange::default());
    Fetched { status, content_type, location, body, charged, retry_after, exchange }
}

/// Keeps everything it is told.
#[derive(Default)]
pub(super) struct Watcher {
    pub(super) events: Mutex<Vec<PageEvent>>,
    pub(super) money: Mutex<Vec<(u128, Option<u128>)>>,
    /// Told to stop once so many events are in.
    pub(super) cancel_after: Option<(usize, watch::Sender<bool>)>,
}

impl Progress for Watcher {
    fn page(&self, event: &PageEvent) {
        let mut events = self.events.lock().unwrap();
        events.push(event.clone());
        if let Some((count, cancel)) = &self.cancel_after
            && events.len() == *count
        {
            cancel.send_replace(true);
        }
    }

    fn queued(&self, _count: usize) {}

    fn money(&self, charged: u128, left: Option<u128>) {
        self.money.lock().unwrap().push((charged, left));
    }

    fn finished(&self) {}
}

pub(super) const START: &str = "http://a.example/";

pub(super) fn from(start: &str) -> CrawlOptions {
    let options = CrawlOptions::new(vec![Url::parse(start).unwrap()], "tollway/0.1".into());
    CrawlOptions { per_host: 1024, sitemaps: false, ..options }
}

pub(super) fn options() -> CrawlOptions {
    from(START)
}

/// Crawls a site with nobody watching.
pub(super) async fn run(options: CrawlOptions, site: &Arc<Site>) -> Summary {
    watch(options, site, Arc::default()).await
}

pub(super) async fn watch(options: CrawlOptions, site: &Arc<Site>, watcher: Arc<Watcher>) -> Summary {
    let cancel = match &watcher.cancel_after {
        Some((_, cancel)) => cancel.subscribe(),
        None => watch::channel(false).1,
    };
    let limits = Limits { queued_max: 2_000, ..Limits::default() };
    crawl_within(limits, options, Arc::clone(site) as Arc<dyn Fetch>, watcher, cancel).await.unwrap()
}

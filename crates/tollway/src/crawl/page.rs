//! One visit: fetch a page, save it, read its links.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::fetch::{Charged, Fetch, FetchError, Fetched};
use super::frontier::Entry;
use super::links::{is_html, links};
use super::save::Saver;
use super::scope::{Boundary, canonical};

/// Redirects followed one after another.
pub(crate) const HOPS_MAX: u8 = 5;

/// What became of one address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PageEvent {
    /// The address.
    pub(crate) url: Url,
    /// How it went.
    pub(crate) outcome: Outcome,
    /// What it cost, if anything, whatever the outcome.
    pub(crate) charged: Option<Charged>,
}

/// How a visit went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The page arrived and, where pages are saved, is in a file.
    Page {
        /// Its size.
        bytes: u64,
        /// Its file, relative to the directory that pages are saved below.
        saved: Option<PathBuf>,
    },
    /// It leads to another address inside the scope.
    Redirect {
        /// That address.
        to: Url,
    },
    /// It was not taken.
    Skipped(Skip),
    /// It could not be had; why.
    Failed(String),
    /// It arrived and could not be written; why. Ends the crawl.
    NotSaved(String),
    /// A commitment went out for it and nobody knows yet what came of that.
    Unknown {
        /// The commitment's id.
        id: String,
    },
}

/// Why an address was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Skip {
    /// `robots.txt` says no, or could not be had.
    Robots,
    /// Costs more than one page may.
    OverMaxPrice {
        /// The price asked, micro-USD.
        asked: u128,
    },
    /// The budget cannot carry it. Ends the crawl.
    BudgetExhausted,
    /// It redirects outside the scope.
    OutOfScope,
    /// No room in the queue.
    QueueFull,
}

impl Skip {
    /// The reason's stable name, the same as in the summary.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Robots => "robots",
            Self::OverMaxPrice { .. } => "over_max_price",
            Self::BudgetExhausted => "budget_exhausted",
            Self::OutOfScope => "out_of_scope",
            Self::QueueFull => "queue_full",
        }
    }
}

/// A visit and what it leads to.
#[derive(Debug)]
pub(crate) struct Visit {
    /// What became of the page.
    pub(crate) event: PageEvent,
    /// Addresses inside the scope, in document order.
    pub(crate) found: Vec<Entry>,
}

/// What all visits of a crawl share.
pub(crate) struct Visitor {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) boundary: Boundary,
    pub(crate) saver: Option<Saver>,
    /// The crawler's product token.
    pub(crate) agent: String,
    pub(crate) depth_max: Option<u32>,
    pub(crate) page_bytes_max: u64,
}

impl Visitor {
    /// Visits one page.
    pub(crate) async fn visit(self: Arc<Self>, entry: Entry) -> Visit {
        let url = entry.url.clone();
        match self.fetch.fetch(&url).await {
            Ok(fetched) => {
                let charged = fetched.charged.clone();
                let (outcome, found) = self.judge(entry, fetched).await;
                Visit { event: PageEvent { url, outcome, charged }, found }
            }
            Err(error) => Visit { event: PageEvent { url, outcome: refusal(error), charged: None }, found: Vec::new() },
        }
    }

    async fn judge(self: Arc<Self>, entry: Entry, fetched: Fetched) -> (Outcome, Vec<Entry>) {
        match fetched.status {
            200..=299 => self.take(entry, fetched).await,
            301 | 302 | 303 | 307 | 308 => self.redirect(&entry, fetched.location.as_deref()),
            status => (Outcome::Failed(format!("answered {status}")), Vec::new()),
        }
    }

    fn redirect(&self, entry: &Entry, location: Option<&str>) -> (Outcome, Vec<Entry>) {
        let target = location.and_then(|location| entry.url.join(location).ok()).map(canonical);
        let outcome = match target {
            None => Outcome::Failed("redirects to no address".to_owned()),
            Some(to) if !self.boundary.contains(&to) => Outcome::Skipped(Skip::OutOfScope),
            Some(_) if entry.hops >= HOPS_MAX => Outcome::Failed(format!("more than {HOPS_MAX} redirects")),
            Some(url) => {
                let next = Entry { url: url.clone(), depth: entry.depth, hops: entry.hops + 1 };
                return (Outcome::Redirect { to: url }, vec![next]);
            }
        };
        (outcome, Vec::new())
    }

    /// Saves a page and reads its links, both away from the threads that wait for the network.
    async fn take(self: Arc<Self>, entry: Entry, fetched: Fetched) -> (Outcome, Vec<Entry>) {
        let bytes = u64::try_from(fetched.body.len()).unwrap_or(u64::MAX);
        if bytes > self.page_bytes_max {
            let why = format!("{bytes} bytes, more than the {} a page may have", self.page_bytes_max);
            return (Outcome::Failed(why), Vec::new());
        }
        let html = is_html(fetched.content_type.as_deref(), &fetched.body);
        let follow = html && self.depth_max.is_none_or(|max| entry.depth < max);
        let work = tokio::task::spawn_blocking(move || self.read(&entry, &fetched.body, follow));
        match work.await {
            Ok((Ok(saved), found)) => (Outcome::Page { bytes, saved }, found),
            Ok((Err(error), _)) => (Outcome::NotSaved(error.to_string()), Vec::new()),
            Err(error) => (Outcome::Failed(error.to_string()), Vec::new()),
        }
    }

    fn read(&self, entry: &Entry, body: &Bytes, follow: bool) -> (std::io::Result<Option<PathBuf>>, Vec<Entry>) {
        let saved = self.saver.as_ref().map(|saver| saver.save(&entry.url, body)).transpose();
        let found = match follow {
            true => links(body, &entry.url, &self.agent, |url| self.boundary.contains(url)),
            false => Vec::new(),
        };
        let depth = entry.depth.saturating_add(1);
        (saved, found.into_iter().map(|url| Entry { url, depth, hops: 0 }).collect())
    }
}

fn refusal(error: FetchError) -> Outcome {
    match error {
        FetchError::OverMaxPrice { asked } => Outcome::Skipped(Skip::OverMaxPrice { asked }),
        FetchError::BudgetExhausted => Outcome::Skipped(Skip::BudgetExhausted),
        FetchError::Unknown { id } => Outcome::Unknown { id },
        error @ (FetchError::Refused { .. } | FetchError::Unreachable(_)) => Outcome::Failed(error.to_string()),
    }
}

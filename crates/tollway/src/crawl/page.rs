//! One visit: fetch a page, save it, read its links.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::fetch::{Charged, Fetch, FetchError, Fetched};
use super::frontier::{Entry, Kind};
use super::kept::{Had, Kept};
use super::links::{is_html, links};
use super::log::{Log, Saved};
use super::save::Saver;
use super::scope::{Boundary, canonical, host_key};
use super::sitemap::{LEVEL_MAX, Sitemap};
use super::warc::Warc;

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
    /// It is had from an earlier crawl.
    Kept {
        /// Its size; none for a redirect or a page that is longer than is read.
        bytes: Option<u64>,
    },
    /// It is a sitemap.
    Sitemap {
        /// Addresses inside the scope that it lists.
        urls: u64,
    },
    /// It leads to another address inside the scope.
    Redirect {
        /// That address.
        to: Url,
    },
    /// It was not taken.
    Skipped(Skip),
    /// It is longer than is read.
    TooLarge {
        /// Bytes that are read at most.
        max: u64,
    },
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
    /// Its host asks to be left alone for longer than the crawl waits.
    HostBusy,
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
            Self::HostBusy => "host_busy",
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

/// How a visit ended.
#[derive(Debug)]
pub(crate) enum Visited {
    /// For good.
    Done(Visit),
    /// The host has no time for it now (429 or 503).
    Busy {
        /// To be visited again.
        entry: Entry,
        /// The status.
        status: u16,
        /// How long the host asks to wait.
        after: Option<Duration>,
    },
}

/// Where pages go.
pub(crate) struct Shelf {
    pub(crate) saver: Saver,
    pub(crate) log: Log,
    /// What earlier crawls put there.
    pub(crate) kept: Kept,
}

/// What all visits of a crawl share.
pub(crate) struct Visitor {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) boundary: Boundary,
    pub(crate) shelf: Option<Shelf>,
    pub(crate) warc: Option<Arc<Warc>>,
    /// The crawler's product token.
    pub(crate) agent: String,
    pub(crate) depth_max: Option<u32>,
    pub(crate) page_bytes_max: u64,
}

impl Visitor {
    /// Visits one address.
    pub(crate) async fn visit(self: Arc<Self>, entry: Entry) -> Visited {
        if let Kind::Sitemap { level } = entry.kind {
            return self.read_sitemap(entry, level).await;
        }
        let url = entry.url.clone();
        if let Some(had) = self.had(&entry).cloned() {
            let (outcome, found) = self.revisit(entry, had).await;
            return Visited::Done(Visit { event: PageEvent { url, outcome, charged: None }, found });
        }
        match self.fetch.fetch(&url).await {
            Ok(Fetched { status: status @ (429 | 503), retry_after, .. }) => {
                Visited::Busy { entry, status, after: retry_after }
            }
            Ok(fetched) => {
                let charged = fetched.charged.clone();
                let (outcome, found) = self.judge(entry, fetched).await;
                Visited::Done(Visit { event: PageEvent { url, outcome, charged }, found })
            }
            Err(error) => {
                let (outcome, charged) = self.refusal(error);
                Visited::Done(Visit { event: PageEvent { url, outcome, charged }, found: Vec::new() })
            }
        }
    }

    /// What earlier crawls have of an address: then nothing is asked for.
    pub(crate) fn had(&self, entry: &Entry) -> Option<&Had> {
        let kept = &self.shelf.as_ref()?.kept;
        (entry.kind == Kind::Page).then(|| kept.get(&entry.url, self.page_bytes_max)).flatten()
    }

    async fn revisit(self: Arc<Self>, entry: Entry, had: Had) -> (Outcome, Vec<Entry>) {
        match had {
            Had::TooLarge { .. } => (Outcome::Kept { bytes: None }, Vec::new()),
            Had::Redirect { to } => match self.redirect(&entry, Some(&to)) {
                (Outcome::Redirect { .. }, found) => (Outcome::Kept { bytes: None }, found),
                otherwise => otherwise,
            },
            Had::Page { bytes, html } => {
                let outcome = Outcome::Kept { bytes: Some(bytes) };
                if html == Some(false) || !self.follows(&entry) {
                    return (outcome, Vec::new());
                }
                let work = tokio::task::spawn_blocking(move || self.read_again(&entry, bytes, html));
                match work.await.map_err(std::io::Error::other).flatten() {
                    Ok(found) => (outcome, found),
                    Err(error) => (Outcome::Failed(format!("its file cannot be read: {error}")), Vec::new()),
                }
            }
        }
    }

    fn read_again(&self, entry: &Entry, bytes: u64, html: Option<bool>) -> std::io::Result<Vec<Entry>> {
        let file = self.shelf.as_ref().and_then(|shelf| shelf.saver.find(&entry.url, bytes));
        let body = std::fs::read(file.ok_or(std::io::ErrorKind::NotFound)?)?;
        let has_links = html.unwrap_or_else(|| is_html(None, &body));
        Ok(if has_links { self.links(entry, &body) } else { Vec::new() })
    }

    async fn judge(self: Arc<Self>, entry: Entry, fetched: Fetched) -> (Outcome, Vec<Entry>) {
        if fetched.status / 100 == 2 {
            return self.take(entry, fetched).await;
        }
        if let Some(warc) = &self.warc
            && let Err(error) = warc.add(&entry.url, &fetched)
        {
            return (Outcome::NotSaved(error.to_string()), Vec::new());
        }
        match fetched.status {
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
                let next = Entry { url: url.clone(), hops: entry.hops + 1, ..entry.clone() };
                return (Outcome::Redirect { to: url }, vec![next]);
            }
        };
        (outcome, Vec::new())
    }

    /// Saves a page and reads its links, both away from the threads that wait for the network.
    async fn take(self: Arc<Self>, entry: Entry, fetched: Fetched) -> (Outcome, Vec<Entry>) {
        let bytes = to_u64(fetched.body.len());
        if bytes > self.page_bytes_max {
            return (Outcome::TooLarge { max: self.page_bytes_max }, Vec::new());
        }
        let work = tokio::task::spawn_blocking(move || {
            let saved = self.save(&entry, &fetched);
            let follow = self.follows(&entry) && is_html(fetched.content_type.as_deref(), &fetched.body);
            (saved, if follow { self.links(&entry, &fetched.body) } else { Vec::new() })
        });
        match work.await {
            Ok((Ok(saved), found)) => (Outcome::Page { bytes, saved }, found),
            Ok((Err(error), _)) => (Outcome::NotSaved(error.to_string()), Vec::new()),
            Err(error) => (Outcome::Failed(error.to_string()), Vec::new()),
        }
    }

    /// Archive, then record, then file: a page whose file is there is in all three.
    fn save(&self, entry: &Entry, fetched: &Fetched) -> std::io::Result<Option<PathBuf>> {
        if let Some(warc) = &self.warc {
            warc.add(&entry.url, fetched)?;
        }
        let Some(shelf) = &self.shelf else { return Ok(None) };
        let saved = shelf.saver.save(&entry.url, &fetched.body, |file| {
            shelf.log.saved(&Saved {
                url: &entry.url,
                file,
                bytes: to_u64(fetched.body.len()),
                content_type: fetched.content_type.as_deref(),
                charged: fetched.charged.as_ref(),
            })
        });
        saved.map(Some)
    }

    fn follows(&self, entry: &Entry) -> bool {
        self.depth_max.is_none_or(|max| entry.depth < max)
    }

    fn links(&self, entry: &Entry, body: &[u8]) -> Vec<Entry> {
        let found = links(body, &entry.url, &self.agent, |url| self.boundary.contains(url));
        let depth = entry.depth.saturating_add(1);
        found.into_iter().map(|url| Entry::page(url, depth)).collect()
    }

    /// Reads a sitemap, which is never paid for. One that is not there lists nothing.
    async fn read_sitemap(self: Arc<Self>, entry: Entry, level: u8) -> Visited {
        let url = entry.url.clone();
        let fetched = match self.fetch.fetch_free(&url).await {
            Ok(Fetched { status: status @ (429 | 503), retry_after, .. }) => {
                return Visited::Busy { entry, status, after: retry_after };
            }
            Ok(fetched) => fetched,
            Err(_) => return Visited::Done(Visit::of_sitemap(url, Vec::new())),
        };
        let found = match fetched.status {
            200..=299 => {
                let work = tokio::task::spawn_blocking(move || self.listed(&entry, level, &fetched.body));
                work.await.unwrap_or_default()
            }
            301 | 302 | 303 | 307 | 308 if entry.hops < HOPS_MAX => {
                let target = fetched.location.and_then(|location| url.join(&location).ok()).map(canonical);
                let near = target.filter(|target| host_key(target) == host_key(&url));
                near.map(|url| Entry { url, hops: entry.hops + 1, ..entry }).into_iter().collect()
            }
            _ => Vec::new(),
        };
        Visited::Done(Visit::of_sitemap(url, found))
    }

    /// Pages inside the scope; further sitemaps on the same host.
    fn listed(&self, entry: &Entry, level: u8, file: &[u8]) -> Vec<Entry> {
        match Sitemap::read(file, &entry.url) {
            Sitemap::Pages(urls) => {
                let inside = urls.into_iter().map(canonical).filter(|url| self.boundary.contains(url));
                inside.map(|url| Entry::page(url, entry.depth.saturating_add(1))).collect()
            }
            Sitemap::Index(_) if level >= LEVEL_MAX => Vec::new(),
            Sitemap::Index(urls) => {
                let host = host_key(&entry.url);
                let near =
                    urls.into_iter().filter(|url| matches!(url.scheme(), "http" | "https") && host_key(url) == host);
                near.map(|url| Entry::sitemap(url, level + 1)).collect()
            }
        }
    }

    fn refusal(&self, error: FetchError) -> (Outcome, Option<Charged>) {
        let outcome = match error {
            FetchError::OverMaxPrice { asked } => Outcome::Skipped(Skip::OverMaxPrice { asked }),
            FetchError::BudgetExhausted => Outcome::Skipped(Skip::BudgetExhausted),
            FetchError::Unknown { id } => Outcome::Unknown { id },
            FetchError::TooLarge { charged } => return (Outcome::TooLarge { max: self.page_bytes_max }, charged),
            FetchError::Lost { ref charged, .. } => {
                let charged = Some(charged.clone());
                return (Outcome::Failed(error.to_string()), charged);
            }
            FetchError::Refused { .. } | FetchError::Unreachable(_) => Outcome::Failed(error.to_string()),
        };
        (outcome, None)
    }
}

impl Visit {
    fn of_sitemap(url: Url, found: Vec<Entry>) -> Self {
        let urls = to_u64(found.len());
        Self { event: PageEvent { url, outcome: Outcome::Sitemap { urls }, charged: None }, found }
    }
}

pub(crate) fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

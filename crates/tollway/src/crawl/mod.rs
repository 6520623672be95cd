//! The paying crawler: walks a site from a start, pays for pages that cost money within the payer's budget, obeys
//! `robots.txt`, and keeps what it bought below a directory.
//!
//! It never leaves its scope, never pays for `robots.txt` or a sitemap, never gives up a page that may already be paid,
//! and never asks again for what an earlier crawl into the same directory has.

mod drive;
mod fetch;
mod frontier;
mod html;
mod kept;
mod lane;
mod links;
mod log;
mod names;
pub(crate) mod page;
pub(crate) mod progress;
mod robots;
mod save;
mod scope;
mod sitemap;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
mod warc;
pub(crate) mod watched;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::watch;
use url::Url;

pub(crate) use self::fetch::{Charged, Exchange, Fetch, FetchError, Fetched};
pub(crate) use self::log::LOG_NAME;
pub(crate) use self::progress::{Bar, Progress, Silent};
pub(crate) use self::scope::Scope;
pub(crate) use self::summary::Summary;
pub(crate) use self::warc::Warc;

use self::drive::{Drive, Pace};
use self::frontier::{Entry, Frontier, Limits};
use self::kept::Kept;
use self::log::Log;
use self::page::{Shelf, Visitor};
use self::robots::product_token;
use self::save::Saver;
use self::scope::Boundary;

/// Pages in flight at once, at most.
pub(crate) const CONCURRENCY_MAX: usize = 1024;

/// Bytes of one page, unless said otherwise.
pub(crate) const PAGE_BYTES_MAX: u64 = 64 << 20;

/// What to crawl and how.
#[derive(Clone, Debug)]
pub(crate) struct CrawlOptions {
    /// Where to begin.
    pub(crate) starts: Vec<Url>,
    /// The directory that pages are saved below, with a record of them in `~pages.jsonl`; without one they are only
    /// read for their links. What is there from an earlier crawl is not asked for again.
    pub(crate) out: Option<PathBuf>,
    /// The archive that every answer to a page is added to.
    pub(crate) warc: Option<Arc<Warc>>,
    /// Stop after so many pages that arrived, now or in earlier crawls; never exceeded.
    pub(crate) max_pages: Option<u64>,
    /// Pages in flight at once, 1 to [`CONCURRENCY_MAX`].
    pub(crate) concurrency: usize,
    /// Of those, of one host; at least 1.
    pub(crate) per_host: usize,
    /// How far to go from the start.
    pub(crate) scope: Scope,
    /// Whether to ask for `robots.txt` and heed it.
    pub(crate) respect_robots: bool,
    /// Whether to ask for sitemaps: those that `robots.txt` names, and `/sitemap.xml`.
    pub(crate) sitemaps: bool,
    /// The user agent; its product token is what `robots.txt` knows the crawler by.
    pub(crate) user_agent: String,
    /// The pause between two pages of a host, in place of the one its `robots.txt` asks for.
    pub(crate) crawl_delay: Option<Duration>,
    /// Links to follow from the start, at most.
    pub(crate) depth: Option<u32>,
    /// Bytes of one page; a larger one counts as failed.
    pub(crate) page_bytes_max: u64,
}

impl CrawlOptions {
    /// A crawl from `starts` by `user_agent`, with everything else as usual.
    pub(crate) fn new(starts: Vec<Url>, user_agent: String) -> Self {
        Self {
            starts,
            out: None,
            warc: None,
            max_pages: None,
            concurrency: 8,
            per_host: 4,
            scope: Scope::default(),
            respect_robots: true,
            sitemaps: true,
            user_agent,
            crawl_delay: None,
            depth: None,
            page_bytes_max: PAGE_BYTES_MAX,
        }
    }
}

/// Crawls. Setting `cancel` to true ends the crawl once the pages in flight are in.
///
/// # Errors
///
/// Before anything is fetched: a start that is no plain web address, an impossible concurrency, a directory that cannot
/// be made. Later only a defect; whatever sites and payer do is in the [`Summary`].
pub(crate) async fn crawl(
    options: CrawlOptions,
    fetch: Arc<dyn Fetch>,
    progress: Arc<dyn Progress>,
    cancel: watch::Receiver<bool>,
) -> anyhow::Result<Summary> {
    crawl_within(Limits::default(), options, fetch, progress, cancel).await
}

async fn crawl_within(
    limits: Limits,
    options: CrawlOptions,
    fetch: Arc<dyn Fetch>,
    progress: Arc<dyn Progress>,
    cancel: watch::Receiver<bool>,
) -> anyhow::Result<Summary> {
    ensure!(
        (1..=CONCURRENCY_MAX).contains(&options.concurrency),
        "the number of pages in flight must be 1 to {CONCURRENCY_MAX}, not {}",
        options.concurrency
    );
    ensure!(options.per_host > 0, "the number of pages in flight of a host must be at least 1");
    let agent = product_token(&options.user_agent).to_owned();
    ensure!(!agent.is_empty(), "the user agent `{}` does not begin with a product name", options.user_agent);
    let boundary = Boundary::new(options.scope, &options.starts)?;
    let shelf = options.out.as_deref().map(open).transpose()?;
    let mut frontier = Frontier::new(limits);
    for start in boundary.starts() {
        frontier.push(Entry::page(start.clone(), 0));
    }
    let (depth_max, page_bytes_max, warc) = (options.depth, options.page_bytes_max, options.warc);
    let visitor = Visitor { fetch, boundary, shelf, warc, agent, depth_max, page_bytes_max };
    let pace = Pace {
        concurrency: options.concurrency,
        per_host: options.per_host,
        max_pages: options.max_pages,
        respect_robots: options.respect_robots,
        sitemaps: options.sitemaps,
        crawl_delay: options.crawl_delay,
    };
    Drive::new(visitor, pace, frontier, progress).run(cancel).await
}

/// What the record of a directory says was charged for its pages, in micro-USD.
///
/// # Errors
/// When the record cannot be read.
pub(crate) fn recorded_charges(out: &Path) -> anyhow::Result<u128> {
    Ok(open(out)?.kept.charged())
}

fn open(out: &Path) -> anyhow::Result<Shelf> {
    let opened = || -> std::io::Result<Shelf> {
        fs::create_dir_all(out)?;
        // The record first: it keeps other crawls out.
        let log = Log::open(out)?;
        let saver = Saver::open(out.to_owned())?;
        let kept = Kept::read(out, &saver)?;
        Ok(Shelf { saver, log, kept })
    };
    opened().with_context(|| format!("cannot save pages in {}", out.display()))
}

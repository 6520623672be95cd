//! The paying crawler: walks a site from a start, pays for pages that cost money within the payer's budget, obeys
//! `robots.txt`, and keeps what it bought below a directory.
//!
//! It never leaves its scope, never pays for `robots.txt`, and never gives up a page that may already be paid.

mod drive;
mod fetch;
mod frontier;
mod html;
mod links;
mod log;
mod names;
pub(crate) mod page;
pub(crate) mod progress;
mod robots;
mod save;
mod scope;
pub(crate) mod summary;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::watch;
use url::Url;

pub(crate) use self::fetch::{Charged, Fetch, FetchError, Fetched};
pub(crate) use self::progress::{Bar, Progress, Silent};
pub(crate) use self::scope::Scope;
pub(crate) use self::summary::Summary;

use self::drive::{Drive, Pace};
use self::frontier::{Entry, Frontier, Limits};
use self::log::Log;
use self::page::Visitor;
use self::robots::product_token;
use self::save::Saver;
use self::scope::Boundary;

/// Pages in flight at once, at most.
pub(crate) const CONCURRENCY_MAX: usize = 1024;

/// What to crawl and how.
#[derive(Clone, Debug)]
pub(crate) struct CrawlOptions {
    /// Where to begin.
    pub(crate) start: Url,
    /// The directory that pages are saved below, with a record of them in `~pages.jsonl`; without one they are only
    /// read for their links.
    pub(crate) out: Option<PathBuf>,
    /// Stop after so many pages that arrived; never exceeded.
    pub(crate) max_pages: Option<u64>,
    /// Pages in flight at once, 1 to [`CONCURRENCY_MAX`].
    pub(crate) concurrency: usize,
    /// How far to go from the start.
    pub(crate) scope: Scope,
    /// Whether to ask for `robots.txt` and heed it.
    pub(crate) respect_robots: bool,
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
    /// A crawl from `start` by `user_agent`, with everything else as usual.
    pub(crate) fn new(start: Url, user_agent: String) -> Self {
        Self {
            start,
            out: None,
            max_pages: None,
            concurrency: 8,
            scope: Scope::default(),
            respect_robots: true,
            user_agent,
            crawl_delay: None,
            depth: None,
            page_bytes_max: 16 << 20,
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
    let agent = product_token(&options.user_agent).to_owned();
    ensure!(!agent.is_empty(), "the user agent `{}` does not begin with a product name", options.user_agent);
    let boundary = Boundary::new(options.scope, &options.start)?;
    let (saver, log) = options.out.as_deref().map(open).transpose()?.unzip();
    let mut frontier = Frontier::new(limits);
    frontier.push(Entry { url: boundary.start().clone(), depth: 0, hops: 0 });
    let (depth_max, page_bytes_max) = (options.depth, options.page_bytes_max);
    let visitor = Visitor { fetch, boundary, saver, agent, depth_max, page_bytes_max };
    let pace = Pace {
        concurrency: options.concurrency,
        max_pages: options.max_pages,
        respect_robots: options.respect_robots,
        crawl_delay: options.crawl_delay,
    };
    Drive::new(visitor, pace, frontier, progress, log).run(cancel).await
}

fn open(out: &Path) -> anyhow::Result<(Saver, Log)> {
    let saver = Saver::open(out.to_owned());
    let opened = saver.and_then(|saver| Ok((saver, Log::open(out)?)));
    opened.with_context(|| format!("cannot save pages in {}", out.display()))
}

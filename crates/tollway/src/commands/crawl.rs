//! `tollway crawl`: fetch sites' pages, paying within a budget, going on where an earlier run ended.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollway_core::buyer::Budget;
use tollway_core::clock::SystemClock;
use tollway_http::payer::Payer;
use tollway_pages::buying::{Buying, BuyingPages};
use tollway_protocol::Amount;

use super::buyer::{PayerOptions, PayingFetch, payer, user_agent};
use super::crawl_past::{spent_since, take_up};
use super::gateway::stop_signal;
use super::{say, say_json};
use crate::cli::{CrawlArgs, ScopeArg};
use crate::console;
use crate::crawl::watched::Watched;
use crate::crawl::{Bar, CrawlOptions, Progress, Scope, Silent, Warc, crawl};
use crate::keys;

pub(crate) async fn run(args: CrawlArgs) -> anyhow::Result<ExitCode> {
    let options = crawl_options(&args)?;
    let from = take_up(args.out.as_deref(), &args.purse.audit, args.fresh)?;
    let (payer, before) = going_on(&args, from).await?;
    let (cancel, cancelled) = watch::channel(false);
    let stopped = stop_signal();
    tokio::spawn(async move {
        stopped.await;
        cancel.send_replace(true);
    });
    let progress: Arc<dyn Progress> = if args.json { Arc::new(Silent) } else { Arc::new(Bar::new()) };
    let page = match args.ui {
        Some(listen) => Some(shown(listen, args.budget, before).await?),
        None => None,
    };
    let progress = match &page {
        Some(page) => Arc::new(Watched::new(Arc::clone(&page.buying), progress)),
        None => progress,
    };
    let fetch = Arc::new(PayingFetch(Arc::clone(&payer)));
    let mut summary = crawl(options, fetch, progress, cancelled.clone()).await?;
    summary.charged_before = before.get();
    let open = payer.resolve_open().await;
    if args.json {
        say_json(&summary)?;
    } else {
        say(&summary);
        if open > 0 {
            say(format_args!("{open} promises have no known outcome yet; `tollway statement` will tell"));
        }
    }
    if let Some(page) = page {
        page.until(cancelled).await;
    }
    let failed = summary.pages_ok + summary.pages_kept == 0 || summary.errors > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The page of a crawl, being served.
struct Shown {
    buying: Arc<Buying>,
    serving: JoinSet<()>,
}

impl Shown {
    /// Stays until the program is told to stop.
    async fn until(mut self, mut stopped: watch::Receiver<bool>) {
        if !*stopped.borrow() {
            eprintln!("the page stays until ctrl-c");
        }
        // An error is the end of whoever would tell.
        drop(stopped.wait_for(|stop| *stop).await);
        self.serving.shutdown().await;
    }
}

async fn shown(listen: SocketAddr, budget: Amount, before: Amount) -> anyhow::Result<Shown> {
    let buying = Arc::new(Buying::new(Arc::new(SystemClock), budget, before));
    let pages = Arc::new(BuyingPages(Arc::clone(&buying)));
    let mut serving = console::show(listen, Buying::assets(), pages).await?;
    serving.spawn(Arc::clone(&buying).keep());
    Ok(Shown { buying, serving })
}

/// The payer of this run, whose budget is what earlier runs of the crawl have left, and what they were charged.
/// Promises that a run before left open are looked up first.
async fn going_on(args: &CrawlArgs, from: u64) -> anyhow::Result<(Arc<Payer>, Amount)> {
    let audit = &args.purse.audit;
    let open = spent_since(audit, 0)?.into_open();
    if !open.is_empty() {
        let asker = payer_of(args, Amount::ZERO)?;
        asker.adopt(open);
        asker.resolve_open().await;
    }
    // What was learned is in the log now.
    let past = spent_since(audit, from)?;
    let (before, held) = (past.charged(), past.held());
    let left = args.budget.checked_sub(before).and_then(|left| left.checked_sub(held)).unwrap_or(Amount::ZERO);
    let payer = payer_of(args, left)?;
    payer.adopt(spent_since(audit, 0)?.into_open());
    Ok((Arc::new(payer), before))
}

fn payer_of(args: &CrawlArgs, budget: Amount) -> anyhow::Result<Payer> {
    let options = PayerOptions {
        agent: &args.buyer.agent,
        budget: Budget::new(budget, args.max_price),
        audit: &args.purse.audit,
        dress: args.purse.dress,
        network: args.purse.network.parse().context("--network")?,
        clock: Arc::new(SystemClock),
        body_max: usize::try_from(args.max_page_bytes).unwrap_or(usize::MAX),
    };
    payer(keys::read(&args.buyer.key)?, options)
}

fn crawl_options(args: &CrawlArgs) -> anyhow::Result<CrawlOptions> {
    let mut options = CrawlOptions::new(args.urls.clone(), user_agent());
    options.out.clone_from(&args.out);
    let warc = args.warc.as_ref().map(|path| Warc::open(path, Arc::new(SystemClock), user_agent()));
    options.warc = warc.transpose()?.map(Arc::new);
    options.max_pages = args.max_pages;
    options.page_bytes_max = args.max_page_bytes;
    options.concurrency = args.concurrency.clamp(1, 256);
    options.per_host = args.per_host.clamp(1, options.concurrency);
    options.depth = args.depth;
    options.respect_robots = !args.ignore_robots;
    options.sitemaps = !args.no_sitemaps;
    options.scope = match args.scope {
        ScopeArg::Host => Scope::Host,
        ScopeArg::Path => Scope::Path,
    };
    options.crawl_delay = args.crawl_delay.map(Duration::try_from_secs_f64).transpose().context("--crawl-delay")?;
    Ok(options)
}

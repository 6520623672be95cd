//! `tollway crawl`: fetch a site's pages, paying within a budget.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tollway_core::buyer::Budget;
use tollway_core::clock::SystemClock;

use super::buyer::{PayerOptions, PayingFetch, payer, user_agent};
use super::gateway::stop_signal;
use super::{say, say_json};
use crate::cli::{CrawlArgs, ScopeArg};
use crate::crawl::{Bar, CrawlOptions, Progress, Scope, Silent, crawl};
use crate::keys;

pub(crate) async fn run(args: CrawlArgs) -> anyhow::Result<ExitCode> {
    let options = PayerOptions {
        agent: &args.buyer.agent,
        budget: Budget::new(args.budget, args.max_price),
        audit: &args.audit,
        dress: args.dress,
        network: args.network.parse().context("--network")?,
        clock: Arc::new(SystemClock),
    };
    let payer = Arc::new(payer(keys::read(&args.buyer.key)?, options)?);
    let (cancel, cancelled) = watch::channel(false);
    let stopped = stop_signal();
    tokio::spawn(async move {
        stopped.await;
        cancel.send_replace(true);
    });
    let progress: Arc<dyn Progress> = if args.json { Arc::new(Silent) } else { Arc::new(Bar::new()) };
    let fetch = Arc::new(PayingFetch(Arc::clone(&payer)));
    let summary = crawl(crawl_options(&args)?, fetch, progress, cancelled).await?;
    let open = payer.resolve_open().await;
    if args.json {
        say_json(&summary)?;
    } else {
        say(&summary);
        if open > 0 {
            say(format_args!("{open} promises have no known outcome yet; `tollway statement` will tell"));
        }
    }
    let failed = summary.pages_ok == 0 || summary.errors > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn crawl_options(args: &CrawlArgs) -> anyhow::Result<CrawlOptions> {
    let mut options = CrawlOptions::new(args.url.clone(), user_agent());
    options.out.clone_from(&args.out);
    options.max_pages = args.max_pages;
    options.concurrency = args.concurrency.clamp(1, 256);
    options.depth = args.depth;
    options.scope = match args.scope {
        ScopeArg::Host => Scope::Host,
        ScopeArg::Path => Scope::Path,
    };
    options.crawl_delay = args.crawl_delay.map(Duration::try_from_secs_f64).transpose().context("--crawl-delay")?;
    Ok(options)
}

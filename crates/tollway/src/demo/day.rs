//! The day itself: look at a price, crawl, close, prove.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tollway_core::buyer::Budget;
use tollway_core::clock::SystemClock;
use tollway_core::offer::Offer;
use tollway_http::payer::Payer;
use tollway_ledger::{AuditReport, Books, Period, Reconciliation, Statement, reconcile};
use tollway_protocol::{Amount, Network};
use url::Url;

use super::stage::Stage;
use crate::cli::{DemoArgs, Format};
use crate::commands::bill_check::reconciled;
use crate::commands::buyer::{BODY_MAX, PayerOptions, PayingFetch, payer, user_agent};
use crate::commands::ledger::{SellerSigner, write_export};
use crate::commands::statement::{CheckedBill, asker, fetch};
use crate::commands::{KnownKeys, audited, buyer_log, now, seller_lines};
use crate::compose::open_books;
use crate::crawl::{Bar, CrawlOptions, Progress, Scope, Silent, Summary, crawl};
use crate::keys;

/// What a day came to.
pub(crate) struct Day {
    /// The first offer that the crawler was shown.
    pub(crate) offer: Option<Arc<Offer>>,
    pub(crate) crawl: Summary,
    pub(crate) period: Period,
    pub(crate) statement: Option<Statement>,
    pub(crate) bill: Option<CheckedBill>,
    pub(crate) bill_reconciled: Option<Reconciliation>,
    pub(crate) audit: AuditReport,
    pub(crate) logs: Reconciliation,
    pub(crate) audit_total: Amount,
}

impl Day {
    /// Whether everything was closed, verified and reconciled.
    pub(crate) fn holds(&self) -> bool {
        self.crawl.pages_paid > 0 && self.journal_ok() && self.reconciled() && self.bill_ok()
    }

    pub(crate) fn journal_ok(&self) -> bool {
        self.audit.is_proved()
    }

    pub(crate) fn reconciled(&self) -> bool {
        self.logs.is_clean() && self.bill_reconciled.as_ref().is_some_and(Reconciliation::is_clean)
    }

    pub(crate) fn bill_ok(&self) -> bool {
        self.bill.as_ref().is_some_and(|bill| bill.verdict.holds())
    }
}

/// Plays the day.
pub(crate) async fn play(stage: &Stage, args: &DemoArgs) -> anyhow::Result<Day> {
    let payer = Arc::new(crawler(stage, args)?);
    let (offer, summary) = crawled(stage, args, &payer).await?;
    payer.resolve_open().await;
    // The crawl's log is complete; the payer that wrote it ends here.
    drop(payer);
    let (period, statement) = closed(stage).await?;
    let books = open_books(&stage.config)?;
    let mut export = Vec::new();
    write_export(&books, Format::Jsonl, &mut export).await?;
    std::fs::write(stage.file("export.jsonl"), &export)?;
    let mut known = KnownKeys::default();
    known.add_key(stage.crawler_key.clone());
    known.add_key(stage.seller_key.clone());
    let audit = audited(&export, &known);
    let log = buyer_log(&stage.file("audit.jsonl"))?;
    let bought = || log.iter().map(|logged| logged.line);
    let audit_total = bought().try_fold(Amount::ZERO, |sum, line| sum.checked_add(line.amount)).context("a sum")?;
    let logs = reconcile(seller_lines(&export, None)?.into_iter(), bought());
    let (bill, bill_reconciled) = match &statement {
        None => (None, None),
        Some(_) => {
            let bill = bill(stage, period).await?;
            let found = reconciled(&bill.statement, &bill.lines, &log);
            (Some(bill), Some(found))
        }
    };
    Ok(Day { offer, crawl: summary, period, statement, bill, bill_reconciled, audit, logs, audit_total })
}

fn crawler(stage: &Stage, args: &DemoArgs) -> anyhow::Result<Payer> {
    let options = PayerOptions {
        agent: &stage.agent,
        budget: Budget::new(args.budget, args.price),
        audit: &stage.file("audit.jsonl"),
        dress: args.dress,
        network: Network::tollway(),
        clock: Arc::new(SystemClock),
        body_max: BODY_MAX,
    };
    payer(keys::read(&stage.file("crawler.jwk"))?, options)
}

async fn crawled(stage: &Stage, args: &DemoArgs, payer: &Arc<Payer>) -> anyhow::Result<(Option<Arc<Offer>>, Summary)> {
    let start = Url::parse(&format!("{}/index.html", stage.seller))?;
    let mut options = CrawlOptions::new(vec![start.clone()], user_agent());
    options.out = Some(stage.file("pages"));
    options.scope = Scope::Host;
    options.concurrency = args.concurrency.clamp(1, 256);
    options.per_host = options.concurrency;
    let progress: Arc<dyn Progress> = if args.json { Arc::new(Silent) } else { Arc::new(Bar::new()) };
    let (_cancel, cancelled) = watch::channel(false);
    let summary = crawl(options, Arc::new(PayingFetch(Arc::clone(payer))), progress, cancelled).await?;
    let first = first_priced(stage)?;
    let offer = match first {
        Some(path) => payer.quote(&start.join(&path)?).await?,
        None => None,
    };
    Ok((offer, summary))
}

/// Some page that costs money, to show its price.
fn first_priced(stage: &Stage) -> anyhow::Result<Option<String>> {
    let promised = tollway_http::payer::FileJournal::read(&stage.file("audit.jsonl"))?;
    Ok(promised.into_iter().find_map(|line| match line {
        tollway_core::buyer::AuditLine::Promise { url, .. } => Some(url),
        _ => None,
    }))
}

/// Closes the day that the crawl fell on, as if midnight had passed.
async fn closed(stage: &Stage) -> anyhow::Result<(Period, Option<Statement>)> {
    let books = open_books(&stage.config)?;
    let period = Period::day_of(now());
    let signer = SellerSigner::new(keys::read(&stage.file("seller.jwk"))?, stage.seller.clone());
    let closed = books.close(period, period.end(), &signer).await?;
    Ok((period, closed.statements.into_iter().next()))
}

async fn bill(stage: &Stage, period: Period) -> anyhow::Result<CheckedBill> {
    let log = stage.file("asked.jsonl");
    let payer = asker(keys::read(&stage.file("crawler.jwk"))?, &stage.agent, &log)?;
    let seller = Url::parse(&stage.seller)?;
    let bill = fetch(&payer, &seller, Some(&period.to_string()), &stage.crawler_key).await;
    drop(payer);
    std::fs::remove_file(log)?;
    bill
}

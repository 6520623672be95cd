//! Calls of tools through the relay: what a paid one costs over the same one free, and what holds under a thousand.
//!
//! Client, relay, seller, books and tool share one process and are spoken to through pipes; the books are a file, the
//! chain of the exact figures is the devnet. Payments are signed before the clock starts.

mod client;
mod shop;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::machine;
use crate::mcp::client::Client;
use crate::mcp::shop::{FREE, OWED, PAID_AT_ONCE, PRICE, Shop};
use crate::table::say;

/// The argument of the call that is copied: no other call has it, and every JSON reader holds it exactly.
const COPIED: u64 = 1 << 40;
/// Calls that the budget is too small for, and those it pays.
const ASKED: u64 = 1_000;
const AFFORDED: u64 = 100;

/// How many calls, and what to write.
#[derive(Debug, clap::Args)]
pub(crate) struct McpArgs {
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// Calls of each kind.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    calls: u32,
    /// Folder whose disk the books are measured on.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Microseconds of free and paid calls, and their ratio.
#[derive(Debug, Serialize)]
struct Overhead {
    ratio: f64,
    free_us: f64,
    paid_us: f64,
}

/// Everything that was seen.
#[derive(Debug, Serialize)]
struct Report {
    load_before: String,
    load_after: String,
    overhead: BTreeMap<&'static str, Overhead>,
    /// Calls of 1,000 that a budget for 100 paid, and runs of the tool.
    paid_within_budget: (u64, u64),
    /// Copies of one payment that were sent, and runs of the tool.
    copies: (u64, u64),
}

/// Measures.
pub(crate) fn run(args: &McpArgs) -> anyhow::Result<()> {
    crate::optimised()?;
    let folder = tempfile::tempdir_in(args.dir.clone().unwrap_or_else(std::env::temp_dir))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(async {
        let load_before = machine::busy();
        let shop = Shop::open(folder.path()).await?;
        let mut overhead = BTreeMap::new();
        for (names, tool, calls) in [
            (["deferred_p50", "deferred_p99"], OWED, args.calls),
            (["exact_p50", "exact_p99"], PAID_AT_ONCE, args.calls.min(300)),
        ] {
            for (name, figure) in names.into_iter().zip(compared(&shop, tool, calls).await?) {
                overhead.insert(name, figure);
            }
        }
        let paid_within_budget = within_budget(&shop).await?;
        let copies = copies(&shop).await?;
        anyhow::Ok(Report { load_before, load_after: machine::busy(), overhead, paid_within_budget, copies })
    })?;
    say(&if args.json { serde_json::to_string_pretty(&report)? } else { report.text() })
}

/// Free and paid calls in turns; their medians, and the slowest of a hundred.
async fn compared(shop: &Shop, tool: &str, calls: u32) -> anyhow::Result<[Overhead; 2]> {
    let client = shop.client();
    let (mut free, mut paid) = (Vec::new(), Vec::new());
    for n in 0..u64::from(calls) {
        let params = shop.paid(tool, n).await?;
        free.push(timed(&client, json!({ "name": FREE, "arguments": { "n": n } }), false).await?);
        paid.push(timed(&client, Value::Object(params), true).await?);
    }
    free.sort();
    paid.sort();
    Ok([50, 99].map(|percent| {
        let at = |all: &[Duration]| all[(all.len() - 1) * percent / 100].as_secs_f64() * 1e6;
        let (free_us, paid_us) = (at(&free), at(&paid));
        let rounded = |number: f64| (number * 100.0).round() / 100.0;
        Overhead { ratio: rounded(paid_us / free_us), free_us: rounded(free_us), paid_us: rounded(paid_us) }
    }))
}

async fn timed(client: &Client, params: Value, is_paid: bool) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let answer = client.call(&params).await?;
    let took = begun.elapsed();
    anyhow::ensure!(answer["result"]["isError"] != true && answer.get("error").is_none(), "refused: {answer}");
    let receipt = !answer["result"]["_meta"]["x402/payment-response"].is_null();
    anyhow::ensure!(receipt == is_paid, "with or without a receipt where it should be otherwise: {answer}");
    Ok(took)
}

async fn within_budget(shop: &Shop) -> anyhow::Result<(u64, u64)> {
    let (before, client) = (shop.runs(), shop.client());
    let payer = shop.payer(PRICE * u128::from(AFFORDED))?;
    let calls = (0..ASKED).map(|n| {
        let (payer, client) = (&payer, &client);
        async move {
            let params = json!({ "name": OWED, "arguments": { "budgeted": n } });
            let answered = payer.call("tools/call", params.as_object().expect("an object"), client).await;
            answered.is_ok_and(|answered| answered.paid.is_some())
        }
    });
    let paid = futures_util::future::join_all(calls).await.into_iter().filter(|paid| *paid).count() as u64;
    let ran = shop.runs() - before;
    anyhow::ensure!((paid, ran) == (AFFORDED, AFFORDED), "a budget for {AFFORDED} paid {paid}, and {ran} ran");
    Ok((paid, ran))
}

async fn copies(shop: &Shop) -> anyhow::Result<(u64, u64)> {
    let (before, client) = (shop.runs(), shop.client());
    let params = Value::Object(shop.paid(OWED, COPIED).await?);
    let copies = futures_util::future::join_all((0..100).map(|_| client.call(&params))).await;
    let (sent, ran) = (copies.len() as u64, shop.runs() - before);
    anyhow::ensure!(ran == 1, "{sent} copies of a payment made the tool run {ran} times");
    Ok((sent, ran))
}

impl Report {
    fn text(&self) -> String {
        let mut lines = vec![format!("load average {} before, {} after", self.load_before, self.load_after)];
        lines.push(format!("{:<14} {:>8} {:>12} {:>12}", "paid / free", "ratio", "free us", "paid us"));
        for (name, figure) in &self.overhead {
            lines.push(format!("{name:<14} {:>8.2} {:>12.0} {:>12.0}", figure.ratio, figure.free_us, figure.paid_us));
        }
        let (paid, ran) = self.paid_within_budget;
        lines.push(format!("{ASKED} calls at once, a budget for {AFFORDED}: {paid} paid, {ran} ran"));
        let (sent, ran) = self.copies;
        lines.push(format!("{sent} copies of one payment at once: ran {ran} time"));
        lines.join("\n")
    }
}

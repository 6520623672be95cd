//! `tollway spending`: what was spent, by server, tool, day or scheme.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;
use tollway_pages::spending::{SpendingLog, SpendingPages, SpentBy, SpentSum};

use super::gateway::stop_signal;
use super::ledger_csv::join;
use super::{say, say_json};
use crate::cli::SpendingArgs;
use crate::console;
use crate::money::dollars;
use crate::spending::{By, Report, Sums, report};

pub(crate) async fn run(args: &SpendingArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.purse.exists() || args.audit.exists(),
        "there is neither a purse {} nor a log {}",
        args.purse.display(),
        args.audit.display()
    );
    if let Some(listen) = args.ui {
        let logs = Logs { purse: args.purse.clone(), audit: args.audit.clone() };
        let serving = console::show(listen, SpendingPages::assets(), Arc::new(SpendingPages(Arc::new(logs)))).await?;
        stop_signal().await;
        drop(serving);
        return Ok(ExitCode::SUCCESS);
    }
    let report = report(Some(&args.purse), Some(&args.audit), args.by)?;
    if args.json {
        say_json(&report)?;
    } else if args.csv {
        csv(&report);
    } else {
        table(&report);
    }
    Ok(ExitCode::SUCCESS)
}

/// The logs, read anew for each page.
struct Logs {
    purse: PathBuf,
    audit: PathBuf,
}

impl SpendingLog for Logs {
    fn spent(&self, by: SpentBy) -> Result<(Vec<(String, SpentSum)>, SpentSum), String> {
        let by = match by {
            SpentBy::Server => By::Server,
            SpentBy::Tool => By::Tool,
            SpentBy::Day => By::Day,
            SpentBy::Scheme => By::Scheme,
        };
        let report = report(Some(&self.purse), Some(&self.audit), by).map_err(|error| format!("{error:#}"))?;
        let sum = |Sums { payments, paid, held, refused }| SpentSum { payments, paid, held, refused };
        let rows = report.rows.into_iter().map(|row| (row.key, sum(row.sums)));
        Ok((rows.collect(), sum(report.total)))
    }
}

fn csv(report: &Report) {
    let by = serde_json::to_value(report.by).ok();
    let by = by.as_ref().and_then(Value::as_str).unwrap_or_default();
    say(format_args!("{by},payments,paid_micro_usd,held_micro_usd,refused"));
    for row in &report.rows {
        let Sums { payments, paid, held, refused } = row.sums;
        say(join(&[row.key.clone(), payments.to_string(), paid.to_string(), held.to_string(), refused.to_string()]));
    }
}

fn table(report: &Report) {
    let width = report.rows.iter().map(|row| row.key.chars().count()).max().unwrap_or(0).max(5);
    say(format_args!("{:<width$}  {:>8}  {:>12}  {:>12}  {:>7}", "", "payments", "paid", "held", "refused"));
    let line = |key: &str, sums: &Sums| {
        let (paid, held) = (dollars(sums.paid), dollars(sums.held));
        say(format_args!("{key:<width$}  {:>8}  {paid:>12}  {held:>12}  {:>7}", sums.payments, sums.refused));
    };
    for row in &report.rows {
        line(&row.key, &row.sums);
    }
    line("total", &report.total);
}

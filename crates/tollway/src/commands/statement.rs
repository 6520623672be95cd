//! `tollway statement`: a buyer fetches its bill, checks every line of it, and compares it with its
//! own log. Nothing is taken from the seller but what it signed.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tollway_core::buyer::Budget;
use tollway_core::clock::SystemClock;
use tollway_http::payer::Payer;
use tollway_ledger::{BillPayment, Reconciliation, SellerLine, Statement};
use tollway_protocol::{Amount, Dress, Network};
use tollway_signatures::{PrivateKey, PublicKey, jws};
use url::Url;

use super::bill_check::{Verdict, check_lines, reconciled};
use super::buyer::{BODY_MAX, PayerOptions, payer};
use super::ledger::SEAL_TYPE;
use super::{buyer_log, ledger_audit, say, say_json};
use crate::cli::StatementArgs;
use crate::keys;
use crate::money::dollars;

/// Most bytes of lines read of one bill.
const LINES_MAX: usize = 1 << 30;

/// A bill that was fetched and checked.
pub(crate) struct CheckedBill {
    pub(crate) statement: Statement,
    /// Where it can be paid at once.
    pub(crate) pay_url: Option<String>,
    pub(crate) sealed: String,
    pub(crate) jsonl: String,
    pub(crate) lines: Vec<SellerLine>,
    pub(crate) verdict: Verdict,
}

pub(crate) async fn run(args: StatementArgs) -> anyhow::Result<ExitCode> {
    let key = keys::read(&args.buyer.key)?;
    let scratch = std::env::temp_dir().join(format!("tollway-statement-{}", std::process::id()));
    let own = key.public();
    let payer = asker(key, &args.buyer.agent, &scratch)?;
    let checked = fetch(&payer, &args.url, args.period.as_deref(), &own).await;
    // The payer's log stays empty: nothing is bought here.
    let removed = std::fs::remove_file(&scratch);
    let checked = checked?;
    removed.context("the scratch log")?;
    if let Some(folder) = &args.out {
        save(folder, &checked)?;
    }
    let reconciled = match &args.audit {
        Some(audit) => Some(reconciled(&checked.statement, &checked.lines, &buyer_log(audit)?)),
        None => None,
    };
    print(&checked, reconciled.as_ref(), args.json)?;
    let fine = checked.verdict.holds() && reconciled.is_none_or(|found| found.is_clean());
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A payer that cannot spend: it only asks.
pub(crate) fn asker(key: PrivateKey, agent: &str, log: &Path) -> anyhow::Result<Payer> {
    let options = PayerOptions {
        agent,
        budget: Budget::new(Amount::ZERO, Amount::ZERO),
        audit: log,
        dress: Dress::X402,
        network: Network::tollway(),
        clock: Arc::new(SystemClock),
        body_max: BODY_MAX,
    };
    payer(key, options)
}

/// Fetches a bill and its lines, and checks all of it.
pub(crate) async fn fetch(
    payer: &Payer,
    origin: &Url,
    period: Option<&str>,
    own: &PublicKey,
) -> anyhow::Result<CheckedBill> {
    #[derive(Deserialize)]
    struct Sealed {
        statement: Value,
        jws: String,
        #[serde(default)]
        paid: Option<BillPayment>,
        #[serde(default)]
        pay_url: Option<String>,
    }
    #[derive(Deserialize)]
    struct Listed {
        statements: Vec<Sealed>,
    }
    let base = origin.join(tollway_http::wellknown::PREFIX)?;
    let Sealed { statement: value, jws: sealed, paid, pay_url } = match period {
        Some(period) => {
            serde_json::from_slice(&payer.ask_signed(&base.join(&format!("statements/{period}"))?).await?.body)?
        }
        None => {
            let listed: Listed = serde_json::from_slice(&payer.ask_signed(&base.join("statements")?).await?.body)?;
            listed.statements.into_iter().next_back().context("there is no bill yet")?
        }
    };
    let mut statement: Statement = serde_json::from_value(value).context("the seller's bill is no statement")?;
    statement.paid = paid;
    let asked = period.is_none_or(|period| period == statement.period.to_string());
    ensure!(asked, "the seller answers with its bill of {}", statement.period);
    let keyid = jws::kid(&sealed, 64 << 10).map_err(|refusal| anyhow::anyhow!("the bill's seal: {refusal}"))?;
    let seller_key = payer.key_of(origin, &keyid).await?;
    let payload = jws::verify(SEAL_TYPE, &sealed, 64 << 10, &seller_key);
    let sealed_by_seller = payload.is_ok_and(|payload| payload == statement.payload().as_bytes());
    let jsonl = fetch_lines(payer, &base, &statement).await?;
    let (lines, verdict) = check_lines(&statement, &jsonl, own)?;
    let verdict = Verdict { sealed_by_seller, ..verdict };
    // A URL is told only where it is the seller's own.
    let pay_url = pay_url.filter(|text| Url::parse(text).is_ok_and(|url| url.origin() == origin.origin()));
    Ok(CheckedBill { statement, pay_url, sealed, jsonl, lines, verdict })
}

async fn fetch_lines(payer: &Payer, base: &Url, statement: &Statement) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Place {
        sequence: u64,
    }
    let mut jsonl = String::new();
    let mut after = 0;
    loop {
        let url = base.join(&format!("statements/{}/lines?after={after}", statement.period))?;
        let body = payer.ask_signed(&url).await?.body;
        let text = std::str::from_utf8(&body).context("the lines are not text")?;
        let Some(last) = text.lines().next_back() else { return Ok(jsonl) };
        let Place { sequence } = serde_json::from_str(last).context("the last line")?;
        ensure!(sequence > after, "the seller sends the same lines again");
        after = sequence;
        jsonl.push_str(text);
        if jsonl.len() > LINES_MAX {
            bail!("the bill has more lines than are read");
        }
    }
}

fn save(folder: &Path, checked: &CheckedBill) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let period = checked.statement.period;
    let sealed = json!({"statement": checked.statement, "jws": checked.sealed});
    std::fs::write(folder.join(format!("{period}.json")), serde_json::to_vec_pretty(&sealed)?)?;
    std::fs::write(folder.join(format!("{period}.lines.jsonl")), &checked.jsonl)?;
    Ok(())
}

fn print(checked: &CheckedBill, reconciled: Option<&Reconciliation>, json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&json!({
            "statement": checked.statement,
            "paid": checked.statement.paid,
            "pay_url": checked.pay_url,
            "verdict": checked.verdict,
            "verified": checked.verdict.holds(),
            "reconciliation": reconciled,
            "reconciled": reconciled.map(Reconciliation::is_clean),
        }));
    }
    let Statement { seller, period, lines, payable, charged, undelivered_total, .. } = &checked.statement;
    say(format_args!("{seller}, {period}: {lines} lines"));
    say(format_args!(
        "charged {}, taken back {}, payable now {}",
        dollars(*charged),
        dollars(*undelivered_total),
        dollars(*payable)
    ));
    match (&checked.statement.paid, &checked.pay_url) {
        (Some(paid), _) => say(format_args!("paid by {} {}", paid.rail, paid.reference)),
        (None, Some(url)) if *payable > Amount::ZERO => say(format_args!("pay it at {url}")),
        (None, _) => {}
    }
    let verdict = &checked.verdict;
    let word = |holds: bool| if holds { "yes" } else { "NO" };
    say(format_args!("signed by the seller        {}", word(verdict.sealed_by_seller)));
    say(format_args!("lines add up to the bill    {}", word(verdict.lines_add_up)));
    say(format_args!("lines signed by our key     {} of {}", verdict.lines_proved, checked.lines.len()));
    if let Some(found) = reconciled {
        ledger_audit::print_reconciliation(found);
    }
    Ok(())
}

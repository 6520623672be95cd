//! `tollway ledger paid`: an owner records that a bill was paid, by card, by bank or however else.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;
use tollway_ledger::{BillOutcome, BillPayment, Books as _, ExactBooks as _};

use super::agents::agent_id;
use super::{now, say, say_json};
use crate::cli::PaidArgs;
use crate::compose::open_books;
use crate::config::Config;
use crate::money::dollars;

pub(crate) async fn run(path: &Path, args: PaidArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::read(path)?;
    let books = open_books(&config)?;
    let agent = agent_id(&args.agent, config.agents.allow_loopback)?;
    let period = args.period.parse().map_err(|_| anyhow::anyhow!("`{}` is no period", args.period))?;
    let statement = books.statement(&agent, &period).await?;
    let statement = statement.with_context(|| format!("{agent} has no bill of {period}"))?;
    let amount = args.amount.unwrap_or(statement.payable);
    let payment = BillPayment { agent, period, amount, rail: args.rail, reference: args.reference };
    let (posting, already) = match books.bill_paid(payment.clone(), now()).await? {
        BillOutcome::Paid(posting) => (posting, false),
        BillOutcome::Known(posting) => (posting, true),
        BillOutcome::Refused(refusal) => bail!("not recorded: {refusal}"),
    };
    if json {
        say_json(&json!({
            "payment": payment,
            "already_recorded": already,
            "sequence": posting.sequence,
            "head": posting.head,
        }))?;
    } else {
        let BillPayment { agent, rail, reference, .. } = &payment;
        let how = if already { "was recorded before" } else { "recorded" };
        say(format_args!("{} of {agent} for {period}, {rail} {reference}: {how}", dollars(amount)));
    }
    Ok(ExitCode::SUCCESS)
}

//! One file for each command of the program.

pub(crate) mod agents;
mod audited;
pub(crate) mod bill_check;
pub(crate) mod buyer;
pub(crate) mod crawl;
mod crawl_past;
pub(crate) mod devnet;
pub(crate) mod explain;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod ledger;
mod ledger_audit;
mod ledger_csv;
mod ledger_paid;
mod metrics;
pub(crate) mod pages;
pub(crate) mod pay;
pub(crate) mod quote;
mod reload;
pub(crate) mod statement;

pub(crate) use audited::audited;
pub(crate) use ledger_audit::{KnownKeys, buyer_lines, buyer_log, seller_lines};

use std::io::Write as _;

use tollway_core::rules::Action;

use crate::money::dollars;

/// Prints a line to standard output. A reader that has gone away ends the program quietly.
pub(crate) fn say(text: impl std::fmt::Display) {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    if written.is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as JSON.
pub(crate) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// What a rule does, in a few words.
fn what(action: &Action) -> String {
    match action {
        Action::Charge(charge) => format!("{} a request", dollars(charge.price.amount)),
        Action::Allow => "free".to_owned(),
        Action::Block => "blocked".to_owned(),
    }
}

/// The time now.
pub(crate) fn now() -> u64 {
    tollway_core::clock::Clock::now(&tollway_core::clock::SystemClock)
}

//! One file for each command of the program.

pub(crate) mod agents;
mod audited;
pub(crate) mod bill_check;
pub(crate) mod buyer;
pub(crate) mod crawl;
mod crawl_past;
pub(crate) mod devnet;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod facilitator;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod ledger;
mod ledger_audit;
mod ledger_csv;
mod ledger_paid;
mod ledger_passes;
pub(crate) mod mcp_pay;
pub(crate) mod mcp_sell;
mod metrics;
pub(crate) mod pages;
pub(crate) mod pay;
mod pay_exact;
pub(crate) mod playground;
pub(crate) mod quote;
mod reload;
pub(crate) mod spending;
pub(crate) mod statement;
pub(crate) mod wallet;

pub(crate) use audited::audited;
pub(crate) use ledger_audit::{KnownKeys, buyer_lines, buyer_log, seller_lines};

use std::io::Write as _;

use tollway_core::rules::{Action, Rule, Selectors};

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

/// What a rule does, for whom, and where not.
pub(crate) fn described(rule: &Rule) -> String {
    let conditions = &rule.conditions;
    let who = |who: &Selectors| {
        let agents = who.agents.iter().map(ToString::to_string);
        let purposes = who.purposes.iter().map(|purpose| format!("purpose {purpose}"));
        agents.chain(who.operators.iter().cloned()).chain(purposes).collect::<Vec<_>>().join(", ")
    };
    let mut text = what(&rule.action);
    if !conditions.who.is_empty() {
        text.push_str(&format!(" for {}", who(&conditions.who)));
    }
    for class in &conditions.classes {
        text.push_str(&format!("; {} for {}", what(&class.rule.action), who(&class.who)));
    }
    for except in &conditions.except {
        text.push_str(&format!("; not {except}"));
    }
    if conditions.dry_run {
        text.push_str(" (dry run: served free)");
    }
    text
}

/// The time now.
pub(crate) fn now() -> u64 {
    tollway_core::clock::Clock::now(&tollway_core::clock::SystemClock)
}

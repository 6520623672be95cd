//! The story of the day, for people and for programs.

use serde_json::{Value, json};
use tollway_protocol::Amount;

use super::day::Day;
use super::stage::Stage;
use crate::cli::DemoArgs;
use crate::commands::say;
use crate::money::dollars;

/// The cast, before anything happens.
pub(crate) fn before(stage: &Stage, args: &DemoArgs) {
    say("Tollway: one day of a toll road, on this machine alone\n");
    say(format_args!("  site      {}", stage.site.display()));
    say(format_args!("  gateway   {}   priced pages {} each, the rest free", stage.seller, dollars(args.price)));
    say(format_args!(
        "  crawler   {}   unknown to the seller until today; budget {}\n",
        stage.agent,
        dollars(args.budget)
    ));
}

/// What happened.
pub(crate) fn after(stage: &Stage, day: &Day) {
    prices(day);
    say("\n2  The crawler signed a promise for each priced page and got it at once");
    for line in day.crawl.to_string().lines() {
        say(format_args!("   {line}"));
    }
    bills(day);
    proofs(day);
    files(stage);
}

fn prices(day: &Day) {
    say("\n1  The crawler asked, and the gate answered 402 with a signed offer");
    if let Some(offer) = &day.offer {
        let document = offer.document();
        say(format_args!(
            "   offer {}: {} for each {} of {}",
            offer.id(),
            dollars(document.amount),
            document.scope.methods.join(", "),
            document.scope.path
        ));
        if let Some(terms) = &document.terms {
            say(format_args!("   under terms {} (SHA-256 {})", terms.url, terms.hash));
        }
    }
}

fn bills(day: &Day) {
    say(format_args!("\n3  The day {} was closed: one bill", day.period));
    let Some(statement) = &day.statement else {
        say("   nothing was sold");
        return;
    };
    say(format_args!(
        "   {} lines, total {}, payable {}",
        statement.lines,
        dollars(total(day)),
        dollars(statement.payable)
    ));
    if statement.carried.get() != 0 {
        say(format_args!("   {} micro-dollars below a cent are carried to the next bill", statement.carried));
    }
}

fn proofs(day: &Day) {
    say("\n4  Both sides checked it");
    let checked = |holds: bool| if holds { "yes" } else { "NO" };
    say(format_args!(
        "   seller's journal: {} entries, every hash, sum and signature      {}",
        day.audit.entries,
        checked(day.journal_ok())
    ));
    say(format_args!(
        "   crawler: the bill is sealed, adds up, each line is its own promise  {}",
        checked(day.bill_ok())
    ));
    say(format_args!(
        "   both logs: {} equal, {} and {}   {}",
        day.logs.equal,
        dollars(day.logs.seller_total),
        dollars(day.logs.buyer_total),
        checked(day.reconciled())
    ));
    for fault in &day.audit.faults {
        say(format_args!("   FAULT at {}: {:?}: {}", fault.sequence, fault.kind, fault.detail));
    }
}

fn files(stage: &Stage) {
    say("\nTo look at");
    for (name, what) in [
        ("tollway.toml", "the gateway's configuration"),
        ("pages", "what the crawler bought"),
        ("audit.jsonl", "the crawler's log: promises before they were signed, receipts"),
        ("export.jsonl", "the seller's journal, hash-chained, with the evidence for each line"),
        ("books.db", "the books: `tollway ledger -c tollway.toml statement`, `verify`, `show`"),
    ] {
        say(format_args!("  {:<44} {what}", stage.file(name).display().to_string()));
    }
    say(format_args!("  {:<44} what a person sees (with --keep)", format!("{}/index.html", stage.seller)));
}

/// The day in one object; amounts are micro-dollars as strings.
pub(crate) fn json(stage: &Stage, day: &Day) -> Value {
    json!({
        "pages_paid": day.crawl.pages_paid,
        "charged": day.crawl.charged.to_string(),
        "statement_total": total(day),
        "payable": day.statement.as_ref().map(|statement| statement.payable),
        "audit_total": day.audit_total,
        "postings": day.audit.sales,
        "journal_ok": day.journal_ok(),
        "bill_ok": day.bill_ok(),
        "reconciled": day.reconciled(),
        "period": day.period.to_string(),
        "pages_per_second": day.crawl.pages_per_second,
        "crawl": day.crawl,
        "reconciliation": day.logs,
        "faults": day.audit.faults,
        "seller": stage.seller,
        "agent": stage.agent,
        "dir": stage.dir,
    })
}

fn total(day: &Day) -> Amount {
    let total = day.statement.as_ref().map_or(0, |statement| statement.total.get());
    Amount::new(u128::try_from(total).unwrap_or_default())
}

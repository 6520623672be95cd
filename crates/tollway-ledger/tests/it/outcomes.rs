//! Tables of commands, one a row, with the outcome of each.
//!
//! Rows of a table about refusals stand in the order in which the refusals are looked for: each row
//! has the faults of all rows after it too. Exchanging two checks breaks a row.

use tollway_ledger::{Command, CommitmentId, DeliveryNote, MemoryRecords, Outcome, Records, Sale};
use tollway_protocol::Amount;

use crate::scene::{NOON, ok, records, run, sale_at, terms};

/// Runs rows of `command | outcome` and gathers every difference before it fails.
fn check(nonce_capacity: u64, table: &str) -> MemoryRecords {
    let mut records = records(nonce_capacity);
    let mut wrong = Vec::new();
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (command, expected) = row.split_once('|').unwrap();
        let before = records.head().unwrap();
        let found = play(&mut records, command.trim());
        if found != expected.trim() {
            wrong.push(format!("{row}  <- {found}"));
        }
        let silent = !matches!(found.split(' ').next(), Some("posted" | "claimed" | "done" | "expired"));
        let after = records.head().unwrap();
        // An expiry that found nothing, and a repeated change, may leave the journal as it was.
        assert!(!silent || before == after, "{row} wrote although it answered {found}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    records
}

/// `verb name key=value...`; `at` is seconds after noon.
fn play(records: &mut MemoryRecords, command: &str) -> String {
    let mut words = command.split_whitespace();
    let (verb, name) = (words.next().unwrap(), words.next().unwrap_or(""));
    let values: Vec<_> = words.map(|word| word.split_once('=').unwrap()).collect();
    let value = |key: &str| values.iter().find(|(found, _)| *found == key).map(|(_, value)| *value);
    let number = |key: &str| value(key).map(|text| text.parse::<u64>().unwrap());
    let now = NOON + number("at").unwrap_or(0);
    let amount = |key: &str| number(key).map(|units| Amount::new(u128::from(units)));
    let sold = sold(name, &value);
    let (id, whole) = (sold.id, value("whole") == Some("yes"));
    let note = DeliveryNote { bytes: 5, digest: None, complete: whole };
    let delivery = ok();
    let mut agent_terms = terms(name, 0, None);
    agent_terms.credit_limit = amount("limit").unwrap_or_default();
    agent_terms.daily_budget = amount("budget");
    let outcome = match verb {
        "agent" => run(records, Command::PutAgent(&agent_terms), now),
        "block" => run(records, Command::BlockAgent(&agent_terms.agent, true), now),
        "unblock" => run(records, Command::BlockAgent(&agent_terms.agent, false), now),
        "post" => run(records, Command::Post(&sold, &delivery), now),
        "claim" => run(records, Command::Claim(&sold), now),
        "post-claim" => run(records, Command::PostClaim(&id, &delivery), now),
        "void" => run(records, Command::VoidClaim(&id), now),
        "note" => run(records, Command::Note(&id, note), now),
        "expire" => run(records, Command::ExpireClaims, now),
        other => panic!("no such command: {other}"),
    };
    describe(&outcome)
}

fn sold<'a>(name: &str, value: &impl Fn(&str) -> Option<&'a str>) -> Sale {
    let mut sale = sale_at(name, NOON);
    if let Some(page) = value("page") {
        sale.fingerprint = sale_at(page, NOON).fingerprint;
    }
    if let Some(asset) = value("asset") {
        sale.asset = asset.parse().unwrap();
    }
    if let Some(nonce) = value("nonce") {
        sale.nonce = (nonce != "none").then(|| nonce.to_owned());
    }
    if let Some(agent) = value("agent") {
        sale.agent = crate::scene::agent(agent);
    }
    if let Some(amount) = value("amount") {
        sale.amount = amount.parse().unwrap();
    }
    sale
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Known(known) => format!("known {:?}", known.state).to_lowercase(),
        Outcome::Refused(refusal) => refusal.reason.code().to_owned(),
        Outcome::Stale => "stale".into(),
        Outcome::Claimed(_) => "claimed".into(),
        Outcome::Posted(_) => "posted".into(),
        Outcome::Done => "done".into(),
        Outcome::Expired(count) => format!("expired {count}"),
        Outcome::Kept(_) => "kept".into(),
        Outcome::Closed(_) => "closed".into(),
        Outcome::ExactKnown(known) => format!("known {:?}", known.state).to_lowercase(),
        Outcome::Written(_) => "written".into(),
        Outcome::Stood(_) => "stood".into(),
        Outcome::Pass(_) => "pass".into(),
        Outcome::PassTaken(_) => "pass taken".into(),
    }
}

#[test]
fn sales_in_the_order_of_their_outcomes() {
    check(
        2,
        "
        agent a limit=100 budget=50                        | done
        agent b limit=0                                    | done
        post one amount=20                                 | posted
        block a                                            | done
        post one amount=999 asset=EUR                      | known posted
        post one amount=999 asset=EUR page=two             | replay_mismatch
        post two amount=999 asset=EUR nonce=one agent=nobody | asset_mismatch
        post two amount=999 nonce=one agent=nobody         | nonce_replayed
        post two amount=999 agent=nobody                   | agent_not_registered
        post two amount=999                                | blocked
        unblock a                                          | done
        post two amount=81                                 | over_credit
        post two amount=31                                 | over_daily_budget
        post two amount=29                                 | posted
        post three amount=1                                | books_full
        post three amount=1 nonce=none                     | posted
        post four amount=0 nonce=none                      | posted
        claim one                                          | known posted
        ",
    );
}

#[test]
fn claims_have_four_lives() {
    check(
        100,
        "
        agent a limit=40                | done
        claim one                       | claimed
        claim one                       | known pending
        claim one page=two              | replay_mismatch
        post one                        | known pending
        note one whole=no               | not_found
        claim two                       | claimed
        claim three                     | claimed
        claim four                      | claimed
        claim five amount=1             | over_credit
        post-claim one at=1             | posted
        post-claim one at=2             | known posted
        void one at=2                   | known posted
        void two                        | done
        void two                        | done
        post-claim two                  | expired
        expire now at=900               | expired 0
        expire now at=901               | expired 2
        expire now at=901               | expired 0
        post-claim three at=902         | expired
        void three at=902               | done
        post three at=902               | known expired
        post-claim never                | not_found
        void never                      | not_found
        post five amount=30 at=902      | posted
        post six amount=1 at=902        | over_credit
        ",
    );
}

#[test]
fn an_answer_is_noted_once() {
    check(
        100,
        "
        agent a limit=20 budget=20      | done
        post one                        | posted
        post two                        | posted
        note one whole=no               | done
        note one whole=no               | done
        note one whole=yes              | done
        note two whole=yes              | done
        note two whole=no               | done
        post one                        | known undelivered
        post two                        | known posted
        post three                      | posted
        post four amount=1              | over_credit
        note never whole=no             | not_found
        ",
    );
}

#[test]
fn a_budget_is_of_one_day() {
    check(
        100,
        "
        agent a limit=1000 budget=10    | done
        post one at=43199               | posted
        post two at=43199               | over_daily_budget
        post two at=43200               | posted
        post three at=43199             | over_daily_budget
        note one whole=no at=43201      | done
        post three at=43201             | over_daily_budget
        note two whole=no at=43201      | done
        post three at=43201             | posted
        ",
    );
}

#[test]
fn accounts_are_told_only_what_changes() {
    let mut records = check(
        100,
        "
        block a                         | agent_not_registered
        agent a limit=10                | done
        agent a limit=10                | done
        block a                         | done
        block a                         | done
        unblock a                       | done
        agent a limit=20                | done
        ",
    );
    // Genesis, terms, block, unblock, terms: repetitions were not written.
    assert_eq!(records.head().unwrap().0.get(), 5);
}

#[test]
fn threat_14_live_nonces_stay_and_ended_ones_make_room() {
    check(
        1,
        "
        agent a limit=1000              | done
        post one                        | posted
        post two at=360                 | books_full
        post two nonce=one at=360       | nonce_replayed
        post two at=448                 | posted
        post three nonce=one at=448     | posted
        ",
    );
}

#[test]
fn amounts_beyond_what_an_export_can_print_are_refused() {
    let mut records = records(100);
    let mut rich = terms("a", u128::MAX, None);
    rich.credit_limit = Amount::new(u128::MAX);
    run(&mut records, Command::PutAgent(&rich), NOON);
    let mut huge = sale_at("one", NOON);
    huge.amount = Amount::LARGEST;
    assert_eq!(describe(&run(&mut records, Command::Post(&huge, &ok()), NOON)), "posted");
    let one_more = sale_at("two", NOON);
    let outcome = run(&mut records, Command::Post(&one_more, &ok()), NOON);
    assert_eq!(describe(&outcome), "over_credit");
    let unknown = CommitmentId::from_bytes([9; 32]);
    assert_eq!(records.commitment(&unknown).unwrap(), None);
}

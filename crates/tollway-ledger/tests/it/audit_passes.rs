//! Exports with passes, and with one thing changed in each.

use serde_json::json;
use tollway_ledger::{Command, FaultKind, MemoryRecords, Pass, PassUse, Sequence};

use crate::audit::{bodies, export, first, kinds, verify};
use crate::scene::{NOON, agent, ok, records, run, sale, terms};

fn pass() -> Pass {
    let sale = sale("one");
    Pass { id: sale.id.into(), payer: agent("a").as_str().to_owned(), rule: sale.rule, requests: 3, ends: NOON + 60 }
}

fn journal() -> MemoryRecords {
    let mut records = records(100);
    run(&mut records, Command::PutAgent(&terms("a", 1_000_000, None)), NOON);
    run(&mut records, Command::Post(&sale("one"), &ok()), NOON);
    run(&mut records, Command::OpenPass(&pass()), NOON);
    let used = PassUse { method: "GET".into(), url: "https://shop.example/x".into(), nonce: None };
    for _ in 0..2 {
        run(&mut records, Command::UsePass(&pass().id, &used), NOON + 1);
    }
    run(&mut records, Command::ReturnPass(&pass().id, Sequence::new(6)), NOON + 1);
    run(&mut records, Command::UsePass(&pass().id, &used), NOON + 2);
    run(&mut records, Command::RevokePass(&pass().id), NOON + 3);
    records
}

#[test]
fn a_pass_in_order_is_consistent() {
    let report = verify(&export(&bodies(&mut journal())));
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!(report.sales, 1);
}

#[test]
fn every_change_of_a_pass_is_found() {
    let whole = bodies(&mut journal());
    let opened = first(&whole, "pass_opened");
    let used = first(&whole, "pass_used");
    let returned = first(&whole, "pass_returned");
    for (name, place, member, value, kind) in [
        ("another payment", opened, "id", json!("A".repeat(43)), FaultKind::Transfer),
        ("another payer", opened, "payer", json!("https://b.example"), FaultKind::Transfer),
        ("another rule", opened, "rule", json!("else"), FaultKind::Transfer),
        ("fewer requests", opened, "requests", json!(2), FaultKind::Limit),
        ("an earlier end", opened, "ends", json!(NOON + 1), FaultKind::Limit),
        ("another number", used, "number", json!(3), FaultKind::State),
        ("a use of no pass", used, "id", json!("A".repeat(43)), FaultKind::State),
        ("what was not taken", returned, "taken", json!(1), FaultKind::State),
    ] {
        let mut spoiled = whole.clone();
        spoiled[place][member] = value;
        let found = kinds(&verify(&export(&spoiled)));
        assert!(found.iter().any(|(_, found)| *found == kind), "{name}: {found:?}");
    }
    let mut twice = whole.clone();
    twice.push(whole[opened].clone());
    twice.push(whole.last().unwrap().clone());
    let found = kinds(&verify(&export(&twice)));
    assert!(found.iter().any(|(_, found)| *found == FaultKind::Duplicate), "{found:?}");
}

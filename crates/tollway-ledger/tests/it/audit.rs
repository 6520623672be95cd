//! An export with one thing changed in it, and rehashed so that only that thing is wrong.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tollway_ledger::closing::{Closing, plan_close};
use tollway_ledger::{
    AuditReport, Command, DeliveryNote, FaultKind, Hash, MemoryRecords, NoKeys, Period, Records, Sequence,
    verify_export,
};
use tollway_protocol::Amount;

use crate::scene::{DAY, Keys, NOON, PlainSigner, ok, records, run, sale, sale_at, terms};

/// Every kind of entry at least once.
fn journal() -> MemoryRecords {
    let mut records = records(100);
    let limited = terms("a", 1_000, Some(500));
    run(&mut records, Command::PutAgent(&limited), NOON);
    run(&mut records, Command::BlockAgent(&limited.agent, true), NOON);
    run(&mut records, Command::BlockAgent(&limited.agent, false), NOON);
    let kind = tollway_ledger::DocumentKind::Terms;
    run(&mut records, Command::PutDocument(kind, "t", b"terms"), NOON);
    for name in ["one", "two"] {
        run(&mut records, Command::Post(&sale(name), &ok()), NOON);
    }
    for name in ["three", "four", "five"] {
        run(&mut records, Command::Claim(&sale(name)), NOON);
    }
    run(&mut records, Command::PostClaim(&sale("three").id, &ok()), NOON + 1);
    run(&mut records, Command::VoidClaim(&sale("four").id), NOON + 1);
    run(&mut records, Command::ExpireClaims, NOON + 1_000);
    let cut = DeliveryNote { bytes: 1, digest: None, complete: false };
    run(&mut records, Command::Note(&sale("one").id, cut), NOON + 2);
    let whole = DeliveryNote { bytes: 9, digest: Some(Hash::of(b"x")), complete: true };
    run(&mut records, Command::Note(&sale("two").id, whole), NOON + 2);
    run(&mut records, Command::Post(&sale_at("six", NOON + DAY), &ok()), NOON + DAY);
    close(&mut records, Period::day_of(NOON), NOON + DAY);
    close(&mut records, Period::day_of(NOON + DAY), NOON + 2 * DAY);
    records
}

pub(crate) fn close(records: &mut MemoryRecords, period: Period, now: u64) {
    let Closing::Planned(plan) = plan_close(records, period, now).unwrap() else {
        panic!("closed before");
    };
    let signed = plan.sign(&PlainSigner).unwrap();
    run(records, Command::Close(&signed), now);
}

pub(crate) fn bodies(records: &mut MemoryRecords) -> Vec<Value> {
    let entries = records.entries(Sequence::new(1), 1_000).unwrap();
    entries.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
}

/// Chains bodies as the documentation of the journal says, with nothing of the crate.
pub(crate) fn export(bodies: &[Value]) -> String {
    let mut text = String::new();
    let mut prev = [0; 32];
    for body in bodies {
        // Keys of a serde_json map are sorted, as long as none is beyond ASCII.
        let body = serde_json::to_string(body).unwrap();
        let hash: [u8; 32] = Sha256::new().chain_update(prev).chain_update(&body).finalize().into();
        let (hash_text, prev_text) = (Hash::from_bytes(hash), Hash::from_bytes(prev));
        text += &format!("{{\"body\":{body},\"hash\":\"{hash_text}\",\"prev\":\"{prev_text}\"}}\n");
        prev = hash;
    }
    text
}

pub(crate) fn verify(text: &str) -> AuditReport {
    verify_export(text.as_bytes(), &Keys)
}

pub(crate) fn kinds(report: &AuditReport) -> Vec<(u64, FaultKind)> {
    report.faults.iter().map(|fault| (fault.sequence.get(), fault.kind)).collect()
}

/// The place in the list of the first entry of a kind.
pub(crate) fn first(bodies: &[Value], kind: &str) -> usize {
    bodies.iter().position(|body| body["kind"] == kind).unwrap()
}

#[test]
fn a_whole_journal_is_consistent_and_with_keys_proved() {
    let mut records = journal();
    let bodies = bodies(&mut records);
    let text = export(&bodies);
    let entries = records.entries(Sequence::new(1), 1_000).unwrap();
    let written: String = entries.iter().map(|entry| entry.export_line() + "\n").collect();
    assert_eq!(written, text);

    let report = verify(&text);
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!((report.sales, report.charged), (4, Amount::new(40)));
    assert_eq!(report.undelivered, Amount::new(10));
    assert_eq!((report.statements, report.checkpoints, report.seals_proved), (2, 2, 4));
    assert_eq!((report.sales_proved, report.sales_unproved), (6, 0));
    assert_eq!(report.balances["payer:https://a.example"].get(), 30);
    assert_eq!(report.balances["revenue:pages"].get(), -30);
    let (sequence, head) = records.head().unwrap();
    assert_eq!((report.sequence, report.head), (sequence, head.to_string()));

    let unproved = verify_export(text.as_bytes(), &NoKeys);
    assert!(unproved.is_consistent() && !unproved.is_proved());
    assert_eq!((unproved.sales_unproved, unproved.seals_proved), (6, 0));
}

#[test]
fn each_lie_is_found_where_it_stands() {
    use FaultKind as F;
    type Lie = fn(&mut Value);
    let rows: &[(&str, Lie, FaultKind)] = &[
        ("genesis", |body| body["format"] = json!("other"), F::Genesis),
        ("genesis", |body| body["scale"] = json!(99), F::Body),
        ("sale", |body| body["extra"] = json!("x"), F::Body),
        ("sale", |body| drop(body.as_object_mut().unwrap().remove("rule")), F::Body),
        ("sale", |body| body["sequence"] = json!(99), F::Gap),
        ("sale", |body| body["id"] = json!(Hash::of(b"x").to_string()), F::CommitmentId),
        ("sale", |body| body["thumbprint"] = json!(Hash::of(b"x").to_string()), F::CommitmentId),
        ("claim", |body| body["base"] = json!("other"), F::CommitmentId),
        ("sale", |body| body["debit"] = json!("payer:https://b.example"), F::Transfer),
        ("sale", |body| body["credit"] = json!("revenue:other"), F::Transfer),
        ("sale", |body| body["asset"] = json!("EUR"), F::Transfer),
        ("claim", |body| body["nonce"] = json!("one"), F::Nonce),
        ("sale", |body| body["amount"] = json!("501"), F::Limit),
        ("sale", |body| body["signature"] = json!("A".repeat(86)), F::Signature),
        ("sale", |body| body["amount"] = json!("11"), F::Statement),
        ("sale", |body| body["url"] = json!("https://other.example/"), F::Statement),
        ("sale", |body| body["price_proof"] = json!("buyer-signed"), F::Statement),
        ("sale_posted", |body| body["amount"] = json!("11"), F::Transfer),
        ("sale_posted", |body| body["credit"] = json!("revenue:other"), F::Transfer),
        ("sale_posted", |body| body["id"] = json!(sale("four").id.to_string()), F::State),
        ("void", |body| body["id"] = json!(sale("one").id.to_string()), F::State),
        ("expire", |body| body["amount"] = json!("9"), F::Transfer),
        ("undelivered", |body| body["amount"] = json!("9"), F::Transfer),
        ("undelivered", |body| body["id"] = json!(sale("nine").id.to_string()), F::State),
        ("delivery", |body| body["id"] = json!(sale("one").id.to_string()), F::State),
        ("statement", |body| body["statement"]["total"] = json!("21"), F::Statement),
        ("statement", |body| body["statement"]["payable"] = json!("10"), F::Statement),
        ("statement", |body| body["statement"]["period"] = json!("2026-11-21"), F::Statement),
        ("statement", |body| body["jws"] = json!("e30.e30.x"), F::Seal),
        ("checkpoint", |body| body["checkpoint"]["sequence"] = json!(3), F::Checkpoint),
        ("checkpoint", |body| body["checkpoint"]["seller"] = json!("x"), F::Checkpoint),
        ("checkpoint", |body| body["jws"] = json!(""), F::Seal),
    ];
    let honest = bodies(&mut journal());
    for (row, (kind, lie, fault)) in rows.iter().enumerate() {
        let mut bodies = honest.clone();
        let at = first(&bodies, kind);
        lie(&mut bodies[at]);
        let report = verify(&export(&bodies));
        let found = kinds(&report).iter().any(|(_, found)| found == fault);
        assert!(found, "row {row}: {kind} should show {fault:?}: {:#?}", report.faults);
    }
}

#[test]
fn a_line_left_out_or_put_in_is_found() {
    use FaultKind as F;
    let honest = bodies(&mut journal());
    for (kind, fault) in [
        ("genesis", F::Genesis),
        ("agent", F::Limit),
        ("sale", F::Statement),
        ("claim", F::State),
        ("sale_posted", F::Statement),
        ("undelivered", F::Statement),
        ("statement", F::Statement),
        ("checkpoint", F::Checkpoint),
    ] {
        let mut fewer = honest.clone();
        fewer.remove(first(&fewer, kind));
        // Renumbered: a forger who can rehash can also count.
        for (index, body) in fewer.iter_mut().enumerate() {
            body["sequence"] = json!(index + 1);
        }
        let report = verify(&export(&fewer));
        let found = kinds(&report).iter().any(|(_, found)| *found == fault);
        assert!(found, "without {kind}: {:#?}", report.faults);
    }
    let mut twice = honest.clone();
    let mut again = twice[first(&twice, "sale")].clone();
    again["sequence"] = json!(twice.len() + 1);
    twice.push(again);
    let report = verify(&export(&twice));
    let place = u64::try_from(twice.len()).unwrap();
    assert_eq!(kinds(&report), [(place, F::Duplicate)]);
}

#[test]
fn a_chain_that_was_not_rehashed_is_found_at_the_entry() {
    let text = export(&bodies(&mut journal()));
    let lines: Vec<_> = text.lines().collect();
    let changed = text.replacen("\"amount\":\"10\"", "\"amount\":\"12\"", 1);
    assert!(kinds(&verify(&changed)).contains(&(6, FaultKind::Hash)));
    let swapped = format!("{}\n{}\n", lines[1], lines[0]);
    let found = kinds(&verify(&swapped));
    assert!(found.contains(&(2, FaultKind::Gap)) && found.contains(&(2, FaultKind::Chain)));
    let cut = lines[1..].join("\n");
    assert!(kinds(&verify(&cut)).contains(&(2, FaultKind::Gap)));
}

#[test]
fn anything_at_all_is_read_without_panic() {
    let honest = export(&bodies(&mut journal()));
    for text in [
        "",
        "\n",
        "{}\n",
        "null\n",
        "{\"body\":{},\"hash\":\"\",\"prev\":\"\"}\n",
        "{\"body\":null,\"hash\":\"x\",\"prev\":\"y\",\"more\":1}\n",
    ] {
        let report = verify(text);
        assert_eq!(report.is_consistent(), text.is_empty(), "{text:?}");
    }
    let long = format!("{}{}", "x".repeat(3 << 20), honest);
    assert_eq!(kinds(&verify(&long)), [(1, FaultKind::Unreadable)]);
    let not_text = verify_export([0xff, 0xfe, b'\n'].as_slice(), &NoKeys);
    assert_eq!(kinds(&not_text), [(1, FaultKind::Unreadable)]);
    let many = verify(&"{}\n".repeat(5_000));
    assert_eq!((many.faults.len(), many.fault_count), (1_000, 5_000));
}

proptest::proptest! {
    #[test]
    fn a_mangled_export_never_passes_or_panics(at in 0_usize..8_000, byte in 32_u8..127) {
        let honest = export(&bodies(&mut journal()));
        let mut bytes = honest.into_bytes();
        let at = at % bytes.len();
        let same = bytes[at] == byte;
        bytes[at] = byte;
        let report = verify_export(bytes.as_slice(), &Keys);
        // The head is compared too: the last entry's own hash has nobody after it to miss it.
        proptest::prop_assert_eq!(report.is_consistent(), same);
    }
}

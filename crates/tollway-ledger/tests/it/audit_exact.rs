//! Exports of exact payments and paid statements with one thing changed in each.

use serde_json::{Value, json};
use tollway_ledger::{
    BillPayment, Command, Delivery, ExactOutcome, FaultKind, MemoryRecords, NoKeys, Period, verify_export,
};
use tollway_protocol::Amount;

use crate::audit::{bodies, close, export, first, kinds, verify};
use crate::scene::{DAY, Keys, NOON, agent, exact_sale, ok, records, run, sale, terms};

/// Every kind of entry of exact payments and paid statements.
fn journal() -> MemoryRecords {
    let mut records = records(100);
    run(&mut records, Command::PutAgent(&terms("a", 1_000_000, None)), NOON);
    let mut dear = sale("dear");
    dear.amount = Amount::new(20_500);
    run(&mut records, Command::Post(&dear, &ok()), NOON);
    for name in ["one", "two", "three", "four", "five"] {
        run(&mut records, Command::ExactClaim(&exact_sale(name)), NOON);
    }
    let unknown = |transaction: Option<&str>| ExactOutcome::Unknown { transaction: transaction.map(str::to_owned) };
    let settled = ExactOutcome::Settled { transaction: "0xabc".into(), delivery: ok() };
    let upfront = ExactOutcome::Settled { transaction: "0xabc".into(), delivery: Delivery::default() };
    let failed = ExactOutcome::Failed { reason: "nonce_used".into(), transaction: None };
    let owed = ExactOutcome::RefundOwed { reason: "the handler answered 500".into() };
    for (name, outcome) in [
        ("one", unknown(None)),
        ("one", unknown(Some("0xabc"))),
        ("one", settled),
        ("two", upfront),
        ("two", owed),
        ("three", failed),
        ("four", ExactOutcome::Released),
    ] {
        run(&mut records, Command::ExactOutcome(&exact_sale(name).id, &outcome), NOON + 1);
    }
    close(&mut records, Period::day_of(NOON), NOON + DAY);
    run(&mut records, Command::PayBill(&payment()), NOON + DAY);
    records
}

fn payment() -> BillPayment {
    BillPayment {
        agent: agent("a"),
        period: Period::day_of(NOON),
        amount: Amount::new(20_000),
        rail: "bank".into(),
        reference: "stmt 7".into(),
    }
}

#[test]
fn totals_of_each_asset_stand_alone() {
    let text = export(&bodies(&mut journal()));
    let report = verify(&text);
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!((report.payments_proved, report.bills_paid, report.paid), (5, 1, Amount::new(20_000)));
    assert_eq!((report.sales, report.charged), (1, Amount::new(20_500)));
    assert_eq!(report.balances["payer:https://a.example"].get(), 500);
    assert_eq!(report.balances["rail:bank"].get(), 20_000);
    assert_eq!(report.balances["revenue:pages"].get(), -20_500);
    let totals = &report.assets["eip155:84532/0x036cbd53842c5426634e7929541ec2318f3dcf7e"];
    assert_eq!((totals.claimed, totals.settled, totals.scale), (5, 2, 6));
    assert_eq!((totals.received, totals.refund_owed), (Amount::new(2_000), Amount::new(1_000)));
    assert_eq!(totals.balances["revenue:pages"].get(), -1_000);
    assert_eq!(totals.balances["refund:0x00000000000000000000000000000000000000a1"].get(), -1_000);
    assert_eq!(totals.balances.values().map(|balance| balance.get()).sum::<i128>(), 0);
    // Without a way to check payments nothing of them is proved.
    let unproved = verify_export(text.as_bytes(), &NoKeys);
    assert!(unproved.is_consistent() && !unproved.is_proved());
    assert_eq!((unproved.payments_proved, unproved.payments_unproved), (0, 5));
}

#[test]
fn each_lie_is_found_where_it_stands() {
    use FaultKind as F;
    type Lie = fn(&mut Value);
    let rows: &[(&str, Lie, FaultKind)] = &[
        ("exact_claim", |body| body["extra"] = json!("x"), F::Body),
        ("exact_claim", |body| body["scale"] = json!(99), F::Body),
        ("exact_claim", |body| body["credit"] = json!("revenue:other"), F::Transfer),
        ("exact_claim", |body| body["debit"] = json!("received:eip155:1/0x0"), F::Transfer),
        ("exact_claim", |body| body["network"] = json!("eip155:1"), F::Transfer),
        ("exact_claim", |body| body["amount"] = json!("999"), F::Transfer),
        ("exact_claim", |body| body["payment"] = json!("{}"), F::Signature),
        ("exact_claim", |body| body["id"] = json!(exact_sale("five").id.to_string()), F::Duplicate),
        ("exact_claim", |body| body["identifier"] = json!("pay_five"), F::Duplicate),
        ("exact_unknown", |body| body["reason"] = json!("x"), F::Body),
        ("exact_unknown", |body| body["id"] = json!(exact_sale("nine").id.to_string()), F::State),
        ("exact_settled", |body| body["amount"] = json!("1001"), F::Transfer),
        ("exact_settled", |body| body["asset"] = json!("0x0"), F::Transfer),
        ("exact_settled", |body| body["debit"] = json!("received:eip155:1/0x0"), F::Transfer),
        ("exact_settled", |body| body["transaction"] = json!(""), F::Body),
        ("exact_settled", |body| body["id"] = json!(exact_sale("three").id.to_string()), F::State),
        ("exact_failed", |body| body["id"] = json!(exact_sale("one").id.to_string()), F::State),
        ("exact_failed", |body| drop(body.as_object_mut().unwrap().remove("reason")), F::Body),
        ("exact_released", |body| body["id"] = json!(exact_sale("two").id.to_string()), F::State),
        ("exact_released", |body| body["transaction"] = json!("0x1"), F::Body),
        ("refund_owed", |body| body["amount"] = json!("1"), F::Transfer),
        ("refund_owed", |body| body["credit"] = json!("refund:0x0"), F::Transfer),
        ("refund_owed", |body| body["id"] = json!(exact_sale("four").id.to_string()), F::State),
        ("bill_paid", |body| body["amount"] = json!("20001"), F::Bill),
        ("bill_paid", |body| body["statement"] = json!(3), F::Bill),
        ("bill_paid", |body| body["period"] = json!("2026-11-21"), F::Bill),
        ("bill_paid", |body| body["credit"] = json!("payer:https://b.example"), F::Transfer),
        ("bill_paid", |body| body["credit"] = json!("payer:https://b.example"), F::Balance),
        ("bill_paid", |body| body["debit"] = json!("rail:card"), F::Transfer),
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
fn a_step_twice_or_left_out_is_found() {
    use FaultKind as F;
    let honest = bodies(&mut journal());
    for (kind, fault) in [
        ("exact_claim", F::Duplicate),
        ("exact_settled", F::State),
        ("exact_failed", F::State),
        ("exact_released", F::State),
        ("refund_owed", F::State),
        ("bill_paid", F::Duplicate),
    ] {
        let mut twice = honest.clone();
        let mut again = twice[first(&twice, kind)].clone();
        again["sequence"] = json!(twice.len() + 1);
        twice.push(again);
        let report = verify(&export(&twice));
        let place = u64::try_from(twice.len()).unwrap();
        assert!(kinds(&report).contains(&(place, fault)), "{kind} twice: {:#?}", report.faults);
    }
    for kind in ["exact_claim", "exact_settled"] {
        let mut fewer = honest.clone();
        fewer.remove(first(&fewer, kind));
        for (index, body) in fewer.iter_mut().enumerate() {
            body["sequence"] = json!(index + 1);
        }
        let report = verify(&export(&fewer));
        let found = |wanted: F| kinds(&report).iter().any(|(_, found)| *found == wanted);
        assert!(found(F::State) || found(F::Checkpoint), "without {kind}: {:#?}", report.faults);
    }
    // The same reference for another statement.
    let mut shared = honest.clone();
    let mut again = shared[first(&shared, "bill_paid")].clone();
    again["sequence"] = json!(shared.len() + 1);
    again["period"] = json!("2026-11-21");
    shared.push(again);
    let report = verify(&export(&shared));
    assert!(kinds(&report).iter().any(|(_, found)| *found == F::Duplicate));
}

proptest::proptest! {
    #[test]
    fn a_mangled_export_never_passes_or_panics(at in 0_usize..20_000, byte in 32_u8..127) {
        let honest = export(&bodies(&mut journal()));
        let mut bytes = honest.into_bytes();
        let at = at % bytes.len();
        let same = bytes[at] == byte;
        bytes[at] = byte;
        let report = verify_export(bytes.as_slice(), &Keys);
        proptest::prop_assert_eq!(report.is_consistent(), same);
    }

    #[test]
    fn members_of_any_kind_are_read_without_panic(
        kind in proptest::sample::select(&["exact_claim", "exact_settled", "refund_owed", "exact_failed", "bill_paid"][..]),
        member in proptest::sample::select(&["id", "amount", "scale", "network", "asset", "period", "statement", "flow"][..]),
        text in "[0-9a-zA-Z:/.\\-\u{80}-\u{ff}]{0,60}",
        number in proptest::option::of(0_u64..1 << 54),
    ) {
        let mut bodies = bodies(&mut journal());
        let at = first(&bodies, kind);
        let new = number.map_or_else(|| json!(text), |number| json!(number));
        let same = bodies[at].get(member) == Some(&new);
        bodies[at][member] = new;
        let report = verify(&export(&bodies));
        // A scale is for display alone; every other member is checked against something.
        let free = member == "scale" && number.is_some_and(|number| number < 39);
        proptest::prop_assert!(same || free || !report.is_consistent(), "{}.{}", kind, member);
    }
}

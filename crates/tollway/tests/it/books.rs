//! `tollway ledger`: close, statement, export, verify, show and reconcile on real sales.

use std::collections::HashSet;

use serde_json::Value;

use crate::rig::{Crawler, PRICE, Shop, amount, count};

/// A shop that sold twelve pages, its gateway down again.
fn sold() -> (Shop, Crawler) {
    let (shop, crawler) = (Shop::open(12), Crawler::new());
    let gateway = shop.gateway();
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 12);
    assert!(gateway.stop().ends_with("stopped"));
    (shop, crawler)
}

#[test]
fn a_close_is_made_once() {
    let (shop, crawler) = sold();
    let first = shop.close(1);
    assert_eq!((&first["already_closed"], count(&first["statements"])), (&false.into(), 1));
    let bill = &first["statements"][0];
    assert_eq!((&bill["agent"], &bill["lines"]), (&crawler.agent.as_str().into(), &12.into()));
    assert_eq!((amount(&bill["total"]), amount(&bill["payable"]), amount(&bill["carried"])), (24_000, 20_000, 4_000));

    let before = shop.export("before.jsonl");
    let second = shop.close(1);
    assert_eq!(second["already_closed"], true);
    assert_eq!((&second["statements"], &second["checkpoint"]), (&first["statements"], &first["checkpoint"]));
    assert_eq!(shop.export("after.jsonl"), before);

    let (day, end) = shop.day(1);
    let said = shop.ledger(&["close", "--period", &day, "--now", &end]).ok().out;
    assert!(said.contains("was closed already, 1 bills"), "{said}");
}

#[test]
fn a_bill_is_recorded_as_paid_once() {
    let (shop, crawler) = sold();
    let (day, agent) = (shop.day(1).0, crawler.agent.as_str());
    let paid = |rest: &[&str]| shop.ledger(&[&["paid", agent, &day, "--rail", "bank"], rest].concat());
    paid(&["--reference", "a"]).refused(&["has no bill"]);
    shop.close(1);
    paid(&["--reference", "a", "--amount", "$0.01"]).refused(&["amount_mismatch"]);
    assert!(shop.ledger(&["statement"]).ok().out.trim_end().ends_with(" -"));
    assert!(paid(&["--reference", "a"]).ok().out.contains("bank a: recorded"));
    assert!(paid(&["--reference", "a"]).ok().out.contains("recorded before"));
    paid(&["--reference", "b"]).refused(&["bill_paid"]);

    assert!(shop.ledger(&["statement"]).ok().out.trim_end().ends_with(" bank a"));
    let bills = shop.ledger_json(&["statement"]);
    assert_eq!((&bills[0]["paid"]["reference"], amount(&bills[0]["paid"]["amount"])), (&"a".into(), 20_000));
    let report = shop.ledger_json(&["verify"]);
    assert_eq!((&report["proved"], &report["bills_paid"], amount(&report["paid"])), (&true.into(), &1.into(), 20_000));
    assert_eq!(amount(&report["balances"][format!("payer:{agent}")]), 4_000);
}

#[test]
fn an_open_period_is_not_closed() {
    let (shop, _) = sold();
    let before = shop.export("before.jsonl");
    let (day, end) = shop.day(1);
    let too_early = (end.parse::<u64>().unwrap() - 1).to_string();
    shop.ledger(&["close", "--period", &day, "--now", &too_early]).refused(&["period_open", &end]);
    shop.ledger(&["close", "--period", &day[..7], "--now", "0"]).refused(&["period_open"]);
    shop.ledger(&["close", "--period", "2026-13"]).refused(&["`2026-13` is no period"]);
    assert_eq!(shop.export("after.jsonl"), before);
}

#[test]
fn a_bill_s_lines_are_the_sales_of_the_export() {
    let (shop, crawler) = sold();
    shop.ledger(&["statement"]).refused(&[]);
    shop.close(1);
    let bills = shop.ledger_json(&["statement", "--agent", &crawler.agent, "--period", &shop.day(1).0]);
    assert_eq!(bills[0]["statement"]["lines"], 12);
    assert_eq!(bills[0]["jws"].as_str().unwrap().split('.').count(), 3);
    assert!(shop.ledger(&["statement"]).ok().out.contains("$0.024"));

    let ids = |rows: &str| -> HashSet<String> {
        let mut rows = rows.lines();
        let header: Vec<_> = rows.next().unwrap().split(',').collect();
        assert_eq!(header[..6], ["sequence", "at", "kind", "id", "agent", "amount"]);
        let cells: Vec<Vec<_>> = rows.map(|row| row.split(',').map(str::to_owned).collect()).collect();
        assert!(cells.iter().all(|cells| cells.len() == header.len() && cells[5] == PRICE.to_string()));
        let ids: HashSet<_> = cells.iter().map(|cells| cells[3].clone()).collect();
        assert_eq!(ids.len(), cells.len());
        ids
    };
    let billed = ids(&shop.ledger(&["statement", "--lines"]).ok().out);
    let exported = ids(&shop.ledger(&["export", "--format", "csv"]).ok().out);
    let receipts: HashSet<_> =
        crawler.log_of("receipt").iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(billed.len(), 12);
    assert_eq!((&exported, &receipts), (&billed, &billed));
    shop.ledger_json(&["export", "--format", "csv", "--out", &shop.file("sales.csv")]);
    assert_eq!(ids(&std::fs::read_to_string(shop.path("sales.csv")).unwrap()), billed);
}

#[test]
fn verify_says_consistent_without_keys_and_proved_with_them() {
    let (shop, crawler) = sold();
    shop.close(1);
    let lines = shop.export("export.jsonl");
    let file = shop.file("export.jsonl");
    let keys = shop.public_keys(&[&crawler]);

    let own = shop.ledger_json(&["verify"]);
    assert_eq!((&own["proved"], &own["keys_from_books"]), (&true.into(), &true.into()));
    let bare = shop.ledger_json(&["verify", "--export", &file]);
    assert_eq!((&bare["consistent"], &bare["proved"]), (&true.into(), &false.into()));
    let proved = shop.ledger_json(&["verify", "--export", &file, "--keys", &keys]);
    assert_eq!((&proved["proved"], &proved["keys_from_books"]), (&true.into(), &false.into()));
    assert_eq!((&proved["sales_proved"], &proved["seals_proved"]), (&12.into(), &2.into()));
    for report in [&own, &bare, &proved] {
        assert_eq!((report["entries"].as_u64().unwrap() as usize, amount(&report["charged"])), (lines.len(), 24_000));
        let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(report["head"], last["hash"]);
    }
    let said = |args: &[&str]| shop.ledger(args).ok().out;
    assert!(said(&["verify", "--export", &file]).contains("\nconsistent: "));
    assert!(said(&["verify", "--export", &file, "--keys", &keys]).contains("\nconsistent and proved: "));

    // Another crawler's key proves nothing of this one's promises.
    let strangers = shop.public_keys(&[&Crawler::new()]);
    let other = shop.ledger_json(&["verify", "--export", &file, "--keys", &strangers]);
    assert_eq!((&other["proved"], &other["sales_unproved"]), (&false.into(), &12.into()));
    shop.ledger(&["verify", "--export", "/no/such/export"]).refused(&["cannot read /no/such/export"]);
    shop.ledger(&["verify", "--export", &file, "--keys", &file]).refused(&["is no JSON"]);
}

#[test]
fn show_finds_a_commitment_and_the_newest_entries() {
    let (shop, crawler) = sold();
    let receipt = &crawler.log_of("receipt")[3];
    let id = receipt["id"].as_str().unwrap();
    let known = shop.ledger_json(&["show", id]);
    assert_eq!((&known["state"], &known["amount"]), (&"posted".into(), &receipt["amount"]));
    assert_eq!((&known["sequence"], &known["head"]), (&receipt["sequence"], &receipt["head"]));

    let newest = shop.ledger(&["show", "--last", "3"]).ok().out;
    assert_eq!(newest.lines().count(), 3);
    assert!(newest.lines().all(|line| line.contains("sale") && line.contains("/p/")), "{newest}");
    let lines = shop.export("export.jsonl");
    let shown = crate::rig::tollway(["ledger", "--json", "-c", &shop.config(), "show", "--last", "2"]).ok().out;
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines[lines.len() - 2..]);

    shop.ledger(&["show", "nonsense"]).refused(&["`nonsense` is no commitment id"]);
    let unknown = "A".repeat(43);
    shop.ledger(&["show", &unknown]).refused(&["the books do not know"]);
}

#[test]
fn both_logs_agree_on_books_and_export() {
    let (shop, crawler) = sold();
    shop.export("export.jsonl");
    let audit = crawler.file("audit.jsonl");
    let found = shop.ledger_json(&["reconcile", "--audit", &audit]);
    assert_eq!((&found["clean"], &found["equal"]), (&true.into(), &12.into()));
    assert_eq!(amount(&found["seller_total"]), 12 * PRICE);
    let same = shop.ledger_json(&["reconcile", "--audit", &audit, "--export", &shop.file("export.jsonl")]);
    assert_eq!(same, found);
    assert!(shop.ledger(&["reconcile", "--audit", &audit]).ok().out.ends_with("both logs agree\n"));
    shop.ledger(&["reconcile", "--audit", "/no/such/log"]).refused(&["the audit log /no/such/log"]);
}

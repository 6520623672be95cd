//! `tollway statement URL`: the buyer's own check of its bill.

use serde_json::Value;

use crate::rig::{Crawler, PRICE, Shop, amount, tollway};

fn billed() -> (Shop, Crawler, crate::rig::Running) {
    let (shop, crawler) = (Shop::open(12), Crawler::new());
    let gateway = shop.gateway();
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 12);
    shop.close(1);
    (shop, crawler, gateway)
}

#[test]
fn a_bill_is_fetched_verified_and_reconciled() {
    let (shop, crawler, _gateway) = billed();
    let audit = crawler.file("audit.jsonl");
    let checked = crawler.statement(&shop.origin, &["--audit", &audit]).ok().json();
    assert_eq!((&checked["verified"], &checked["reconciled"]), (&true.into(), &true.into()));
    assert_eq!(checked["verdict"]["lines_proved"], 12);
    assert_eq!(checked["reconciliation"]["equal"], 12);
    assert_eq!(amount(&checked["statement"]["total"]), 12 * PRICE);

    let told = tollway([
        "statement",
        &shop.origin,
        "--agent",
        &crawler.agent,
        "--key",
        &crawler.file("crawler.jwk"),
        "--audit",
        &audit,
    ]);
    let told = told.ok().out;
    for words in ["charged $0.024", "payable now $0.02", "12 of 12", "both logs agree"] {
        assert!(told.contains(words), "`{words}` is not in {told}");
    }
    assert!(!told.contains("NO"), "{told}");
}

#[test]
fn each_period_has_its_own_bill() {
    let (shop, crawler, _gateway) = billed();
    crawler.buy_all(&shop);
    shop.close(2);
    let kept = crawler.file("bills");
    let audit = crawler.file("audit.jsonl");
    let bill = |more: &[&str]| {
        let checked = crawler.statement(&shop.origin, &[&["--audit", &audit], more].concat()).ok().json();
        assert_eq!((&checked["reconciled"], &checked["reconciliation"]["equal"]), (&true.into(), &12.into()));
        checked
    };
    let newest = bill(&["--out", &kept]);
    let (first, second) = (shop.day(1).0, shop.day(2).0);
    assert_eq!(newest["statement"]["period"], second.as_str());
    assert_eq!(newest["statement"]["brought_forward"], "4000");
    let older = bill(&["--period", &first, "--out", &kept]);
    assert_eq!(older["statement"]["period"], first.as_str());

    let sealed: Value =
        serde_json::from_slice(&std::fs::read(crawler.path(&format!("bills/{first}.json"))).unwrap()).unwrap();
    assert_eq!(sealed["statement"], older["statement"]);
    let lines = std::fs::read_to_string(crawler.path(&format!("bills/{second}.lines.jsonl"))).unwrap();
    assert_eq!(lines.lines().count(), 12);
    crawler.statement(&shop.origin, &["--period", "2001-01-01"]).refused(&["not_found"]);
}

#[test]
fn more_lines_than_one_answer_holds_are_all_fetched() {
    let (shop, crawler) = (Shop::open(350), Crawler::new());
    let _gateway = shop.gateway();
    for _ in 0..3 {
        assert_eq!(crawler.buy_all(&shop)["pages_paid"], 350);
    }
    shop.close(1);
    let checked = crawler.statement(&shop.origin, &["--audit", &crawler.file("audit.jsonl")]).ok().json();
    assert_eq!((&checked["verdict"]["lines_proved"], &checked["reconciled"]), (&1_050.into(), &true.into()));
}

#[test]
fn a_bill_is_shown_to_its_payer_only() {
    let (shop, crawler, _gateway) = billed();
    let stranger = Crawler::new();
    let period = shop.day(1).0;
    stranger.statement(&shop.origin, &[]).refused(&["there is no bill yet"]);
    stranger.statement(&shop.origin, &["--period", &period]).refused(&["not_found"]);
    // The right name with the wrong key is nobody.
    let key = stranger.file("crawler.jwk");
    let posing = tollway(["statement", &shop.origin, "--json", "--agent", &crawler.agent, "--key", &key]);
    posing.refused(&["key_not_found"]);
    tollway(["statement", "http://127.0.0.1:1", "--agent", &crawler.agent, "--key", &key])
        .refused(&["the seller cannot be reached"]);
}

#[test]
fn a_log_that_lacks_a_promise_is_said_to_differ() {
    let (shop, crawler, _gateway) = billed();
    let text = std::fs::read_to_string(crawler.path("audit.jsonl")).unwrap();
    let id = crawler.log_of("receipt")[5]["id"].as_str().unwrap().to_owned();
    let shorter: String = text.lines().filter(|line| !line.contains(&id)).map(|line| format!("{line}\n")).collect();
    std::fs::write(crawler.path("shorter.jsonl"), shorter).unwrap();
    let said = crawler.statement(&shop.origin, &["--audit", &crawler.file("shorter.jsonl")]).refused(&[]);
    let checked = said.json();
    assert_eq!((&checked["verified"], &checked["reconciled"]), (&true.into(), &false.into()));
    assert_eq!(checked["reconciliation"]["only_seller"], serde_json::json!([id]));
}

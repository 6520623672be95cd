//! Every way in which two logs can differ, made by editing copies: each is named, and none passes.

use serde_json::{Value, json};

use crate::rig::{Crawler, PRICE, Said, Shop, amount, tollway};

struct Logs {
    shop: Shop,
    export: Vec<Value>,
    audit: Vec<Value>,
    /// A commitment in the middle.
    id: String,
}

fn logs() -> Logs {
    let (shop, crawler) = (Shop::open(5), Crawler::new());
    let _gateway = shop.gateway();
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 5);
    let export = shop.export("export.jsonl").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let audit = crawler.log();
    let id = crawler.log_of("receipt")[2]["id"].as_str().unwrap().to_owned();
    Logs { shop, export, audit, id }
}

impl Logs {
    fn reconcile(&self, json: bool) -> Said {
        for (name, lines) in [("edited.jsonl", &self.export), ("audit.jsonl", &self.audit)] {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(self.shop.path(name), text).unwrap();
        }
        let (audit, export) = (self.shop.file("audit.jsonl"), self.shop.file("edited.jsonl"));
        let flags: &[&str] = if json { &["--json"] } else { &[] };
        tollway(["ledger", "reconcile", "--audit", &audit, "--export", &export].iter().chain(flags))
    }

    /// It fails, and only `class` has an entry: the commitment in question.
    #[track_caller]
    fn differs(&self, class: &str, words: &str) {
        let said = self.reconcile(true).refused(&[]);
        let found = said.json();
        assert_eq!(found["clean"], false);
        for other in ["amount_differs", "only_seller", "only_buyer", "undelivered", "repeated"] {
            let ids: Vec<_> = found[other].as_array().unwrap().iter().map(|e| e.get("id").unwrap_or(e)).collect();
            let expected: Vec<&str> = if other == class { vec![&self.id] } else { vec![] };
            assert_eq!(ids, expected, "{other}");
        }
        let told = self.reconcile(false).refused(&[]).out;
        let line = told.lines().find(|line| line.starts_with(words)).unwrap_or_else(|| panic!("no {words}: {told}"));
        assert!(line.contains(&self.id), "{line}");
        assert!(told.ends_with("THE LOGS DIFFER\n"), "{told}");
    }

    fn sale(&mut self) -> &mut Value {
        self.export.iter_mut().find(|line| line["body"]["id"] == self.id.as_str()).unwrap()
    }
}

#[test]
fn unedited_copies_agree() {
    let logs = logs();
    assert_eq!(logs.reconcile(true).ok().json()["equal"], 5);
}

#[test]
fn another_amount_is_named() {
    let mut logs = logs();
    logs.sale()["body"]["amount"] = json!("2001");
    logs.differs("amount_differs", "amount differs");
    let found = logs.reconcile(true).json();
    let expected = json!({"id": logs.id, "seller": "2001", "buyer": "2000"});
    assert_eq!(found["amount_differs"], json!([expected]));
    assert_eq!((amount(&found["seller_total"]), amount(&found["buyer_total"])), (5 * PRICE + 1, 5 * PRICE));
}

#[test]
fn a_receipt_with_another_amount_is_named() {
    let mut logs = logs();
    let receipt = logs.audit.iter_mut().find(|line| line["kind"] == "receipt" && line["id"] == logs.id.as_str());
    receipt.unwrap()["amount"] = json!("1");
    logs.differs("amount_differs", "amount differs");
}

#[test]
fn what_the_crawler_never_promised_is_named() {
    let mut logs = logs();
    let id = logs.id.clone();
    logs.audit.retain(|line| line["id"] != id.as_str());
    logs.differs("only_seller", "only seller");
}

#[test]
fn what_the_crawler_was_refused_and_charged_for_is_named() {
    let mut logs = logs();
    let receipt = logs.audit.iter_mut().find(|line| line["kind"] == "receipt" && line["id"] == logs.id.as_str());
    *receipt.unwrap() = json!({"kind": "refused", "at": 1, "id": logs.id, "reason": "404"});
    logs.differs("only_seller", "only seller");
}

#[test]
fn what_the_seller_left_out_is_named() {
    let mut logs = logs();
    let id = logs.id.clone();
    logs.export.retain(|line| line["body"]["id"] != id.as_str());
    logs.differs("only_buyer", "only buyer");
}

#[test]
fn one_promise_charged_twice_is_named() {
    let mut logs = logs();
    let again = logs.sale().clone();
    logs.export.push(again);
    logs.differs("repeated", "repeated");
}

#[test]
fn what_was_taken_back_is_named_and_owed_by_nobody() {
    let mut logs = logs();
    let sale = logs.sale()["body"].clone();
    let back = json!({"kind": "undelivered", "id": sale["id"], "amount": sale["amount"], "agent": sale["agent"]});
    logs.export.push(json!({"body": back}));
    let found = logs.reconcile(true).ok().json();
    assert_eq!((&found["undelivered"], &found["equal"]), (&json!([logs.id]), &4.into()));
    assert_eq!((amount(&found["seller_total"]), amount(&found["buyer_total"])), (4 * PRICE, 4 * PRICE));
    let told = logs.reconcile(false).ok().out;
    assert!(told.contains(&format!("undelivered (taken back)  {}", logs.id)), "{told}");
}

#[test]
fn lines_that_cannot_be_read_are_named_by_number() {
    let mut logs = logs();
    logs.export[3] = json!("no line of a journal");
    logs.reconcile(true).refused(&["line 4 of the export"]);
    logs.export[3] = json!({"body": {"kind": "sale", "amount": "1"}});
    logs.reconcile(true).refused(&["line 4 of the export names no commitment"]);
    logs.export.truncate(3);
    logs.audit[1] = json!({"kind": "gift"});
    logs.reconcile(true).refused(&["the audit log", "line 2"]);
}

//! The seller's side is killed at random moments: no sale is lost, none is made twice.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::{Crawler, Dice, Running, Shop, count, until};

const GATEWAYS: u64 = 20;
const CLOSES: u64 = 10;

/// Ends a load also where a check fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn twenty_gateways_are_killed_while_selling() {
    let (shop, crawler, mut dice) = (Shop::open(80), Crawler::new(), Dice::new());
    let mut last = None;
    let selling = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let ends = Ends(&selling);
        scope.spawn(|| {
            while selling.load(Ordering::Relaxed) {
                crawler.crawl(&shop, &["--concurrency", "16"]);
            }
        });
        for round in 0..GATEWAYS {
            let gateway = shop.gateway();
            let goal = crawler.log_bytes() + 1 + dice.below(10_000);
            println!("gateway {round} dies when the crawler's log has {goal} bytes");
            until("the crawler goes on", || crawler.log_bytes() >= goal);
            gateway.kill();
        }
        last = Some(shop.gateway());
        drop(ends);
    });
    let sales = nothing_is_charged_twice(&shop);
    acknowledged_sales_stand(&crawler, &sales);
    both_sides_agree(&shop, &crawler, &sales);
    let keys = shop.public_keys(&[&crawler]);
    let report = shop.ledger_json(&["verify", "--export", &shop.file("bodies.jsonl"), "--keys", &keys]);
    assert_eq!((&report["proved"], &report["sales"]), (&true.into(), &sales.len().into()));
    assert_eq!(shop.ledger_json(&["verify"])["proved"], true);
    // Whatever the crashes have left behind, the same road is open again.
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 80);
    drop(last);
}

/// Sales by commitment.
fn nothing_is_charged_twice(shop: &Shop) -> HashMap<String, Value> {
    let mut sales = HashMap::new();
    for sale in shop.bodies("sale") {
        let id = sale["id"].as_str().unwrap().to_owned();
        assert!(sales.insert(id.clone(), sale).is_none(), "{id} is charged twice");
    }
    assert!(sales.len() > 100, "{} sales", sales.len());
    sales
}

fn acknowledged_sales_stand(crawler: &Crawler, sales: &HashMap<String, Value>) {
    for receipt in crawler.log_of("receipt") {
        let sale = sales.get(receipt["id"].as_str().unwrap()).unwrap_or_else(|| panic!("{receipt} is lost"));
        for (theirs, ours) in [("amount", "amount"), ("sequence", "sequence"), ("posted_at", "at")] {
            assert_eq!(receipt[theirs], sale[ours], "{theirs}");
        }
    }
}

/// The only difference there may be is a promise that never arrived and is still open in the
/// crawler's log.
fn both_sides_agree(shop: &Shop, crawler: &Crawler, sales: &HashMap<String, Value>) {
    let ids = |kind: &str| -> HashSet<String> {
        crawler.log_of(kind).iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    let (promises, receipts, refused) = (ids("promise"), ids("receipt"), ids("refused"));
    let said = crate::rig::tollway([
        "ledger",
        "--json",
        "-c",
        &shop.config(),
        "reconcile",
        "--audit",
        &crawler.file("audit.jsonl"),
    ]);
    let found = said.json();
    for class in ["amount_differs", "only_seller", "undelivered", "repeated"] {
        assert_eq!(count(&found[class]), 0, "{class}: {found:#}");
    }
    let open: HashSet<_> = promises.iter().filter(|id| !receipts.contains(*id) && !refused.contains(*id)).collect();
    println!("{} promises, {} open, {} refused", promises.len(), open.len(), refused.len());
    for id in found["only_buyer"].as_array().unwrap() {
        let id = id.as_str().unwrap().to_owned();
        assert!(open.contains(&id) && !sales.contains_key(&id), "{id}");
    }
    assert!(open.len() * 20 < promises.len(), "nearly every promise found its outcome");
    assert_eq!(found["clean"], count(&found["only_buyer"]) == 0);
}

#[test]
fn ten_closes_are_killed_and_closed_again() {
    let (shop, crawlers, mut dice) = (Shop::open(40), [Crawler::new(), Crawler::new()], Dice::new());
    let gateway = shop.gateway();
    let sell = || crawlers.iter().for_each(|crawler| drop(crawler.buy_all(&shop)));
    sell();
    let began = Instant::now();
    assert_eq!(count(&shop.close(1)["statements"]), 2);
    let whole = u64::try_from(began.elapsed().as_micros()).unwrap();
    let mut broken_off = 0;
    for day in 2..2 + CLOSES {
        sell();
        let moment = Duration::from_micros(dice.below(whole));
        println!("the close of day {day} dies after {moment:?}");
        broken_off += u64::from(!close_until(&shop, day, moment));
        let closed = shop.close(day);
        println!("it had written its bills: {}", closed["already_closed"]);
        assert_eq!(count(&closed["statements"]), 2);
        assert!(closed["statements"].as_array().unwrap().iter().all(|bill| bill["lines"] == 40));
        assert_eq!(shop.close(day)["already_closed"], true);
    }
    println!("{broken_off} of {CLOSES} closes broke off");
    assert!(broken_off > 0);
    gateway.stop();
    assert_eq!(shop.bodies("checkpoint").len() as u64, 1 + CLOSES);
    let mut bills = HashSet::new();
    for bill in shop.bodies("statement") {
        let key = format!("{} {}", bill["statement"]["agent"], bill["statement"]["period"]);
        assert!(bills.insert(key.clone()), "{key} is billed twice");
    }
    assert_eq!(bills.len() as u64, 2 * (1 + CLOSES));
    assert_eq!(shop.ledger_json(&["verify"])["proved"], true);
}

/// Closes a day, and kills the process after `moment`; whether it had ended by itself.
fn close_until(shop: &Shop, day: u64, moment: Duration) -> bool {
    let ((day, end), config) = (shop.day(day), shop.config());
    let mut close = Running::launch(["ledger", "-c", &config, "close", "--period", &day, "--now", &end]);
    let deadline = Instant::now() + moment;
    let mut ended = false;
    while !ended && Instant::now() < deadline {
        ended = close.has_ended();
    }
    close.kill();
    ended
}

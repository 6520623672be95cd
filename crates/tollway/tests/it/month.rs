//! A month of closes in seconds, while the gateway sells: every posting is billed once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::rig::{Crawler, PRICE, Shop, amount, count};

const DAYS: u64 = 30;

#[test]
fn thirty_closes_under_load_bill_every_posting_once() {
    let (shop, crawlers) = (Shop::open(60), [Crawler::new(), Crawler::new()]);
    let gateway = shop.gateway();
    let closing = AtomicBool::new(true);
    let mut closed = Vec::new();
    std::thread::scope(|scope| {
        for crawler in &crawlers {
            scope.spawn(|| {
                while closing.load(Ordering::Relaxed) {
                    crawler.buy_all(&shop);
                }
            });
        }
        for day in 1..=DAYS {
            let before = crawlers.each_ref().map(Crawler::log_bytes);
            crate::rig::until("both crawlers go on", || {
                crawlers.iter().zip(before).all(|(crawler, bytes)| crawler.log_bytes() > bytes)
            });
            closed.push(shop.close(day));
            let (open, end) = (shop.day(day + 1).0, shop.day(day).1);
            shop.ledger(&["close", "--period", &open, "--now", &end]).refused(&["period_open"]);
        }
        closing.store(false, Ordering::Relaxed);
    });
    closed.push(shop.close(DAYS + 1));
    gateway.stop();

    let busy = closed.iter().filter(|close| count(&close["statements"]) == 2).count();
    assert!(busy > 10, "the load reached {busy} of the days only");
    every_posting_is_billed_once(&shop);
    sums_are_carried(&closed, &crawlers);
    let keys = shop.public_keys(&[&crawlers[0], &crawlers[1]]);
    let report = shop.ledger_json(&["verify", "--export", &shop.file("bodies.jsonl"), "--keys", &keys]);
    assert_eq!((&report["proved"], &report["checkpoints"]), (&true.into(), &(DAYS + 1).into()));
    // A month that is over when all its lines are billed has nothing left to bill.
    let (last, end) = shop.day(DAYS + 40);
    let month = shop.ledger_json(&["close", "--period", &last[..7], "--now", &(end + "00")]);
    assert_eq!(count(&month["statements"]), 0);
}

fn every_posting_is_billed_once(shop: &Shop) {
    let rows = shop.ledger(&["statement", "--lines"]).ok().out;
    let mut billed = HashMap::<String, usize>::new();
    for row in rows.lines().skip(1) {
        *billed.entry(row.split(',').nth(3).unwrap().to_owned()).or_default() += 1;
    }
    let sold: HashMap<String, usize> =
        shop.bodies("sale").iter().map(|sale| (sale["id"].as_str().unwrap().to_owned(), 1)).collect();
    assert!(sold.len() >= 300, "{} sales", sold.len());
    assert_eq!(billed, sold);
}

/// Each agent's bills follow on each other, and together come to what its own log says.
fn sums_are_carried(closed: &[Value], crawlers: &[Crawler]) {
    let mut bills = BTreeMap::<&str, Vec<&Value>>::new();
    for bill in closed.iter().flat_map(|close| close["statements"].as_array().unwrap()) {
        bills.entry(bill["agent"].as_str().unwrap()).or_default().push(bill);
    }
    for crawler in crawlers {
        let bills = &bills[crawler.agent.as_str()];
        for pair in bills.windows(2) {
            assert_eq!(pair[0]["carried"], pair[1]["brought_forward"]);
            assert_eq!(pair[0]["to"].as_u64().unwrap() + 1, pair[1]["from"].as_u64().unwrap());
        }
        let sum = |name: &str| bills.iter().map(|bill| amount(&bill[name])).sum::<u128>();
        let receipts = crawler.log_of("receipt").len() as u128;
        assert_eq!(sum("total"), receipts * PRICE);
        assert_eq!(sum("payable") + amount(&bills[bills.len() - 1]["carried"]), sum("total"));
    }
}

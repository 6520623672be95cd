//! The crawler is killed at random moments: never over budget, and its log stays readable.

use crate::rig::{Crawler, Dice, PRICE, Running, Shop, amount, count, until};

const CRAWLS: u64 = 10;
/// Fifty of the eighty pages.
const BUDGET: u128 = 50 * PRICE;

#[test]
fn ten_crawls_are_killed_and_none_spends_more_than_it_may() {
    let (shop, crawler, mut dice) = (Shop::open(80), Crawler::new(), Dice::new());
    let _gateway = shop.gateway();
    let mut broken_off = 0;
    for round in 0..CRAWLS {
        let (promised, bytes) = (crawler.log_of("promise").len(), crawler.log_bytes());
        let goal = bytes + dice.below(25_000);
        println!("crawl {round} dies when its log has {goal} bytes");
        let mut crawl = Running::launch(crawler.crawl_args(&shop, &["--budget", "$0.10"]));
        let mut ended = false;
        until("the crawl goes on", || {
            ended = crawl.has_ended();
            ended || crawler.log_bytes() >= goal
        });
        crawl.kill();
        broken_off += u64::from(!ended);
        let run: u128 = crawler.log_of("promise")[promised..].iter().map(|line| amount(&line["amount"])).sum();
        assert!(run <= BUDGET, "{run} micro-dollars promised in one run");
        only_open_promises_differ(&shop, &crawler);
    }
    assert!(broken_off >= 5, "{broken_off} of {CRAWLS} broke off");

    // The log is continued, also where its last line was cut.
    let before = crawler.log_of("promise").len();
    let summary = crawler.crawl(&shop, &["--budget", "$0.10"]).ok().json();
    assert_eq!((&summary["charged"], &summary["stopped"]), (&BUDGET.to_string().into(), &"budget_exhausted".into()));
    // Promises of the runs before are looked up too: their receipts do not count here.
    let own: Vec<_> = crawler.log_of("promise").drain(before..).map(|line| line["id"].clone()).collect();
    let receipts = crawler.log_of("receipt");
    assert_eq!((own.len(), receipts.iter().filter(|line| own.contains(&line["id"])).count()), (50, 50));
    only_open_promises_differ(&shop, &crawler);
    let charged = shop.ledger_json(&["verify"]);
    assert_eq!(charged["proved"], true);
    assert!(amount(&charged["charged"]) <= BUDGET * u128::from(CRAWLS + 1));
}

/// A promise is in the log before it is sent: the seller never knows of one that the log does not.
fn only_open_promises_differ(shop: &Shop, crawler: &Crawler) {
    let audit = crawler.file("audit.jsonl");
    let said = crate::rig::tollway(["ledger", "--json", "-c", &shop.config(), "reconcile", "--audit", &audit]);
    let found = said.json();
    for class in ["amount_differs", "only_seller", "undelivered", "repeated"] {
        assert_eq!(count(&found[class]), 0, "{class}: {found:#}");
    }
    let log = crawler.log();
    for id in found["only_buyer"].as_array().unwrap() {
        let outcome =
            log.iter().find(|line| line["id"] == *id && (line["kind"] == "receipt" || line["kind"] == "refused"));
        assert_eq!(outcome, None, "{id} has an outcome in the log and not in the books");
    }
}

//! `tollway agents` beside a running gateway: what is changed holds for the next request.

use serde_json::Value;

use crate::rig::{Crawler, PRICE, Plan, Shop, amount, tollway};

const REGISTERED_ONLY: &str = "allow_loopback = true";

/// Crawls once; what was paid for, and why the rest was not.
fn crawl(crawler: &Crawler, shop: &Shop) -> (u64, Vec<String>) {
    let out = crawler.path("pages");
    if out.exists() {
        std::fs::remove_dir_all(&out).unwrap();
    }
    let summary = crawler.crawl(shop, &["--out", out.to_str().unwrap(), "--concurrency", "1"]).json();
    let record = std::fs::read_to_string(out.join("~pages.jsonl")).unwrap();
    let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reasons = lines.filter_map(|line| line["reason"].as_str().map(str::to_owned)).collect();
    (summary["pages_paid"].as_u64().unwrap(), reasons)
}

#[track_caller]
fn refuses_all(crawler: &Crawler, shop: &Shop, reason: &str) {
    let (paid, reasons) = crawl(crawler, shop);
    assert_eq!(paid, 0);
    assert_eq!(reasons.len(), 4);
    assert!(reasons.iter().all(|why| why.contains(reason)), "{reasons:?}");
}

#[test]
fn accounts_change_under_a_running_gateway() {
    let shop = Shop::planned(&Plan { pages: 4, agents: REGISTERED_ONLY.to_owned(), ..Plan::default() });
    let crawler = Crawler::new();
    let agent = crawler.agent.as_str();
    let _gateway = shop.gateway();
    refuses_all(&crawler, &shop, "agent_not_registered");

    let added = shop.agents(&["add", agent, "--credit", "$1"]).ok().json();
    assert_eq!((&added[0]["agent"], &added[0]["credit_limit"]), (&agent.into(), &"1000000".into()));
    assert_eq!(crawl(&crawler, &shop).0, 4);

    let blocked = shop.agents(&["block", agent]).ok().json();
    assert_eq!(blocked[0]["blocked"], true);
    refuses_all(&crawler, &shop, "blocked");

    assert_eq!(shop.agents(&["unblock", agent]).ok().json()[0]["blocked"], false);
    assert_eq!(crawl(&crawler, &shop).0, 4);

    let listed = shop.agents(&["list"]).ok().json();
    assert_eq!(amount(&listed[0]["balance_owed"]), 8 * PRICE);
    assert_eq!(amount(&listed[0]["spent_today"]), 8 * PRICE);
    assert_eq!(shop.ledger_json(&["verify"])["proved"], true);
}

#[test]
fn limits_hold_from_the_next_request_on() {
    let shop = Shop::planned(&Plan { pages: 4, agents: REGISTERED_ONLY.to_owned(), ..Plan::default() });
    let crawler = Crawler::new();
    let agent = crawler.agent.as_str();
    shop.agents(&["add", agent, "--credit", "$1"]).ok();
    let _gateway = shop.gateway();
    assert_eq!(crawl(&crawler, &shop).0, 4);

    shop.agents(&["limit", agent, "--credit", "$0.01"]).ok();
    let (paid, reasons) = crawl(&crawler, &shop);
    assert_eq!(paid, 1, "five pages in all");
    assert!(reasons.iter().all(|why| why.contains("over_credit")), "{reasons:?}");

    shop.agents(&["limit", agent, "--credit", "$1", "--daily-budget", "$0.014"]).ok();
    let (paid, reasons) = crawl(&crawler, &shop);
    assert_eq!(paid, 2, "seven pages in all");
    assert!(reasons.iter().all(|why| why.contains("over_daily_budget")), "{reasons:?}");
    assert_eq!(amount(&shop.agents(&["list"]).ok().json()[0]["balance_owed"]), 7 * PRICE);
}

#[test]
fn the_table_is_for_people() {
    let shop = Shop::planned(&Plan { agents: REGISTERED_ONLY.to_owned(), ..Plan::default() });
    let config = shop.config();
    let agents = |args: &[&str]| tollway(["agents", "-c", &config].iter().chain(args));
    assert_eq!(agents(&["list"]).ok().out, "no accounts yet\n");
    let table = agents(&["add", "https://crawler.example", "--credit", "$2.50", "--daily-budget", "$0.25"]).ok().out;
    for word in ["https://crawler.example", "$2.50", "$0.25", "open"] {
        assert!(table.contains(word), "`{word}` is not in {table}");
    }
    assert!(agents(&["block", "https://crawler.example"]).ok().out.contains("blocked"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let shop = Shop::planned(&Plan { agents: REGISTERED_ONLY.to_owned(), ..Plan::default() });
    shop.agents(&["block", "https://nobody.example"]).refused(&["agent_not_registered"]);
    shop.agents(&["add", "crawler.example", "--credit", "$1"]).refused(&["`crawler.example` is no signature agent"]);
    shop.agents(&["add", "http://crawler.example", "--credit", "$1"]).refused(&["agent_not_https"]);
    assert_eq!(shop.agents(&["list"]).ok().json(), serde_json::json!([]));
    let odd = shop.agents(&["add", "https://crawler.example", "--credit", "0,5"]);
    assert_eq!(odd.code, Some(2));
    assert!(odd.err.contains("--credit") && odd.err.contains("$0.01"), "{}", odd.err);
}

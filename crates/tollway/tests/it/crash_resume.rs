//! A crawl into one folder is killed at random moments and goes on each time: one budget for all its runs, and no page
//! that was saved is paid for again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::rig::{Crawler, Dice, PRICE, Running, Shop, amount, until};

const ROUNDS: u64 = 10;
const PAGES: usize = 400;
/// Three hundred of the four hundred pages.
const BUDGET: u128 = 300 * PRICE;

/// Paths of the priced pages whose files are in the folder.
fn saved(out: &Path, shop: &Shop) -> BTreeSet<String> {
    let host = out.join(format!("127.0.0.1~{}/p", shop.port));
    let names = std::fs::read_dir(host).into_iter().flatten();
    names.map(|entry| format!("{}/p/{}", shop.origin, entry.unwrap().file_name().to_str().unwrap())).collect()
}

/// Pages promised to be paid for, in the order of the log.
fn promised(crawler: &Crawler) -> Vec<String> {
    crawler.log_of("promise").iter().map(|line| line["url"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn threat_45_a_crawl_killed_ten_times_keeps_its_budget_and_buys_nothing_twice_that_it_has() {
    let (shop, crawler, mut dice) = (Shop::open(PAGES), Crawler::new(), Dice::new());
    let _gateway = shop.gateway();
    let (out, archive) = (crawler.path("pages"), crawler.file("crawl.warc"));
    let more = ["--budget", "$0.60", "--out", out.to_str().unwrap(), "--warc", &archive];
    let mut broken_off = 0;
    for round in 0..ROUNDS {
        let (had, before, bytes) = (saved(&out, &shop), promised(&crawler).len(), crawler.log_bytes());
        let goal = bytes + dice.below(35_000);
        println!("run {round} dies when its log has {goal} bytes; {} pages are saved", had.len());
        let mut crawl = Running::launch(crawler.crawl_args(&shop, &more));
        let mut ended = false;
        until("the crawl goes on", || {
            ended = crawl.has_ended();
            ended || crawler.log_bytes() >= goal
        });
        crawl.kill();
        broken_off += u64::from(!ended);
        let now = promised(&crawler);
        let twice: Vec<_> = now[before..].iter().filter(|url| had.contains(*url)).collect();
        assert!(twice.is_empty(), "saved before, and bought again: {twice:?}");
        assert!(charged(&shop) <= BUDGET);
    }
    assert!(broken_off >= 5, "{broken_off} of {ROUNDS} broke off");

    let had = saved(&out, &shop);
    let before = promised(&crawler).len();
    let summary = crawler.crawl(&shop, &more).ok().json();
    assert!(promised(&crawler)[before..].iter().all(|url| !had.contains(url)));
    assert_eq!(summary["pages_kept"].as_u64(), Some(had.len() as u64 + 1), "the start is free and had too");
    assert_eq!(summary["stopped"], "budget_exhausted");
    let total = charged(&shop);
    assert!((BUDGET / 2..=BUDGET).contains(&total), "{total}");
    // All runs together, as the crawler counts them, are at most what the books charged.
    assert!(amount(&summary["charged"]) + amount(&summary["charged_before"]) <= total);
    assert_eq!(shop.ledger_json(&["verify"])["proved"], true);
    bodies_are_whole(&out, &shop);
    assert!(archived(&archive).len() >= saved(&out, &shop).len());
}

fn charged(shop: &Shop) -> u128 {
    amount(&shop.ledger_json(&["verify"])["charged"])
}

fn bodies_are_whole(out: &Path, shop: &Shop) {
    for url in saved(out, shop) {
        let name = url.strip_prefix(&shop.origin).unwrap();
        let body = std::fs::read(out.join(format!("127.0.0.1~{}{name}", shop.port))).unwrap();
        assert_eq!(body, std::fs::read(shop.path(&format!("site{name}"))).unwrap(), "{url}");
    }
}

/// Addresses of the answers in an archive, which must be whole records from end to end.
fn archived(path: &str) -> BTreeMap<String, u64> {
    let file = std::fs::read(path).unwrap();
    let (mut rest, mut answers) = (file.as_slice(), BTreeMap::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start());
        assert!(head.starts_with("WARC/1.1\r\n"));
        let length: usize = field("Content-Length:").unwrap().parse().unwrap();
        if field("WARC-Type:") == Some("response") {
            *answers.entry(field("WARC-Target-URI:").unwrap().to_owned()).or_default() += 1;
        }
        rest = &rest[end + 4 + length + 4..];
    }
    answers
}

#[test]
fn a_finished_crawl_asks_for_nothing_again_until_it_starts_over() {
    let (shop, crawler) = (Shop::open(12), Crawler::new());
    let _gateway = shop.gateway();
    let out = crawler.file("pages");
    let crawl = |more: &[&str]| crawler.crawl(&shop, &[&["--out", &out], more].concat());
    let pages = |summary: &Value| {
        let field = |name: &str| summary[name].as_u64().unwrap();
        (field("pages_paid"), field("pages_kept"), amount(&summary["charged_before"]))
    };
    assert_eq!(pages(&crawl(&["--max-pages", "5"]).ok().json()), (4, 0, 0));
    assert_eq!(pages(&crawl(&[]).ok().json()), (8, 5, 4 * PRICE));
    let promises = crawler.log_of("promise").len();
    assert_eq!(pages(&crawl(&[]).ok().json()), (0, 13, 12 * PRICE));
    assert_eq!(crawler.log_of("promise").len(), promises);
    // What earlier runs spent counts: nothing is left for a page whose file was lost.
    std::fs::remove_file(crawler.path("pages").join(format!("127.0.0.1~{}/p/3.html", shop.port))).unwrap();
    let summary = crawl(&["--budget", "$0.024"]).ok().json();
    assert_eq!((&summary["stopped"], &summary["charged"]), (&"budget_exhausted".into(), &"0".into()));
    assert_eq!(amount(&summary["charged_before"]), 12 * PRICE);
    // Another audit log is not the one that it was paid by.
    std::fs::rename(crawler.path("audit.jsonl"), crawler.path("own.jsonl")).unwrap();
    crawl(&[]).refused(&["is not the audit log", "--fresh"]);
    std::fs::rename(crawler.path("own.jsonl"), crawler.path("audit.jsonl")).unwrap();
    assert_eq!(pages(&crawl(&["--fresh"]).ok().json()), (12, 0, 0));
    std::fs::write(crawler.path("thesis"), "years of work").unwrap();
    let folder = crawler.folder.path().to_str().unwrap().to_owned();
    crawler.crawl(&shop, &["--out", &folder, "--fresh"]).refused(&["something else than a crawl"]);
    assert!(crawler.path("thesis").exists() && crawler.path("crawler.jwk").exists());
}

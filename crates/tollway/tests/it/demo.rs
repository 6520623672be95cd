//! `tollway demo`: the whole day, in every dress, in folders it may and may not touch.

use std::path::Path;

use serde_json::Value;

use crate::rig::{Said, amount, tollway};

fn demo(dir: &Path, more: &[&str]) -> Said {
    tollway(["demo", "--dir", dir.to_str().unwrap()].iter().chain(more))
}

/// One sum on all sides, every check passed.
#[track_caller]
fn closes(day: &Value, pages: u64, price: u64) {
    let total = (pages * price).to_string();
    for sum in ["charged", "statement_total", "audit_total"] {
        assert_eq!(day[sum], total.as_str(), "{sum}");
    }
    assert_eq!((day["pages_paid"].as_u64(), day["postings"].as_u64()), (Some(pages), Some(pages)));
    for check in ["journal_ok", "bill_ok", "reconciled"] {
        assert_eq!(day[check], true, "{check}");
    }
    assert_eq!(amount(&day["payable"]), u128::from(pages * price / 10_000 * 10_000));
}

#[test]
fn the_day_closes_in_each_dress() {
    let folder = tempfile::tempdir().unwrap();
    for dress in ["x402", "deferred", "crawl"] {
        let dir = folder.path().join(dress);
        let day = demo(&dir, &["--json", "--dress", dress]).ok().json();
        let pages = day["pages_paid"].as_u64().unwrap();
        assert!(pages >= 12, "{pages} pages");
        closes(&day, pages, 2_000);
        for file in ["tollway.toml", "seller.jwk", "crawler.jwk", "books.db", "terms.md", "site/index.html"] {
            assert!(dir.join(file).is_file(), "{file}");
        }
        let lines = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap().lines().count() as u64;
        assert_eq!(lines("audit.jsonl"), 2 * pages, "a promise and a receipt for each page");
        assert!(lines("export.jsonl") > pages);
        assert!(std::fs::read_dir(dir.join("pages")).unwrap().count() > 0);
        assert!(std::fs::read_to_string(dir.join("export.jsonl")).unwrap().contains(&format!("\"dress\":\"{dress}\"")));
    }
}

#[test]
fn what_is_left_behind_works_with_the_other_commands() {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path(), &["--json"]).ok();
    let config = folder.path().join("tollway.toml");
    let ledger = |args: &[&str]| tollway(["ledger", "--json", "-c", config.to_str().unwrap()].iter().chain(args)).ok();
    assert_eq!(ledger(&["verify"]).json()["proved"], true);
    assert_eq!(ledger(&["statement"]).json().as_array().unwrap().len(), 1);
    let audit = folder.path().join("audit.jsonl");
    assert_eq!(ledger(&["reconcile", "--audit", audit.to_str().unwrap()]).json()["clean"], true);
}

#[test]
fn people_are_told_the_same_story() {
    let folder = tempfile::tempdir().unwrap();
    let story = demo(folder.path(), &[]).ok().out;
    for words in ["402 with a signed offer", "signed a promise", "one bill", "Both sides checked it", "tollway.toml"] {
        assert!(story.contains(words), "`{words}` is not in: {story}");
    }
    assert!(!story.contains("NO") && !story.contains("FAULT"), "{story}");
}

#[test]
fn a_site_of_ones_own_is_sold() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("mine");
    std::fs::create_dir_all(site.join("deep/er")).unwrap();
    let pages = ["a.html", "b.htm", "deep/c.html", "deep/er/d e.html"];
    let links: String = pages.iter().map(|page| format!("<a href=\"/{page}\">x</a>")).collect();
    std::fs::write(site.join("index.html"), links).unwrap();
    for page in pages {
        std::fs::write(site.join(page), page).unwrap();
    }
    let dir = folder.path().join("demo");
    let day = demo(&dir, &["--json", "--site", site.to_str().unwrap(), "--price", "$0.01"]).ok().json();
    closes(&day, 4, 10_000);
    assert!(!dir.join("site").exists(), "the site stays where it is");
}

#[test]
fn a_site_without_a_first_page_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("empty");
    std::fs::create_dir(&site).unwrap();
    let dir = folder.path().join("demo");
    demo(&dir, &["--site", site.to_str().unwrap()]).refused(&["index.html", site.to_str().unwrap()]);
    demo(&dir, &["--site", "/no/such/place"]).refused(&["the site /no/such/place"]);
}

#[test]
fn its_own_folder_is_made_anew_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let (own, foreign) = (folder.path().join("own"), folder.path().join("foreign"));
    let first = demo(&own, &["--json"]).ok().json();
    std::fs::write(own.join("left-over"), "x").unwrap();
    let second = demo(&own, &["--json"]).ok().json();
    assert!(!own.join("left-over").exists());
    closes(&second, first["pages_paid"].as_u64().unwrap(), 2_000);

    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    demo(&foreign, &["--json"]).refused(&["is not empty", "--dir"]);
    assert_eq!(std::fs::read_to_string(foreign.join("thesis.txt")).unwrap(), "years of work");
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
}

#[test]
fn a_small_budget_ends_the_crawl_and_the_books_still_close() {
    let folder = tempfile::tempdir().unwrap();
    let day = demo(folder.path(), &["--json", "--budget", "$0.01"]).ok().json();
    closes(&day, 5, 2_000);
    assert_eq!(day["crawl"]["stopped"], "budget_exhausted");
    assert_eq!(day["crawl"]["errors"], 0);
}

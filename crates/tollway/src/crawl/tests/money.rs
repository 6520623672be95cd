//! What is paid, what is not, and when a crawl ends for the sake of money.

use std::sync::Arc;
use std::time::Duration;

use super::site::{Answer, START, Site, Watcher, options, run, watch};
use crate::crawl::page::{Outcome, Skip};
use crate::crawl::summary::Stopped;
use crate::crawl::{CrawlOptions, FetchError};

/// A start page with links to `prices.len()` pages `p0`, `p1` and so on.
fn shop(prices: &[u128]) -> Site {
    let links: Vec<String> = (0..prices.len()).map(|n| format!("p{n}")).collect();
    let site = Site::default().page(START, 0, &links.iter().map(String::as_str).collect::<Vec<_>>());
    prices.iter().enumerate().fold(site, |site, (n, price)| site.page(&format!("{START}p{n}"), *price, &[]))
}

#[tokio::test(start_paused = true)]
async fn paid_and_free_pages_are_told_apart_and_dear_ones_skipped() {
    let site = Arc::new(shop(&[10, 0, 2_000, 30]).price_max(1_000));
    let watcher = Arc::new(Watcher::default());
    let summary = watch(options(), &site, Arc::clone(&watcher)).await;
    assert_eq!((summary.pages_ok, summary.pages_paid, summary.pages_free), (4, 2, 2));
    assert_eq!((summary.pages_skipped.over_max_price, summary.charged, summary.stopped), (1, 40, Stopped::Done));
    let events = watcher.events.lock().unwrap();
    let dear = events.iter().find(|event| event.url.path() == "/p2").unwrap();
    assert_eq!(dear.outcome, Outcome::Skipped(Skip::OverMaxPrice { asked: 2_000 }));
    assert_eq!(dear.charged, None);
    let paid = events.iter().find(|event| event.url.path() == "/p3").unwrap().charged.clone().unwrap();
    assert_eq!((paid.id.as_str(), paid.amount), ("http://a.example/p3", 30));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_ends_the_crawl_after_the_pages_in_flight() {
    for concurrency in [1, 8] {
        let site = shop(&[10; 100]).budget(255).latency(|_| Duration::from_millis(5));
        let site = Arc::new(site);
        let watcher = Arc::new(Watcher::default());
        let summary = watch(CrawlOptions { concurrency, ..options() }, &site, Arc::clone(&watcher)).await;
        assert_eq!(summary.stopped, Stopped::BudgetExhausted);
        assert_eq!((summary.pages_paid, summary.charged, site.charged()), (25, 250, 250));
        let asked_in_vain = summary.pages_skipped.budget_exhausted;
        assert!((1..=concurrency as u64).contains(&asked_in_vain), "{asked_in_vain}");
        assert_eq!(site.visits().len() as u64, 26 + asked_in_vain);
        assert_eq!(watcher.money.lock().unwrap().last(), Some(&(250, Some(5))));
        assert_eq!(watcher.money.lock().unwrap().first(), Some(&(0, Some(255))));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_kind_and_do_not_end_the_crawl() {
    let unknown = FetchError::Unknown { id: "c1".into() };
    let refused = FetchError::Refused { code: "credit_exhausted".into(), detail: "no".into() };
    let site = shop(&[1; 6])
        .answer("http://a.example/p0", Answer::Error(unknown))
        .answer("http://a.example/p1", Answer::Error(refused))
        .answer("http://a.example/p2", Answer::Error(FetchError::Unreachable("reset".into())))
        .answer("http://a.example/p3", Answer::Status(304))
        .answer("http://a.example/p4", Answer::Status(402));
    let watcher = Arc::new(Watcher::default());
    let summary = watch(options(), &Arc::new(site), Arc::clone(&watcher)).await;
    assert_eq!((summary.pages_ok, summary.errors, summary.unknown, summary.charged), (2, 4, 1, 1));
    assert_eq!(summary.stopped, Stopped::Done);
    let events = watcher.events.lock().unwrap();
    let outcome = |path: &str| events.iter().find(|event| event.url.path() == path).unwrap().outcome.clone();
    assert_eq!(outcome("/p0"), Outcome::Unknown { id: "c1".into() });
    assert_eq!(outcome("/p1"), Outcome::Failed("refused (credit_exhausted): no".into()));
    assert_eq!(outcome("/p3"), Outcome::Failed("answered 304".into()));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_crawl_waits_for_pages_that_may_be_paid() {
    let (cancel, _) = tokio::sync::watch::channel(false);
    let site = Arc::new(shop(&[10; 100]).latency(|url| Duration::from_millis(url.as_str().len() as u64 * 100)));
    let watcher = Arc::new(Watcher { cancel_after: Some((11, cancel)), ..Watcher::default() });
    let summary = watch(CrawlOptions { concurrency: 4, ..options() }, &site, watcher).await;
    assert_eq!(summary.stopped, Stopped::Cancelled);
    assert_eq!(summary.pages_ok, site.visits().len() as u64);
    assert!((11..=15).contains(&summary.pages_ok), "{}", summary.pages_ok);
    assert_eq!(summary.charged, site.charged());
}

#[tokio::test]
async fn a_page_that_cannot_be_saved_ends_the_crawl_and_its_charge_still_counts() {
    let out = tempfile::tempdir().unwrap();
    // The only place for `/p0` is taken by a directory, and so is the place inside that.
    std::fs::create_dir_all(out.path().join("a.example/p0/~index.html")).unwrap();
    let site = Arc::new(shop(&[10; 50]));
    let options = CrawlOptions { out: Some(out.path().to_owned()), concurrency: 1, ..options() };
    let summary = run(options, &site).await;
    assert_eq!(summary.stopped, Stopped::SaveFailed);
    assert_eq!((summary.pages_ok, summary.errors, summary.charged), (1, 1, 10));
    assert!(summary.detail.is_some());
    assert_eq!(site.visits().len(), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_record_that_cannot_be_written_ends_the_crawl_before_more_is_paid() {
    let out = tempfile::tempdir().unwrap();
    // A device that is always full.
    std::os::unix::fs::symlink("/dev/full", out.path().join("~pages.jsonl")).unwrap();
    let site = Arc::new(shop(&[10; 50]));
    let options = CrawlOptions { out: Some(out.path().to_owned()), concurrency: 1, ..options() };
    let summary = run(options, &site).await;
    assert_eq!((summary.stopped, summary.pages_ok, summary.errors), (Stopped::SaveFailed, 0, 1));
    assert_eq!(site.visits(), [START]);
}

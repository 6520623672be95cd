//! Crawls that go on where an earlier one ended.

use std::path::Path;
use std::sync::Arc;

use super::site::{Answer, START, Site, Watcher, options, run, watch};
use crate::crawl::page::Outcome;
use crate::crawl::summary::Stopped;
use crate::crawl::{CrawlOptions, FetchError, LOG_NAME};

/// A tree of pages, three links to a page, with one redirect and one page that fails the first time.
fn site() -> Site {
    let path = |n: usize| if n == 0 { START.to_owned() } else { format!("{START}p{n}") };
    let tree = (0..60).fold(Site::default(), |site, n| {
        let mut links: Vec<String> = (n * 3 + 1..=n * 3 + 3).filter(|n| *n < 60).map(path).collect();
        if n == 0 {
            links.push("/moved".into());
        }
        site.page(&path(n), 10, &links.iter().map(String::as_str).collect::<Vec<_>>())
    });
    tree.redirect("http://a.example/moved", "/p59")
}

fn into(out: &Path) -> CrawlOptions {
    CrawlOptions { out: Some(out.to_owned()), ..options() }
}

#[tokio::test(start_paused = true)]
async fn what_is_had_is_not_asked_for_again_and_the_order_stays() {
    let whole = Arc::new(site());
    run(options(), &whole).await;
    let out = tempfile::tempdir().unwrap();
    let (mut visits, mut pages, mut kept) = (Vec::new(), 0, 0);
    for max in [1, 7, 8, 8, 30, 1_000] {
        let site = Arc::new(site());
        let summary = run(CrawlOptions { max_pages: Some(max), concurrency: 1, ..into(out.path()) }, &site).await;
        assert_eq!(summary.pages_kept, pages.min(max), "{max}");
        assert_eq!(summary.pages_ok + summary.pages_kept, max.min(60), "{max}");
        assert_eq!(site.charged(), summary.charged);
        pages += summary.pages_ok;
        kept += summary.pages_kept;
        visits.extend(site.visits());
    }
    assert_eq!((pages, kept), (60, 1 + 7 + 8 + 8 + 30));
    assert_eq!(visits, whole.visits());
    let site = Arc::new(site());
    let watcher = Arc::new(Watcher::default());
    let summary = watch(into(out.path()), &site, Arc::clone(&watcher)).await;
    assert_eq!((summary.pages_ok, summary.pages_kept, summary.stopped), (0, 60, Stopped::Done));
    assert!(site.visits().is_empty());
    assert!(watcher.events.lock().unwrap().iter().all(|event| matches!(event.outcome, Outcome::Kept { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_file_is_gone_or_cut_is_bought_again_and_only_that_one() {
    let out = tempfile::tempdir().unwrap();
    run(into(out.path()), &Arc::new(site())).await;
    std::fs::remove_file(out.path().join("a.example/p7")).unwrap();
    std::fs::write(out.path().join("a.example/p8"), "cut").unwrap();
    let site = Arc::new(site());
    let summary = run(into(out.path()), &site).await;
    assert_eq!(site.visits(), ["http://a.example/p7", "http://a.example/p8"]);
    assert_eq!((summary.pages_ok, summary.pages_kept, summary.charged), (2, 58, 20));
}

#[tokio::test(start_paused = true)]
async fn a_record_cut_anywhere_never_buys_a_page_that_it_names() {
    let out = tempfile::tempdir().unwrap();
    run(into(out.path()), &Arc::new(site())).await;
    let record = std::fs::read(out.path().join(LOG_NAME)).unwrap();
    for cut in (0..record.len()).step_by(97) {
        std::fs::write(out.path().join(LOG_NAME), &record[..cut]).unwrap();
        let named = String::from_utf8(record[..cut].to_vec()).unwrap();
        let whole = named
            .rsplit_once('\n')
            .map_or(0, |(lines, _)| lines.lines().filter(|line| line.contains("\"outcome\":\"page\"")).count() as u64);
        let site = Arc::new(site());
        let summary = run(into(out.path()), &site).await;
        assert_eq!((summary.pages_kept, summary.pages_ok), (whole, 60 - whole), "{cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_and_pages_too_large_only_where_more_is_read() {
    let out = tempfile::tempdir().unwrap();
    let first = Site::default()
        .page(START, 0, &["broken", "big", "free"])
        .answer("http://a.example/broken", Answer::Status(500))
        .answer("http://a.example/big", Answer::Error(FetchError::TooLarge { charged: None }))
        .text("http://a.example/free", &"x".repeat(101));
    let small = CrawlOptions { page_bytes_max: 100, ..into(out.path()) };
    let summary = run(small.clone(), &Arc::new(first)).await;
    assert_eq!((summary.pages_ok, summary.errors), (1, 3));
    let second = || {
        let site = Site::default().page("http://a.example/broken", 0, &[]).text("http://a.example/big", "now it fits");
        Arc::new(site.text("http://a.example/free", &"x".repeat(101)))
    };
    let site = second();
    assert_eq!(run(small, &site).await.pages_ok, 1);
    assert_eq!(site.visits(), ["http://a.example/broken"]);
    let site = second();
    assert_eq!(run(into(out.path()), &site).await.pages_ok, 2);
    assert_eq!(site.visits(), ["http://a.example/big", "http://a.example/free"]);
}

#[tokio::test(start_paused = true)]
async fn the_rules_and_the_pause_of_a_host_do_not_hold_up_what_is_had() {
    let out = tempfile::tempdir().unwrap();
    let slow = |site: Site| site.text("http://a.example/robots.txt", "User-agent: *\nCrawl-delay: 60\n");
    let summary = run(CrawlOptions { max_pages: Some(20), ..into(out.path()) }, &Arc::new(slow(site()))).await;
    assert!(summary.seconds >= 19.0 * 60.0);
    let summary = run(CrawlOptions { max_pages: Some(22), ..into(out.path()) }, &Arc::new(slow(site()))).await;
    assert_eq!((summary.pages_kept, summary.pages_ok), (20, 2));
    assert!(summary.seconds < 61.0, "{}", summary.seconds);
}

#[tokio::test]
async fn a_damaged_record_stops_a_crawl_before_anything_is_bought() {
    let out = tempfile::tempdir().unwrap();
    std::fs::write(out.path().join(LOG_NAME), "{\"url\":\"no address\",\"outcome\":\"page\"}\n").unwrap();
    let site = Arc::new(site());
    let cancel = tokio::sync::watch::channel(false).1;
    let crawl = crate::crawl::crawl(into(out.path()), Arc::clone(&site) as _, Arc::new(crate::crawl::Silent), cancel);
    let error = format!("{:#}", crawl.await.unwrap_err());
    assert!(error.contains("line 1"), "{error}");
    assert!(site.requests().is_empty());
}

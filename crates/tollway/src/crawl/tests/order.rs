//! Order, bounds and files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::site::{Answer, START, Site, Watcher, from, options, run, watch};
use crate::crawl::page::{HOPS_MAX, Outcome, Skip};
use crate::crawl::summary::Stopped;
use crate::crawl::{CrawlOptions, Scope, Silent, crawl};

/// A tree of pages, nine links to a page, whose answers take from 1 to 97 ms.
fn tree(pages: usize) -> Site {
    let path = |n: usize| {
        if n == 0 { START.to_owned() } else { format!("{START}p{n}") }
    };
    (0..pages)
        .fold(Site::default(), |site, n| {
            let links: Vec<String> = (n * 9 + 1..=n * 9 + 9).filter(|n| *n < pages).map(path).collect();
            site.page(&path(n), 1, &links.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .latency(|url| {
            let sum: u64 = url.as_str().bytes().fold(7, |sum, byte| sum * 31 % 97 + u64::from(byte));
            Duration::from_millis(1 + sum % 97)
        })
}

#[tokio::test(start_paused = true)]
async fn breadth_first_and_the_same_order_at_any_concurrency() {
    let mut orders = BTreeSet::new();
    for concurrency in [1, 2, 8, 32] {
        let site = Arc::new(tree(500));
        let summary = run(CrawlOptions { concurrency, ..options() }, &site).await;
        assert_eq!((summary.pages_ok, summary.stopped), (500, Stopped::Done));
        assert_eq!(site.in_flight_most(), concurrency);
        orders.insert(site.visits());
    }
    assert_eq!(orders.len(), 1);
    let numbers: Vec<usize> = orders.pop_first().unwrap()[1..]
        .iter()
        .map(|url| url.strip_prefix("http://a.example/p").unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn max_pages_is_exact_under_concurrency() {
    // Every fifth page fails, does not count, and hides what is below it.
    let site = || {
        let fail = |site: Site, n| site.answer(&format!("{START}p{n}"), Answer::Status(500));
        Arc::new((1..500).step_by(5).fold(tree(500), fail))
    };
    let all = run(options(), &site()).await.pages_ok;
    assert!((200..500).contains(&all));
    for max in [0, 1, 2, 31, 32, 33, 100, all - 1, all, all + 1] {
        let site = site();
        let summary = run(CrawlOptions { max_pages: Some(max), concurrency: 32, ..options() }, &site).await;
        assert_eq!(summary.pages_ok, max.min(all), "{max}");
        assert_eq!(summary.charged, u128::from(summary.pages_ok));
        assert_eq!(site.charged(), summary.charged);
        // Where the last page taken ends the walk anyway, either reason is true; the walk's own end is the one told.
        let expected = if max < all { Stopped::MaxPages } else { Stopped::Done };
        assert_eq!((summary.stopped, max), (expected, max));
    }
}

#[tokio::test(start_paused = true)]
async fn the_scope_holds_and_depth_ends_the_walk() {
    let site = || {
        Site::default()
            .page("http://a.example/docs/", 0, &["in", "../out", "//b.example/docs/x", "https://a.example/docs/tls"])
            .page("http://a.example/docs/in", 0, &["deeper/1", "#top", "?q=1"])
            .page("http://a.example/docs/in?q=1", 0, &[])
            .page("http://a.example/docs/deeper/1", 0, &["2"])
            .page("http://a.example/docs/deeper/2", 0, &[])
            .page("http://a.example/out", 0, &["/docs/in"])
            .page("https://a.example/docs/tls", 0, &[])
    };
    let paths = |site: &Site| -> Vec<String> {
        site.visits().iter().map(|url| url.replace("http://a.example/", "").replace("https:", "tls:")).collect()
    };
    for (scope, depth, expected) in [
        (Scope::Path, None, vec!["docs/", "docs/in", "docs/deeper/1", "docs/in?q=1", "docs/deeper/2"]),
        (Scope::Path, Some(0), vec!["docs/"]),
        (Scope::Path, Some(1), vec!["docs/", "docs/in"]),
        (Scope::Host, Some(1), vec!["docs/", "docs/in", "out", "tls://a.example/docs/tls"]),
    ] {
        let site = Arc::new(site());
        run(CrawlOptions { scope, depth, ..from("http://a.example/docs/") }, &site).await;
        assert_eq!(paths(&site), expected, "{scope:?} {depth:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn redirects_are_bounded_and_stay_inside() {
    let mut site = Site::default()
        .page(START, 0, &["loop", "self", "chain0", "away", "nowhere", "/moved"])
        .redirect("http://a.example/loop", "/loop2")
        .redirect("http://a.example/loop2", "/loop")
        .redirect("http://a.example/self", "#again")
        .redirect("http://a.example/away", "http://b.example/")
        .redirect("http://a.example/nowhere", "http://[bad")
        .redirect("http://a.example/moved", "http://a.example/new#part")
        .page("http://a.example/new", 5, &["/after"])
        .page("http://a.example/after", 5, &[]);
    for n in 0..20 {
        site = site.redirect(&format!("{START}chain{n}"), &format!("/chain{}", n + 1));
    }
    let site = Arc::new(site);
    let watcher = Arc::new(Watcher::default());
    let summary = watch(options(), &site, Arc::clone(&watcher)).await;
    let chain = site.visits().iter().filter(|url| url.contains("chain")).count();
    assert_eq!(chain, usize::from(HOPS_MAX) + 1);
    assert!(!site.requests().iter().any(|request| request.url.contains("b.example")));
    assert_eq!((summary.pages_ok, summary.pages_paid, summary.charged), (3, 2, 10));
    assert_eq!((summary.pages_skipped.out_of_scope, summary.errors), (1, 2));
    assert_eq!(summary.redirects, 2 + 1 + u64::from(HOPS_MAX) + 1);
    let events = watcher.events.lock().unwrap();
    let outcome = |path: &str| events.iter().find(|event| event.url.path() == path).unwrap().outcome.clone();
    assert_eq!(outcome("/chain5"), Outcome::Failed("more than 5 redirects".into()));
    assert_eq!(outcome("/nowhere"), Outcome::Failed("redirects to no address".into()));
    assert_eq!(outcome("/away"), Outcome::Skipped(Skip::OutOfScope));
    assert_eq!(outcome("/moved"), Outcome::Redirect { to: Url::parse("http://a.example/new").unwrap() });
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_links_and_counts_them() {
    let links: Vec<String> = (0..2_500).map(|n| format!("/p{n}")).collect();
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    let site = Arc::new(Site::default().page(START, 0, &links));
    let summary = run(options(), &site).await;
    assert_eq!((summary.pages_ok, summary.errors, summary.pages_skipped.queue_full), (1, 2_000, 500));
}

#[tokio::test]
async fn pages_are_saved_whatever_their_kind_and_only_html_is_read_for_links() {
    let out = tempfile::tempdir().unwrap();
    let site = Site::default()
        .page(START, 0, &["data.csv", "big", "a", "a/b"])
        .page("http://a.example/a", 0, &[])
        .page("http://a.example/a/b", 0, &[])
        .text("http://a.example/big", &"x".repeat(1_001))
        .text("http://a.example/data.csv", "<a href=/never>,1\n");
    let site = Arc::new(site);
    let options = CrawlOptions { out: Some(out.path().to_owned()), page_bytes_max: 1_000, ..options() };
    let watcher = Arc::new(Watcher::default());
    let summary = watch(options, &site, Arc::clone(&watcher)).await;
    assert_eq!((summary.pages_ok, summary.pages_free, summary.errors), (4, 4, 1));
    assert!(!site.visits().contains(&"http://a.example/never".to_owned()));
    let host = out.path().join("a.example");
    assert_eq!(std::fs::read_to_string(host.join("data.csv")).unwrap(), "<a href=/never>,1\n");
    assert!(host.join("index.html").is_file() && host.join("a/~index.html").is_file() && host.join("a/b").is_file());
    assert!(!host.join("big").exists());
    let record = std::fs::read_to_string(out.path().join("~pages.jsonl")).unwrap();
    assert_eq!(record.lines().count(), 5);
    assert!(record.contains(
        r#""url":"http://a.example/a/b","outcome":"page","file":"a.example/a/b","bytes":0,"type":"text/html"}"#
    ));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2);
    let events = watcher.events.lock().unwrap();
    let saved =
        |event: &Outcome| matches!(event, Outcome::Page { saved: Some(path), .. } if out.path().join(path).exists());
    assert_eq!(events.iter().filter(|event| saved(&event.outcome)).count(), 4);
}

#[tokio::test]
async fn impossible_options_are_refused_before_anything_is_fetched() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for bad in [
        CrawlOptions { concurrency: 0, ..options() },
        CrawlOptions { concurrency: 1025, ..options() },
        CrawlOptions { user_agent: "1/2".into(), ..options() },
        CrawlOptions { starts: vec![Url::parse("ftp://a.example/").unwrap()], ..options() },
        CrawlOptions { starts: Vec::new(), ..options() },
        CrawlOptions { per_host: 0, ..options() },
        CrawlOptions { out: Some(file.path().to_owned()), ..options() },
    ] {
        let site = Arc::new(Site::default());
        let cancel = tokio::sync::watch::channel(false).1;
        let result = crawl(bad.clone(), Arc::clone(&site) as _, Arc::new(Silent), cancel).await;
        assert!(result.is_err(), "{bad:?}");
        assert!(site.requests().is_empty());
    }
}

//! `robots.txt` and pauses.

use std::sync::Arc;
use std::time::Duration;

use super::site::{Answer, Request, START, Site, Watcher, options, run, watch};
use crate::crawl::page::{Outcome, Skip};
use crate::crawl::robots::CRAWL_DELAY_MAX;
use crate::crawl::summary::Stopped;
use crate::crawl::{CrawlOptions, FetchError, Scope, Summary};

const ROBOTS: &str = "http://a.example/robots.txt";

fn site() -> Site {
    Site::default()
        .page(START, 1, &["open", "closed/x", "closed/but/open"])
        .page("http://a.example/open", 1, &[])
        .page("http://a.example/closed/x", 1, &[])
        .page("http://a.example/closed/but/open", 1, &[])
}

fn ok_and_skipped(summary: &Summary) -> (u64, u64) {
    (summary.pages_ok, summary.pages_skipped.robots)
}

#[tokio::test(start_paused = true)]
async fn rules_are_asked_for_once_without_paying_and_heeded() {
    let rules = "User-agent: tollway\nDisallow: /closed\nAllow: /closed/but\n";
    let site = Arc::new(site().text(ROBOTS, rules));
    let watcher = Arc::new(Watcher::default());
    let summary = watch(options(), &site, Arc::clone(&watcher)).await;
    assert_eq!(ok_and_skipped(&summary), (3, 1));
    assert!(!site.visits().contains(&"http://a.example/closed/x".to_owned()));
    let free: Vec<Request> = site.requests().into_iter().filter(|request| request.free).collect();
    assert_eq!(free.len(), 1);
    assert_eq!(free[0].url, ROBOTS);
    let events = watcher.events.lock().unwrap();
    let closed = events.iter().find(|event| event.url.path() == "/closed/x").unwrap();
    assert_eq!(closed.outcome, Outcome::Skipped(Skip::Robots));
}

#[tokio::test(start_paused = true)]
async fn what_no_file_means_depends_on_the_answer() {
    let closed = "User-agent: *\nDisallow: /\n";
    let priced = Answer::Page { kind: "text/plain", body: closed.into(), price: 7 };
    let unreachable = Answer::Error(FetchError::Unreachable("reset".into()));
    for (answer, pages) in [
        (Answer::Status(404), 4),
        (Answer::Status(429), 4),
        (Answer::Status(304), 4),
        (priced, 4),
        (Answer::Status(500), 0),
        (Answer::Status(503), 0),
        (unreachable, 0),
        (Answer::Page { kind: "text/plain", body: closed.into(), price: 0 }, 0),
    ] {
        let site = Arc::new(site().answer(ROBOTS, answer));
        let summary = run(options(), &site).await;
        assert_eq!(ok_and_skipped(&summary), (pages, u64::from(pages == 0)));
        assert_eq!((site.charged(), summary.stopped), (u128::from(pages), Stopped::Done));
    }
    let summary = run(options(), &Arc::new(site().answer(ROBOTS, Answer::Status(503)))).await;
    assert_eq!(summary.detail.as_deref(), Some("robots.txt answered 503"));
}

#[tokio::test(start_paused = true)]
async fn redirects_to_the_file_are_followed_five_times() {
    let closed = "User-agent: *\nDisallow: /\n";
    let chain = |hops: usize| {
        let site =
            (1..hops).fold(site(), |site, n| site.redirect(&format!("http://b.example/{n}"), &format!("/{}", n + 1)));
        let site = site.text(&format!("http://b.example/{hops}"), closed);
        Arc::new(site.redirect(ROBOTS, "http://b.example/1"))
    };
    assert_eq!(ok_and_skipped(&run(options(), &chain(5)).await), (0, 1));
    let site = chain(6);
    assert_eq!(ok_and_skipped(&run(options(), &site).await), (4, 0));
    assert_eq!(site.requests().iter().filter(|request| request.free).count(), 6);
    assert!(site.requests().iter().all(|request| request.free || request.url.starts_with(START)));
}

#[tokio::test(start_paused = true)]
async fn the_rules_can_be_left_unasked() {
    let site = Arc::new(site().text(ROBOTS, "User-agent: *\nDisallow: /\nCrawl-delay: 60\n"));
    let summary = run(CrawlOptions { respect_robots: false, ..options() }, &site).await;
    assert_eq!((summary.pages_ok, summary.seconds), (4, 0.0));
    assert!(site.requests().iter().all(|request| !request.free));
}

#[tokio::test(start_paused = true)]
async fn the_pause_a_site_asks_for_is_kept_between_pages() {
    let rules = |delay: &str| format!("User-agent: *\nCrawl-delay: {delay}\n");
    let second = Duration::from_secs(1);
    for (file, own, expected) in [
        (rules("2.5"), None, second * 5 / 2),
        (rules("0"), None, Duration::ZERO),
        (rules("1e30"), None, CRAWL_DELAY_MAX),
        (rules("2.5"), Some(second), second),
        (rules("2.5"), Some(Duration::ZERO), Duration::ZERO),
        (String::new(), Some(second * 4), second * 4),
    ] {
        let site = Arc::new(site().text(ROBOTS, &file).latency(|url| match url.path() {
            "/open" => Duration::from_secs(9),
            _ => Duration::ZERO,
        }));
        let summary = run(CrawlOptions { crawl_delay: own, ..options() }, &site).await;
        assert_eq!(summary.pages_ok, 4);
        let visits: Vec<Request> = site.requests().into_iter().filter(|request| !request.free).collect();
        for pair in visits.windows(2) {
            let pause = pair[1].at - pair[0].at;
            assert!(pause >= expected && pause <= expected + Duration::from_millis(2), "{pause:?} {expected:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_holds_over_both_schemes_of_a_host_and_cancelling_does_not_wait_for_it() {
    let site = Site::default()
        .page(START, 0, &["https://a.example/tls", "/plain"])
        .page("https://a.example/tls", 0, &[])
        .page("http://a.example/plain", 0, &[])
        .text(ROBOTS, "User-agent: *\nCrawl-delay: 10\n")
        .text("https://a.example/robots.txt", "User-agent: *\nCrawl-delay: 20\n");
    let site = Arc::new(site);
    let (cancel, _) = tokio::sync::watch::channel(false);
    let watcher = Arc::new(Watcher { cancel_after: Some((2, cancel)), ..Watcher::default() });
    let options = CrawlOptions { scope: Scope::Host, ..options() };
    let summary = watch(options.clone(), &site, watcher).await;
    assert_eq!((summary.stopped, summary.pages_ok), (Stopped::Cancelled, 2));
    assert!((10.0..10.1).contains(&summary.seconds), "{}", summary.seconds);
    let summary = run(options, &site).await;
    assert!((30.0..30.1).contains(&summary.seconds), "{}", summary.seconds);
}

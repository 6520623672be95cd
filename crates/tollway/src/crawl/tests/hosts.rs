//! Several hosts under one budget, each at its own pace; and hosts that have no time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::site::{Answer, START, Site, Watcher, options, run, watch};
use crate::crawl::lane::{PAUSE_MAX, TRIES_MAX};
use crate::crawl::page::Outcome;
use crate::crawl::summary::Stopped;
use crate::crawl::{CrawlOptions, Summary};

/// A start page and `pages` below it, on each host.
fn hosts(names: &[&str], pages: usize) -> Site {
    names.iter().fold(Site::default(), |site, host| {
        let links: Vec<String> = (0..pages).map(|n| format!("/p{n}")).collect();
        let start = format!("http://{host}/");
        let site = site.page(&start, 10, &links.iter().map(String::as_str).collect::<Vec<_>>());
        (0..pages).fold(site, |site, n| site.page(&format!("{start}p{n}"), 10, &[]))
    })
}

fn starts(names: &[&str]) -> CrawlOptions {
    let starts = names.iter().map(|host| Url::parse(&format!("http://{host}/")).unwrap()).collect();
    CrawlOptions { starts, per_host: 4, ..options() }
}

fn of<'a>(visits: &'a [String], host: &str) -> Vec<&'a String> {
    visits.iter().filter(|url| url.contains(host)).collect()
}

#[tokio::test(start_paused = true)]
async fn hosts_take_turns_and_share_one_budget() {
    let names = ["a.example", "b.example", "c.example"];
    let site = hosts(&names, 100).budget(600).latency(|_| Duration::from_millis(10));
    let site = Arc::new(site);
    let summary = run(starts(&names), &site).await;
    assert_eq!((summary.stopped, summary.charged), (Stopped::BudgetExhausted, 600));
    let visits = site.visits();
    for host in names {
        let share = of(&visits, host).len();
        assert!((18..=24).contains(&share), "{host}: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_is_asked_for_so_many_pages_at_once_and_no_more() {
    let run_at = async |per_host, names: &[&str]| {
        let site = Arc::new(hosts(names, 40).latency(|_| Duration::from_millis(10)));
        let summary = run(CrawlOptions { concurrency: 8, per_host, ..starts(names) }, &site).await;
        assert_eq!(summary.pages_ok, 41 * names.len() as u64);
        site.in_flight_most()
    };
    assert_eq!(run_at(4, &["a.example"]).await, 4);
    assert_eq!(run_at(4, &["a.example", "b.example"]).await, 8);
    assert_eq!(run_at(3, &["a.example", "b.example"]).await, 6);
    assert_eq!(run_at(4, &["a.example", "b.example", "c.example"]).await, 8);
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_and_a_host_with_a_long_pause_do_not_hold_up_another() {
    let names = ["slow.example", "polite.example", "quick.example"];
    let site = hosts(&names, 100)
        .text("http://polite.example/robots.txt", "User-agent: *\nCrawl-delay: 30\n")
        .latency(|url| Duration::from_millis(if url.host_str() == Some("slow.example") { 50_000 } else { 10 }));
    let (cancel, _) = tokio::sync::watch::channel(false);
    let watcher = Arc::new(Watcher { cancel_after: Some((101, cancel)), ..Watcher::default() });
    let site = Arc::new(site);
    watch(starts(&names), &site, watcher).await;
    let visits = site.visits();
    assert_eq!(of(&visits, "quick").len(), 101);
    let requests: Vec<_> = site.requests().into_iter().filter(|request| !request.free).collect();
    let quick = requests.iter().rfind(|request| request.url.contains("quick")).unwrap();
    assert!(quick.at - requests[0].at < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_order_on_each_host_is_the_same_at_any_concurrency() {
    let names = ["a.example", "b.example", "c.example"];
    let mut orders = BTreeSet::new();
    for concurrency in [1, 4, 16] {
        let site = hosts(&names, 50).latency(|url| Duration::from_millis(url.as_str().len() as u64 * 7 % 31));
        let site = Arc::new(site);
        run(CrawlOptions { concurrency, ..starts(&names) }, &site).await;
        let visits = site.visits();
        orders.insert(names.map(|host| of(&visits, host).into_iter().cloned().collect::<Vec<_>>()));
    }
    assert_eq!(orders.len(), 1);
}

fn busy(status: u16, times: usize, after: Option<u64>) -> Answer {
    let then = Box::new(Answer::Page { kind: "text/plain", body: "x".into(), price: 10 });
    Answer::Busy { status, times, after, then }
}

/// Crawls a host whose page `/p3` is busy, besides nine that are not.
async fn with_busy(answer: Answer) -> (Summary, Arc<Site>, Vec<Outcome>) {
    let site = Arc::new(hosts(&["a.example"], 10).answer("http://a.example/p3", answer));
    let watcher = Arc::new(Watcher::default());
    let summary = watch(CrawlOptions { concurrency: 1, ..starts(&["a.example"]) }, &site, Arc::clone(&watcher)).await;
    let events = watcher.events.lock().unwrap();
    let outcomes = events.iter().filter(|event| event.url.path() == "/p3").map(|event| event.outcome.clone());
    (summary, site, outcomes.collect())
}

#[tokio::test(start_paused = true)]
async fn a_busy_host_is_given_the_time_it_asks_for_and_asked_again() {
    for (answer, seconds) in [
        (busy(429, 1, Some(7)), 7),
        (busy(503, 2, Some(7)), 14),
        (busy(503, 1, Some(0)), 0),
        (busy(429, 3, None), 1 + 2 + 4),
        (busy(429, 1, Some(PAUSE_MAX.as_secs())), PAUSE_MAX.as_secs()),
    ] {
        let (summary, site, outcomes) = with_busy(answer).await;
        assert_eq!((summary.pages_ok, summary.errors, summary.charged), (11, 0, 110));
        assert!(matches!(outcomes[..], [Outcome::Page { .. }]));
        let requests = site.requests();
        let first = requests.iter().position(|request| request.url.ends_with("/p3")).unwrap();
        let last = requests.iter().rposition(|request| request.url.ends_with("/p3")).unwrap();
        // Nothing else is asked of the host in between.
        assert!(requests[first..=last].iter().all(|request| request.url.ends_with("/p3")));
        let waited = requests[last].at - requests[first].at;
        let (least, most) = (Duration::from_secs(seconds), Duration::from_millis(seconds * 1_000 + 10));
        assert!((least..=most).contains(&waited), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_stays_busy_is_given_up_and_a_host_that_stays_busy_is_left_alone() {
    let (summary, site, outcomes) = with_busy(busy(503, 100, Some(1))).await;
    assert_eq!((summary.pages_ok, summary.errors, summary.stopped), (10, 1, Stopped::Done));
    assert_eq!(outcomes, [Outcome::Failed(format!("answered 503 {TRIES_MAX} times"))]);
    let tries = site.visits().iter().filter(|url| url.ends_with("/p3")).count();
    assert_eq!(u32::try_from(tries), Ok(TRIES_MAX));

    let (summary, site, _) = with_busy(busy(429, 100, Some(PAUSE_MAX.as_secs() + 1))).await;
    assert_eq!((summary.pages_ok, summary.pages_skipped.host_busy, summary.stopped), (4, 7, Stopped::Done));
    assert_eq!(site.visits().len(), 5);

    let closed = (0..100).fold(hosts(&["b.example"], 100), |site, n| {
        site.answer(&format!("http://b.example/p{n}"), busy(503, 100, None))
    });
    let site = Arc::new(closed);
    let summary = run(starts(&["b.example"]), &site).await;
    assert_eq!((summary.pages_ok, summary.pages_skipped.host_busy + summary.errors), (1, 100));
    assert!(site.visits().len() < 40, "{}", site.visits().len());
}

#[tokio::test(start_paused = true)]
async fn a_busy_host_does_not_hold_up_another_and_cancelling_does_not_wait_for_it() {
    let names = ["a.example", "b.example"];
    let site = hosts(&names, 20).answer(START, busy(503, 1, Some(300)));
    let (cancel, _) = tokio::sync::watch::channel(false);
    let watcher = Arc::new(Watcher { cancel_after: Some((21, cancel)), ..Watcher::default() });
    let site = Arc::new(site);
    let summary = watch(starts(&names), &site, watcher).await;
    assert_eq!((summary.stopped, summary.pages_ok), (Stopped::Cancelled, 21));
    assert!(summary.seconds < 1.0);
    assert_eq!(of(&site.visits(), "a.example").len(), 1);
}

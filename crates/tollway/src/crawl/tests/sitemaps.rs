//! Sitemaps: found, bounded, never paid for, never outside the scope.

use std::sync::Arc;
use std::time::Duration;

use super::site::{Answer, START, Site, options, run};
use crate::crawl::{CrawlOptions, Scope};

const ROBOTS: &str = "http://a.example/robots.txt";

fn xml(site: Site, url: &str, root: &str, locations: &[&str]) -> Site {
    let body: String = locations.iter().map(|at| format!("<x><loc>{at}</loc></x>")).collect();
    site.text(url, &format!("<?xml version=\"1.0\"?><{root}>{body}</{root}>"))
}

fn asked() -> CrawlOptions {
    CrawlOptions { sitemaps: true, ..options() }
}

fn leaves(site: Site, names: &[&str]) -> Site {
    names.iter().fold(site, |site, name| site.page(&format!("{START}{name}"), 1, &[]))
}

#[tokio::test(start_paused = true)]
async fn pages_that_nothing_links_to_are_found_in_order_and_sitemaps_cost_nothing() {
    let site = leaves(Site::default().page(START, 1, &["linked"]), &["linked", "alone", "more", "also"]);
    let site = site.text(ROBOTS, "Sitemap: http://a.example/index.xml\nUser-agent: *\nDisallow: /index.xml\n");
    let site = xml(site, "http://a.example/index.xml", "sitemapindex", &["one.xml", "http://b.example/two.xml"]);
    let site = xml(site, "http://a.example/one.xml", "urlset", &["/alone", "http://b.example/out", "/more", START]);
    let site = xml(site, "http://a.example/sitemap.xml", "urlset", &["/also", "/linked"]);
    let site = Arc::new(site);
    for concurrency in [1, 8] {
        let before = site.visits().len();
        let summary = run(CrawlOptions { concurrency, ..asked() }, &site).await;
        assert_eq!((summary.pages_ok, summary.sitemaps, summary.errors), (5, 3, 0));
        let names: Vec<_> = site.visits()[before..].iter().map(|url| url.replace(START, "/")).collect();
        assert_eq!(names, ["/", "/linked", "/also", "/alone", "/more"]);
    }
    let free: Vec<_> = site.requests().into_iter().filter(|request| request.free).map(|request| request.url).collect();
    assert_eq!(free.len(), 8, "{free:?}");
    assert!(free.iter().all(|url| !url.contains("b.example")));
}

#[tokio::test(start_paused = true)]
async fn they_are_left_alone_where_nobody_wants_them_or_they_cannot_help() {
    let site = || {
        let site = leaves(Site::default().page(START, 0, &[]), &["alone"]);
        xml(site, "http://a.example/sitemap.xml", "urlset", &["/alone"])
    };
    let closed = site().text(ROBOTS, "User-agent: *\nDisallow: /sitemap.xml\n");
    let priced = site().page("http://a.example/sitemap.xml", 5, &[]);
    let broken = site().answer("http://a.example/sitemap.xml", Answer::Status(500));
    for (options, site, pages) in [
        (options(), site(), 1),
        (CrawlOptions { depth: Some(0), ..asked() }, site(), 1),
        (CrawlOptions { depth: Some(1), ..asked() }, site(), 2),
        (CrawlOptions { respect_robots: false, ..asked() }, site(), 2),
        (asked(), closed, 1),
        (asked(), priced, 1),
        (asked(), broken, 1),
    ] {
        let summary = run(options, &Arc::new(site)).await;
        assert_eq!((summary.pages_ok, summary.errors), (pages, 0));
        assert_eq!(summary.charged, u128::from(pages - 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_of_indexes_and_a_loop_end() {
    let site = leaves(Site::default().page(START, 0, &["sitemap.xml"]), &["deep"]);
    let site = xml(site, "http://a.example/sitemap.xml", "sitemapindex", &["/sitemap.xml", "/in.xml", "/hop"]);
    let site = xml(site, "http://a.example/in.xml", "sitemapindex", &["/deep.xml"]);
    let site = xml(site, "http://a.example/deep.xml", "urlset", &["/deep"]);
    let site = Arc::new(site.redirect("http://a.example/hop", "/hop").redirect("http://b.example/", "/"));
    let summary = run(asked(), &site).await;
    // The sitemap is a page too, as it is linked like one.
    assert_eq!((summary.pages_ok, summary.errors), (2, 0));
    assert!(!site.requests().iter().any(|request| request.url.ends_with("deep.xml") || request.url.ends_with("/deep")));
    assert_eq!(site.requests().len(), 1 + 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn the_pause_of_a_host_holds_for_its_sitemaps_and_the_scope_for_their_pages() {
    let site = leaves(Site::default().page("http://a.example/docs/", 0, &[]), &["docs/in", "out"]);
    let site = site.text(ROBOTS, "User-agent: *\nCrawl-delay: 5\n");
    let site = Arc::new(xml(site, "http://a.example/sitemap.xml", "urlset", &["/docs/in", "/out"]));
    let starts = vec![url::Url::parse("http://a.example/docs/").unwrap()];
    let summary = run(CrawlOptions { starts: starts.clone(), scope: Scope::Path, ..asked() }, &site).await;
    assert_eq!((summary.pages_ok, summary.sitemaps), (2, 1));
    let requests = site.requests();
    let times: Vec<_> = requests[1..].windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(times.iter().all(|pause| *pause >= Duration::from_secs(5)), "{times:?}");
    assert_eq!(run(CrawlOptions { starts, scope: Scope::Host, ..asked() }, &site).await.pages_ok, 3);
}

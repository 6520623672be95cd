//! `tollway completions` and `tollway man`; robots.txt and sitemaps by the real program.

use crate::rig::{Crawler, Shop, tollway};

#[test]
fn a_script_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = tollway(["completions", shell]).ok().out;
        for word in ["crawl", "max-page-bytes", "reconcile"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(tollway(["completions", "cmd"]).code, Some(2));
}

#[test]
fn a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man/man1");
    tollway(["man", "--out", out.to_str().unwrap()]).ok();
    for name in ["tollway", "tollway-crawl", "tollway-pay", "tollway-agents-block", "tollway-ledger-reconcile"] {
        let page = std::fs::read_to_string(out.join(format!("{name}.1"))).unwrap();
        assert!(page.starts_with(".ie") && page.contains(".SH NAME"), "{page}");
    }
    let page = std::fs::read_to_string(out.join("tollway-pay.1")).unwrap();
    assert!(page.contains("Exit codes"), "{page}");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let file = folder.path().join("file");
    tollway(["man", "--out", file.to_str().unwrap()]).refused(&["cannot write manual pages"]);
}

#[test]
fn robots_and_sitemaps_of_a_real_site() {
    let (shop, crawler) = (Shop::open(4), Crawler::new());
    let site = |name: &str, text: &str| std::fs::write(shop.path(&format!("site/{name}")), text).unwrap();
    site("robots.txt", "User-agent: *\nDisallow: /p/0.html\n");
    site("sitemap.xml", "<urlset><url><loc>/alone.html</loc></url><url><loc>/p/0.html</loc></url></urlset>");
    site("alone.html", "<title>alone</title>");
    let _gateway = shop.gateway();
    let crawl = |more: &[&str]| {
        let summary = crawler.crawl(&shop, more).ok().json();
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        (number(&summary["pages_paid"]), number(&summary["pages_free"]), number(&summary["pages_skipped"]["robots"]))
    };
    assert_eq!(crawl(&[]), (3, 2, 1));
    assert_eq!(crawl(&["--no-sitemaps"]), (3, 1, 1));
    assert_eq!(crawl(&["--ignore-robots"]), (4, 2, 0));
}

#[test]
fn a_page_longer_than_is_read_is_bought_once() {
    let (shop, crawler) = (Shop::open(3), Crawler::new());
    std::fs::write(shop.path("site/p/1.html"), "x".repeat(5_000)).unwrap();
    let _gateway = shop.gateway();
    let out = crawler.file("pages");
    let crawl = |max: &str| crawler.crawl(&shop, &["--out", &out, "--max-page-bytes", max]);
    let short = crawl("4096");
    assert_eq!(short.code, Some(1), "a page could not be had");
    let summary = short.json();
    assert_eq!(
        (&summary["pages_paid"], &summary["errors"], &summary["charged"]),
        (&2.into(), &1.into(), &"6000".into())
    );
    assert_eq!(crawler.log_of("promise").len(), 3, "one promise, sent once");
    assert_eq!(crawl("4096").ok().json()["charged"], "0");
    assert_eq!(crawler.log_of("promise").len(), 3);
    let summary = crawl("5000").ok().json();
    assert_eq!((&summary["pages_paid"], &summary["pages_kept"]), (&1.into(), &3.into()));
}

#[test]
fn several_sites_share_one_budget() {
    let (one, other, crawler) = (Shop::open(10), Shop::open(10), Crawler::new());
    let _gateways = (one.gateway(), other.gateway());
    let url = format!("{}/index.html", other.origin);
    let summary = crawler.crawl(&one, &[&url, "--budget", "$0.02"]).ok().json();
    assert_eq!((&summary["charged"], &summary["stopped"]), (&"20000".into(), &"budget_exhausted".into()));
    let charged = [&one, &other].map(|shop| crate::rig::amount(&shop.ledger_json(&["verify"])["charged"]));
    assert_eq!(charged.iter().sum::<u128>(), 20_000);
    assert!(charged.iter().all(|sum| *sum >= 6_000), "{charged:?}");
}

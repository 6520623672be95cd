//! Without `allow_loopback` a gateway never asks this machine, or any name of it, for a key.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::Value;

use crate::rig::{Crawler, Plan, Shop, tollway};

#[test]
fn agents_on_loopback_are_refused_and_never_asked() {
    let agents = "starter_credit = \"$1\"".to_owned();
    let shop = Shop::planned(&Plan { pages: 2, agents, ..Plan::default() });
    let _gateway = shop.gateway();
    let crawler = Crawler::new();
    let trap = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for (agent, reason) in [
        (format!("http://127.0.0.1:{port}"), "agent_not_https"),
        (format!("http://localhost:{port}"), "agent_not_https"),
        (format!("https://127.0.0.1:{port}"), "agent_forbidden_address"),
        (format!("https://localhost:{port}"), "agent_forbidden_address"),
        (format!("https://[::1]:{port}"), "agent_forbidden_address"),
    ] {
        let out = crawler.path(reason).join(agent.replace(['/', ':', '[', ']'], "-"));
        let key = crawler.file("crawler.jwk");
        let summary = tollway([
            "crawl",
            &format!("{}/index.html", shop.origin),
            "--json",
            "--agent",
            &agent,
            "--key",
            &key,
            "--audit",
            &crawler.file("audit.jsonl"),
            "--max-price",
            "$1",
            "--budget",
            "$1",
            "--out",
            out.to_str().unwrap(),
        ]);
        let summary = summary.refused(&[]).json();
        assert_eq!(
            (&summary["pages_paid"], &summary["charged"], &summary["errors"]),
            (&0.into(), &"0".into(), &2.into())
        );
        let record = std::fs::read_to_string(out.join("~pages.jsonl")).unwrap();
        let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let reasons: Vec<_> = lines.filter_map(|line| line["reason"].as_str().map(str::to_owned)).collect();
        assert!(reasons.len() == 2 && reasons.iter().all(|why| why.contains(reason)), "{agent}: {reasons:?}");
        assert_eq!(trap.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{agent} was asked");
    }
    assert!(shop.bodies("sale").is_empty());
    assert_eq!(shop.agents(&["list"]).ok().json(), serde_json::json!([]));
}

//! A running gateway takes new rules at SIGHUP, whole or not at all, and shows counts and health beside
//! the site.

use std::process::Command;

use crate::rig::{Shop, free_port, get, until};

/// The price on a page's 402, as a client that signs would see it.
fn price(shop: &Shop) -> String {
    let (head, _) = get(shop.port, "/p/1.html", "signature-agent: \"https://a.example\"\r\n");
    let line = head.lines().find_map(|line| line.strip_prefix("crawler-price: "));
    line.unwrap_or("none").to_owned()
}

fn rewrite(shop: &Shop, from: &str, to: &str) {
    let path = shop.path("tollway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

fn hang_up(pid: u32) {
    assert!(Command::new("kill").args(["-HUP", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn new_rules_are_taken_at_sighup_and_wrong_ones_refused_whole() {
    let shop = Shop::open(2);
    let gateway = shop.gateway();
    assert_eq!(price(&shop), "USD 0.002");
    rewrite(&shop, "$0.002", "$0.003");
    hang_up(gateway.pid());
    until("the new price", || price(&shop) == "USD 0.003");

    rewrite(&shop, "price = \"$0.003\"", "pryce = \"$0.004\"");
    hang_up(gateway.pid());
    // A right file after it proves that the wrong one was looked at and left the gateway serving.
    rewrite(&shop, "pryce = \"$0.004\"", "price = \"$0.005\"");
    assert_ne!(price(&shop), "none");
    hang_up(gateway.pid());
    until("the price after the wrong file", || price(&shop) == "USD 0.005");

    rewrite(&shop, "books.db", "other.db");
    rewrite(&shop, "$0.005", "$0.006");
    hang_up(gateway.pid());
    assert!(!gateway.stop().contains("reloaded other"), "books are not exchanged");
    assert!(!shop.path("other.db").exists());
}

#[test]
fn counts_and_health_are_shown_on_an_address_of_their_own() {
    let shop = Shop::open(2);
    let port = free_port();
    rewrite(&shop, "[seller]", &format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n[seller]"));
    let _gateway = shop.gateway();
    price(&shop);
    let (head, counts) = get(port, "/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let line = "tollway_requests_total{rule=\"pages\",class=\"signed\",outcome=\"payment_required\"} 1";
    assert!(counts.lines().any(|own| own == line), "{counts}");
    assert!(counts.contains("tollway_books_postings_total 0"), "{counts}");
    assert_eq!(get(port, "/ready", "").1, "ready\n");
    assert_eq!(get(port, "/health", "").1, "ok\n");
    assert!(get(port, "/p/1.html", "").0.starts_with("HTTP/1.1 404"));
    assert!(get(shop.port, "/metrics", "").0.starts_with("HTTP/1.1 404"), "nothing of it on the public site");
}

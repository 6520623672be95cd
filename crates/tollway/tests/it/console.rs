//! The console of a running gateway: its figures are what an audit of the books comes to.

use serde_json::Value;

use crate::rig::{Crawler, Running, Shop, get};

/// A gateway with a console; the process, the console's port and the path with the token.
fn open(shop: &Shop) -> (Running, u16, String) {
    let path = shop.path("tollway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[seller]", "[console]\nlisten = \"127.0.0.1:0\"\n[seller]")).unwrap();
    let (gateway, url) = Running::start(["gateway", "-c", &shop.config()], "  console    ");
    let (host, path) = url.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
    (gateway, host.parse().unwrap(), format!("/{path}"))
}

/// Opens the printed URL: the cookie as a request's field.
fn enter(port: u16, path: &str) -> String {
    let (head, _) = get(port, path, "");
    assert!(head.starts_with("HTTP/1.1 303") && head.contains("location: /\r\n"), "{head}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    format!("cookie: {}\r\n", cookie.split(';').next().unwrap())
}

#[test]
fn the_console_shows_what_the_books_say() {
    let shop = Shop::open(4);
    let crawler = Crawler::new();
    let (gateway, port, path) = open(&shop);
    let cookie = enter(port, &path);
    crawler.buy_all(&shop);
    let figures: Value = serde_json::from_str(&get(port, "/figures.json", &cookie).1).unwrap();
    let report = shop.ledger(&["verify", "--json"]).ok().json();
    let usd = &figures["assets"]["USD"];
    assert_eq!(
        (&usd["earned"], &usd["back"], &usd["sales"]),
        (&report["charged"], &report["undelivered"], &report["sales"])
    );
    let booked = report["balances"]["revenue:pages"].as_str().unwrap();
    assert_eq!(format!("-{}", usd["by"]["rule"]["pages"].as_str().unwrap()), booked);
    for page in ["/", "/agents", "/offers", "/statements", "/rules?url=%2Fp%2F1.html", "/what-if", "/health"] {
        let (head, body) = get(port, page, &cookie);
        assert!(head.starts_with("HTTP/1.1 200") && body.contains("</html>"), "{page}: {head}");
    }
    gateway.stop();
}

#[test]
fn threat_40_the_console_is_shut_to_rebound_hosts_and_foreign_pages() {
    let shop = Shop::open(1);
    let (gateway, port, path) = open(&shop);
    let cookie = enter(port, &path);
    let status = |path: &str, fields: &str| get(port, path, fields).0.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(status("/", &cookie), "200");
    assert_eq!(status("/", ""), "401");
    assert_eq!(status("/", "cookie: tollway=1\r\n"), "401");
    assert_eq!(status("/?token=guess", ""), "401");
    assert_eq!(status("/live", &format!("{cookie}origin: http://evil.example\r\n")), "403");
    // The request already names this address: a second name makes it none of ours.
    assert_eq!(status("/", &format!("{cookie}host: evil.example\r\n")), "421");
    gateway.stop();
}

//! What a gateway tells of itself: counts that a restart keeps, and logs that hold no secrets.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::{Crawler, Shop, command, free_port, get, until};

fn counts(port: u16) -> Value {
    serde_json::from_str(&get(port, "/counts", "").1).unwrap()
}

fn total(history: &Value, key: &str) -> u64 {
    let hours = ["minutes", "hours"].into_iter().flat_map(|span| history[span].as_object().unwrap().values());
    hours.chain([&history["before"]]).filter_map(|cells| cells[key].as_u64()).sum()
}

fn with_metrics(shop: &Shop, more: &str) -> u16 {
    let port = free_port();
    let path = shop.path("tollway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let metrics = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n{more}\n[seller]");
    std::fs::write(&path, text.replace("[seller]", &metrics)).unwrap();
    port
}

#[test]
fn counts_are_kept_over_restarts() {
    let shop = Shop::open(3);
    let port = with_metrics(&shop, "");
    for round in 1..=2 {
        let gateway = shop.gateway();
        for _ in 0..5 {
            get(shop.port, "/p/1.html", "signature-agent: \"https://a.example\"\r\n");
        }
        gateway.stop();
        let gateway = shop.gateway();
        until("the counts", || total(&counts(port), "pages|signed|payment_required") == 5 * round);
        gateway.stop();
    }
}

/// Everything that may never be in a log: keys' private halves, signatures, payments, queries.
fn secrets(shop: &Shop, crawler: &Crawler) -> Vec<String> {
    let private = |path: std::path::PathBuf| {
        let key: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        key["d"].as_str().unwrap().to_owned()
    };
    let mut secrets = vec![private(shop.path("seller.jwk")), private(crawler.path("crawler.jwk")), "sekrit".to_owned()];
    for body in shop.bodies("sale") {
        let signature = body["signature"].as_str().or(body["evidence"]["signature"].as_str()).unwrap();
        secrets.push(signature.to_owned());
        secrets.push(body["nonce"].as_str().unwrap().to_owned());
    }
    assert!(secrets.len() > 5 && secrets.iter().all(|secret| secret.len() > 5), "{secrets:?}");
    secrets
}

#[test]
fn threat_66_no_log_of_a_paid_run_holds_a_secret() {
    let shop = Shop::open(4);
    let crawler = Crawler::new();
    with_metrics(&shop, "[request_log]\nsample = 1.0");
    let log = std::fs::File::create(shop.path("gateway.log")).unwrap();
    let args = ["gateway", "-c", &shop.config(), "--log-format", "json", "--log-level", "debug"];
    let mut gateway = command(args).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    until("the gateway", || std::net::TcpStream::connect(("127.0.0.1", shop.port)).is_ok());
    crawler.buy_all(&shop);
    let key = crawler.file("crawler.jwk");
    for query in ["/p/1.html?token=sekrit", "/p/2.html?token=sekrit&again"] {
        let url = format!("{}{query}", shop.origin);
        let audit = crawler.file("more.jsonl");
        let args = ["pay", &url, "--agent", &crawler.agent, "--key", &key, "--audit", &audit];
        assert!(command(args).stdout(Stdio::null()).status().unwrap().success());
    }
    // Refusals are logged too: an agent that is nobody, and a spoiled signature.
    get(shop.port, "/p/1.html?token=sekrit", "payment-signature: sekrit\r\nsignature: sig1=:c2Vrcml0:\r\n");
    assert!(Command::new("kill").args(["-TERM", &gateway.id().to_string()]).status().unwrap().success());
    assert!(gateway.wait().unwrap().success());
    let logged = std::fs::read_to_string(shop.path("gateway.log")).unwrap();
    let requests = std::fs::read_to_string(shop.path("requests.jsonl")).unwrap();
    for line in logged.lines().chain(requests.lines()).filter(|line| line.starts_with('{')) {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let sold = requests.lines().filter(|line| line.contains("\"status\":200") && line.contains("/p/1.html")).count();
    assert!(sold >= 2, "{requests}");
    for secret in secrets(&shop, &crawler) {
        assert!(
            !logged.contains(&secret) && !requests.contains(&secret),
            "`{secret}` was logged:\n{logged}\n{requests}"
        );
    }
}

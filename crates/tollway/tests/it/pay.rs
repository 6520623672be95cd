//! `tollway pay` and `tollway quote`: one request at a time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::rig::{Crawler, PRICE, Running, Said, Shop, tollway};

/// An upstream that tells its callers what they sent, and remembers the bodies.
struct Echo {
    origin: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(|stream| answer(&stream, &seen)));
        Self { origin, bodies }
    }
}

fn answer(mut stream: &TcpStream, bodies: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
    let [method, path, ..] = &words[..] else { return };
    let (mut length, mut kind) = (0, String::new());
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).unwrap();
        match field.trim_end().split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-type") => kind = value.to_owned(),
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    bodies.lock().unwrap().push(body.clone());
    let status = if path.ends_with("/bad") { "422 Unprocessable Content" } else { "200 OK" };
    let text = format!("{method} {path} {kind} [{body}]");
    let length = text.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\nx-own: 1\r\n\r\n{text}")
        .unwrap();
}

/// A shop that sells what an upstream says, whatever the method; `/free` is free.
fn api() -> (Shop, Crawler, Running, Echo) {
    let (shop, crawler, echo) = (Shop::open(1), Crawler::new(), Echo::start());
    let config = std::fs::read_to_string(shop.config()).unwrap();
    let config = config.replace("folder = \"site\"", &format!("url = {:?}", echo.origin));
    let config = config.replace("methods = [\"GET\"]\n", "").replace("id = \"pages\"", "id = \"api\"");
    std::fs::write(shop.config(), config).unwrap();
    let gateway = shop.gateway();
    (shop, crawler, gateway, echo)
}

fn ask(command: &str, shop: &Shop, crawler: &Crawler, path: &str, more: &[&str]) -> Said {
    let url = format!("{}{path}", shop.origin);
    let (key, audit) = (crawler.file("crawler.jwk"), crawler.file("audit.jsonl"));
    let args = [command, &url, "--agent", &crawler.agent, "--key", &key];
    let audit = ["--audit", audit.as_str()];
    let log: &[&str] = if command == "pay" { &audit } else { &[] };
    tollway(args.iter().chain(log).chain(more))
}

#[test]
fn an_order_of_any_method_is_paid_once_and_its_answer_printed() {
    let (shop, crawler, _gateway, echo) = api();
    let pay = |path: &str, more: &[&str]| ask("pay", &shop, &crawler, path, more);
    let said = pay("/p/1", &[]).ok();
    assert_eq!(said.out, "GET /p/1  []");
    assert!(said.err.contains("paid $0.002 for") && said.err.contains("sequence"), "{}", said.err);
    let said = pay("/p/2?q=1", &["-d", "a=1&b=2"]).ok();
    assert_eq!(said.out, "POST /p/2?q=1 application/x-www-form-urlencoded [a=1&b=2]");
    std::fs::write(crawler.path("in.json"), "{\"x\":1}").unwrap();
    let file = format!("@{}", crawler.file("in.json"));
    let said = pay("/p/3", &["-X", "PUT", "-d", &file, "-H", "Content-Type: application/json", "-i"]).ok();
    let (head, body) = said.out.split_once("\n\n").unwrap();
    assert_eq!(body, "PUT /p/3 application/json [{\"x\":1}]");
    assert!(head.starts_with("HTTP/1.1 200 OK\n") && head.contains("\nx-own: 1\n"), "{head}");
    assert!(head.contains("\npayment-response: "), "{head}");
    // Free, and refused by the upstream: neither costs anything.
    let said = pay("/free", &[]).ok();
    assert_eq!((said.out.as_str(), said.err.contains("cost nothing")), ("GET /free  []", true));
    let said = pay("/p/bad", &["-d", "x"]);
    assert_eq!((said.code, said.out.as_str()), (Some(4), "POST /p/bad application/x-www-form-urlencoded [x]"));
    assert_eq!(echo.bodies.lock().unwrap()[..], ["", "a=1&b=2", "{\"x\":1}", "", "x"]);
    assert_eq!(shop.ledger_json(&["verify"])["charged"], (3 * PRICE).to_string());
    assert_eq!(crawler.log_of("receipt").len(), 3);
}

#[test]
fn facts_of_a_purchase_as_json_and_its_body_in_a_file() {
    let (shop, crawler, _gateway, _) = api();
    let out = crawler.file("answer");
    let facts = ask("pay", &shop, &crawler, "/p/1", &["--json", "-o", &out]).ok().json();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "GET /p/1  []");
    assert_eq!((&facts["status"], &facts["bytes"], &facts["output"]), (&200.into(), &12.into(), &out.as_str().into()));
    assert_eq!((&facts["charged"], &facts["asset"]), (&PRICE.to_string().into(), &"USD".into()));
    let known = shop.ledger_json(&["show", facts["commitment"].as_str().unwrap()]);
    for field in ["sequence", "head", "posted_at"] {
        assert_eq!(known[field], facts[field], "{field}");
    }
}

#[test]
fn it_ends_as_its_help_says() {
    let (shop, crawler, gateway, _) = api();
    let pay = |path: &str, more: &[&str]| ask("pay", &shop, &crawler, path, more);
    let too_dear = pay("/p/1", &["--max-price", "$0.001"]);
    assert_eq!(too_dear.code, Some(3));
    assert!(too_dear.err.contains("costs $0.002, more than the $0.001"), "{}", too_dear.err);
    pay("/p/1", &["--budget", "$0.003"]).ok();
    let over = pay("/p/1", &["--budget", "$0.003"]);
    assert_eq!((over.code, crawler.log_of("promise").len()), (Some(3), 1));
    assert_eq!(pay("/p/1", &["-H", "Payment: x"]).code, Some(1));
    assert_eq!(pay("/p/1", &["-H", "no colon"]).code, Some(1));
    assert_eq!(pay("/p/1", &["--json", "-i"]).code, Some(2));
    assert_eq!(pay("/p/../free%00", &[]).code, Some(4));
    let head = pay("/p/1", &["-X", "HEAD", "-i"]);
    assert_eq!(head.code, Some(4));
    assert!(head.out.starts_with("HTTP/1.1 402") && head.err.contains("cost nothing"), "{}\n{}", head.out, head.err);
    gateway.kill();
    let gone = pay("/p/1", &["--json"]);
    assert_eq!((gone.code, &gone.json()["charged"]), (Some(1), &"0".into()));
    assert_eq!(crawler.log_of("promise").len(), 1);
}

#[test]
fn a_quote_says_what_it_costs_and_nothing_is_paid() {
    let (shop, crawler, _gateway, echo) = api();
    let quote = |path: &str, more: &[&str]| ask("quote", &shop, &crawler, path, more).ok();
    let said = quote("/p/1", &[]).out;
    for words in ["Price    0.002 USD", "/p/* of ", "Until    20", "x402", "Terms    none"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    let facts = quote("/p/1", &["--json", "-X", "POST"]).json();
    assert_eq!((&facts["amount"], &facts["rule"], &facts["free"]), (&"2000".into(), &"api".into(), &false.into()));
    assert_eq!((&facts["scope"]["path"], facts["jws"].as_str().unwrap().split('.').count()), (&"/p/*".into(), 3));
    assert!(echo.bodies.lock().unwrap().is_empty(), "the upstream ran");
    assert_eq!(quote("/free", &[]).out, "free\n");
    assert_eq!(quote("/free", &["--json"]).json()["free"], true);
    assert_eq!(shop.ledger_json(&["verify"])["charged"], "0");
    assert_eq!(std::fs::metadata(crawler.path("audit.jsonl")).map_or(0, |meta| meta.len()), 0);
}

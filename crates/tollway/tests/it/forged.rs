//! Bills that lie: altered on the way, by the seller after it sealed them, and before.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rusqlite::Connection;

use crate::rig::{Crawler, Plan, Shop};

const HONEST: &str = r#""amount":"2000""#;
const FORGED: &str = r#""amount":"9000""#;

/// Passes requests on to a gateway, and its answers back with every `from` made a `to`.
fn proxy(listener: TcpListener, upstream: u16, from: &'static str, to: &'static str) {
    std::thread::spawn(move || {
        for client in listener.incoming() {
            pass_on(client.unwrap(), upstream, from, to);
        }
    });
}

fn pass_on(mut client: TcpStream, upstream: u16, from: &str, to: &str) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"connection: close\r\n\r\n");
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).unwrap();
    server.write_all(&head).unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    // A client that left early has what it deserves.
    let _ = client.write_all(answer.replace(from, to).as_bytes());
}

#[test]
fn a_line_altered_on_the_way_is_not_believed() {
    let (honest, forging) =
        (TcpListener::bind(("127.0.0.1", 0)).unwrap(), TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let urls = [&honest, &forging].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    let shop = Shop::planned(&Plan { pages: 5, more_urls: urls.to_vec(), ..Plan::default() });
    let crawler = Crawler::new();
    let _gateway = shop.gateway();
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 5);
    shop.close(1);
    proxy(honest, shop.port, HONEST, HONEST);
    proxy(forging, shop.port, HONEST, FORGED);
    assert_eq!(crawler.statement(&urls[0], &[]).ok().json()["verified"], true);
    let said = crawler.statement(&urls[1], &[]).refused(&["digest_mismatch"]);
    assert!(said.out.is_empty(), "nothing of it is shown: {}", said.out);
}

/// The seller's own file, edited by the seller.
fn doctor(shop: &Shop, sql: &str) -> usize {
    let books = Connection::open(shop.path("books.db")).unwrap();
    books.execute(sql, ()).unwrap()
}

const RAISE_ONE: &str = r#"UPDATE entries SET body = replace(body, '"amount":"2000"', '"amount":"9000"')
    WHERE sequence = (SELECT max(sequence) FROM entries WHERE kind = 'sale')"#;

#[test]
fn a_line_altered_after_the_bill_was_sealed_does_not_add_up() {
    let (shop, crawler) = (Shop::open(5), Crawler::new());
    let gateway = shop.gateway();
    crawler.buy_all(&shop);
    shop.close(1);
    gateway.stop();
    assert_eq!(doctor(&shop, RAISE_ONE), 1);

    let _gateway = shop.gateway();
    let said = crawler.statement(&shop.origin, &[]).refused(&[]);
    let checked = said.json();
    assert_eq!((&checked["verified"], &checked["verdict"]["lines_add_up"]), (&false.into(), &false.into()));
    assert_eq!(checked["verdict"]["sealed_by_seller"], true);
    // The seller's own verification says where.
    let report = shop.ledger(&["verify"]).refused(&[]).out;
    assert!(report.contains("Hash") && report.contains("NOT CONSISTENT"), "{report}");
}

/// The worst seller: it raises an amount, hashes its journal anew, and seals the bill as it should be.
#[test]
fn an_amount_raised_in_a_journal_made_anew_is_not_what_was_signed() {
    for dress in ["x402", "deferred", "crawl"] {
        let (shop, crawler) = (Shop::open(5), Crawler::new());
        let gateway = shop.gateway();
        crawler.crawl(&shop, &["--dress", dress]).ok();
        gateway.stop();
        assert_eq!(doctor(&shop, RAISE_ONE), 1);
        rechain(&shop);
        shop.close(1);

        let _gateway = shop.gateway();
        // The buyer needs no log of its own to see it: its signature is over another amount.
        let checked = crawler.statement(&shop.origin, &[]).refused(&[]).json();
        let verdict = &checked["verdict"];
        assert_eq!((&verdict["sealed_by_seller"], &verdict["lines_add_up"]), (&true.into(), &true.into()));
        assert_eq!((&checked["verified"], &verdict["lines_proved"]), (&false.into(), &4.into()), "{dress}");
        let raised = &verdict["lines_unproved"][0];

        // With its log it sees which, and by how much.
        let audit = crawler.file("audit.jsonl");
        let checked = crawler.statement(&shop.origin, &["--audit", &audit]).refused(&[]).json();
        let differs = &checked["reconciliation"]["amount_differs"];
        assert_eq!(differs, &serde_json::json!([{"id": raised, "seller": "9000", "buyer": "2000"}]));

        // So does an auditor, with keys or without.
        shop.export("export.jsonl");
        let (export, keys) = (shop.file("export.jsonl"), shop.public_keys(&[&crawler]));
        for with_keys in [&[][..], &["--keys", &keys]] {
            let args = [&["verify", "--export", &export], with_keys].concat();
            let report = shop.ledger(&args).refused(&[]).out;
            assert!(report.contains("Transfer: 9000 is charged, its payer signed for 2000"), "{dress}: {report}");
            assert!(report.contains("NOT CONSISTENT: 1 faults"), "{report}");
        }
    }
}

fn rechain(shop: &Shop) {
    let books = Connection::open(shop.path("books.db")).unwrap();
    let mut entries = books.prepare("SELECT sequence, body FROM entries ORDER BY sequence").unwrap();
    let entries = entries.query_map((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut head = tollway_ledger::Hash::ZERO;
    for entry in entries.map(Result::unwrap).collect::<Vec<_>>() {
        head = head.chain(entry.1.as_bytes());
        books.execute("UPDATE entries SET hash = ? WHERE sequence = ?", (head.as_bytes(), entry.0)).unwrap();
    }
}

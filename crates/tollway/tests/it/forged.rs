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
    let (honest, forging) = (TcpListener::bind(("127.0.0.1", 0)).unwrap(), TcpListener::bind(("127.0.0.1", 0)).unwrap());
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

#[test]
fn an_amount_raised_before_the_bill_was_sealed_is_not_what_was_signed() {
    let (shop, crawler) = (Shop::open(5), Crawler::new());
    let gateway = shop.gateway();
    crawler.buy_all(&shop);
    gateway.stop();
    assert_eq!(doctor(&shop, RAISE_ONE), 1);
    shop.close(1);

    let _gateway = shop.gateway();
    let audit = crawler.file("audit.jsonl");
    let checked = crawler.statement(&shop.origin, &["--audit", &audit]).refused(&[]).json();
    assert_eq!(checked["reconciled"], false);
    let differs = &checked["reconciliation"]["amount_differs"];
    assert_eq!((&differs[0]["seller"], &differs[0]["buyer"]), (&"9000".into(), &"2000".into()));
}

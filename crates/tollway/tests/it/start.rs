//! What must be right before a gateway starts: everything else is refused, and the message says what to do.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use crate::rig::{Said, Shop, tollway};

fn gateway(shop: &Shop) -> Said {
    tollway(["gateway", "-c", &shop.config()])
}

/// A shop whose configuration has `from` replaced by `to`.
fn edited(from: &str, to: &str) -> Shop {
    let shop = Shop::open(1);
    let text = std::fs::read_to_string(shop.config()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(shop.config(), text.replacen(from, to, 1)).unwrap();
    shop
}

fn line_of(shop: &Shop, needle: &str) -> String {
    let text = std::fs::read_to_string(shop.config()).unwrap();
    format!("line {}", text.lines().position(|line| line.contains(needle)).unwrap() + 1)
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    for (from, to, key) in [
        ("[origin]", "lisen = \"127.0.0.1:1\"\n[origin]", "lisen"),
        ("folder = ", "cache = true\nfolder = ", "cache"),
        ("allow_loopback", "alow_loopback", "alow_loopback"),
        ("price = ", "cost = ", "cost"),
    ] {
        let shop = edited(from, to);
        gateway(&shop).refused(&[&shop.config(), &line_of(&shop, key), &format!("`{key}`")]);
    }
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    for (from, to) in [
        ("price = \"$0.002\"", "price = \"0,002 USD\""),
        ("price = \"$0.002\"", "price = \"0.002 EUR\""),
        ("price = \"$0.002\"", "price = 0.002"),
        ("audience = \"signed\"", "audience = \"all\""),
        ("action = \"charge\"", "action = \"sell\""),
        ("starter_credit = \"$1000\"", "starter_credit = \"lots\""),
        ("listen = \"127.0.0.1:", "listen = \"localhost:"),
    ] {
        let shop = edited(from, to);
        let place = line_of(&shop, to);
        let said = gateway(&shop).refused(&[&shop.config(), &place]);
        assert!(said.err.contains(to.split(" = ").next().unwrap()), "{}", said.err);
    }
}

#[test]
fn rules_that_contradict_each_other_are_refused() {
    let again = "[[rules]]\nid = \"pages\"\npath = \"/q/*\"\naudience = \"everyone\"\naction = \"allow\"\n[[rules]]";
    gateway(&edited("[[rules]]", again)).refused(&["two rules have the id `pages`"]);
    gateway(&edited("price = \"$0.002\"", "")).refused(&["rule `pages`", "`price`"]);
    gateway(&edited("price = \"$0.002\"", "price = \"$0.002\"\nlifetime = 5")).refused(&["rule `pages`", "`lifetime`"]);
    gateway(&edited("price = \"$0.002\"", "price = \"$0.002\"\nterms = \"none.md\""))
        .refused(&["the terms", "none.md"]);
    gateway(&edited("path = \"/p/*\"", "path = \"p/*\"")).refused(&["rule `pages`"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    tollway(["gateway", "-c", "/no/such/file.toml"]).refused(&["cannot read /no/such/file.toml"]);
    for args in [["agents", "list"], ["ledger", "verify"]] {
        tollway(args.iter().chain(&["-c", "/no/such/file.toml"])).refused(&["cannot read /no/such/file.toml"]);
    }
}

#[test]
fn an_origin_is_one_thing_that_exists() {
    let shop = edited("folder = \"site\"", "folder = \"nowhere\"");
    gateway(&shop).refused(&["the origin's folder", "nowhere"]);
    gateway(&edited("folder = \"site\"", "folder = \"tollway.toml\"")).refused(&["tollway.toml is not a folder"]);
    gateway(&edited("folder = \"site\"", "")).refused(&["`folder` or `url`"]);
    gateway(&edited("folder = \"site\"", "url = \"ftp://127.0.0.1\"")).refused(&["ftp://127.0.0.1"]);
    gateway(&edited("public_urls = [", "public_urls = [] # [")).refused(&["`public_urls`"]);
}

#[test]
fn a_key_is_there_ours_alone_and_a_key() {
    let shop = edited("seller.jwk", "none.jwk");
    gateway(&shop).refused(&["cannot read the key", "none.jwk", "tollway keys new"]);

    let shop = Shop::open(1);
    let key = shop.path("seller.jwk");
    for mode in [0o644, 0o640, 0o604, 0o660] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        gateway(&shop).refused(&["is open to others", &format!("mode {mode:o}"), "chmod 600"]);
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    for text in ["", "{}", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "-----BEGIN PRIVATE KEY-----"] {
        std::fs::write(&key, text).unwrap();
        gateway(&shop).refused(&["seller.jwk", "holds no Ed25519 private key"]);
    }
    std::fs::write(&key, "x".repeat(5_000)).unwrap();
    gateway(&shop).refused(&["is too long to be a key"]);
    std::fs::remove_file(&key).unwrap();
    std::fs::create_dir(&key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o700)).unwrap();
    gateway(&shop).refused(&["the key", "seller.jwk"]);
}

#[test]
fn books_are_this_seller_s_or_none() {
    let other = Shop::open(1);
    other.ledger_json(&["verify"]);
    let shop = Shop::open(1);
    std::fs::copy(other.path("books.db"), shop.path("books.db")).unwrap();
    for said in [gateway(&shop), shop.agents(&["list"]), shop.ledger(&["verify"])] {
        said.refused(&["the books", "books.db", &format!("books of {}", other.origin)]);
    }
    assert_eq!(std::fs::read(other.path("books.db")).unwrap(), std::fs::read(shop.path("books.db")).unwrap());
}

#[test]
fn another_file_is_not_taken_for_books_and_stays_as_it_is() {
    let shop = Shop::open(1);
    let path = shop.path("books.db");
    for bytes in [b"my novel, chapter one. ".repeat(100), b"SQLite format 3\0".repeat(300), vec![7; 10]] {
        std::fs::write(&path, &bytes).unwrap();
        gateway(&shop).refused(&["the books", "books.db", "not these books"]);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE contacts (name TEXT)").unwrap();
    gateway(&shop).refused(&["the books", "another program's database"]);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    gateway(&shop).refused(&["the books", "books.db"]);
}

#[test]
fn books_that_another_process_holds_are_waited_for_and_then_refused() {
    let shop = Shop::open(1);
    shop.ledger_json(&["verify"]);
    let holder = Connection::open(shop.path("books.db")).unwrap();
    holder.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    gateway(&shop).refused(&["the books", "books.db", "another process holds the books"]);
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    shop.gateway().stop();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let shop = Shop::open(1);
    let _holder = TcpListener::bind(("127.0.0.1", shop.port)).unwrap();
    gateway(&shop).refused(&[&format!("cannot listen on 127.0.0.1:{}", shop.port), "in use"]);
    let key = shop.file("seller.jwk");
    let listen = format!("127.0.0.1:{}", shop.port);
    tollway(["keys", "serve", &key, "--listen", &listen]).refused(&["cannot listen on", "in use"]);
}

#[test]
fn a_gateway_that_has_just_said_that_it_listens_stops_when_told() {
    let shop = Shop::open(1);
    for _ in 0..20 {
        assert!(shop.gateway().stop().ends_with("stopped"));
    }
}

//! What the origin does and what the client does while a purchase is served: who is charged.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollway_http::gate::GateOptions;
use tollway_ledger::{EntryKind, SaleState};
use tollway_protocol::{Dress, Reason as R, header};

use crate::rig::{Behind, PRICE, Rig, Setup, Way, cut, response, streamed, until};

#[tokio::test]
async fn threat_23_an_answer_that_is_no_success_costs_nothing() {
    let rig = Rig::new().await;
    let mut owed = 0;
    for (status, method) in
        [(500, "GET"), (404, "GET"), (302, "GET"), (304, "GET"), (403, "GET"), (500, "POST"), (400, "PUT")]
    {
        rig.origin.answer(move || response(status, &[("x-own", "yes"), ("cache-control", "public, max-age=60")], ""));
        let sent = |nonce: &str| rig.paying(Way::X402, method, "/paid/a", nonce).signed(&rig.agent.key());
        let first = sent(&format!("{status} {method} 1"));
        let got = rig.call(&first).await;
        assert_eq!((got.status, got.field("x-own")), (status, Some("yes")), "passed on");
        assert_eq!(got.field("cache-control"), Some("private, max-age=60"));
        assert_eq!(got.field(header::PAYMENT_RESPONSE), None);
        let account = rig.view().await;
        assert_eq!((account.balance_owed.get(), account.reserved.get()), (owed, 0), "{status} {method}");
        rig.origin.answer(|| response(200, &[], "now it works"));
        let again = rig.call(&first).await.status;
        // A voided claim stands in the books: its commitment is spent. A reserve leaves nothing.
        assert_eq!(again, if method == "GET" { 200 } else { 409 }, "{status} {method}");
        assert_eq!(rig.call(&sent(&format!("{status} {method} 2"))).await.status, 200);
        owed += if method == "GET" { 2 * PRICE } else { PRICE };
    }
    rig.audit().await;
}

#[tokio::test]
async fn threat_23_an_answer_that_breaks_off_costs_nothing() {
    let rig = Rig::new().await;
    let told = |length: usize| {
        move || {
            let mut response = response(200, &[("content-length", &length.to_string())], "");
            *response.body_mut() = cut(vec![vec![b'x'; 10]]);
            response
        }
    };
    for (number, length) in [100, 11, 200_000].into_iter().enumerate() {
        rig.origin.answer(told(length));
        let got = rig.call(&rig.buy(Way::X402, "/paid/a", &number.to_string())).await;
        assert_eq!((got.status, got.reason()), (502, Some(R::UpstreamMalformed)), "{length}");
    }
    assert_eq!((rig.sales().await, rig.view().await.reserved.get()), (0, 0));
}

#[tokio::test]
async fn threat_23_an_origin_that_takes_too_long_costs_nothing() {
    let options = GateOptions { upstream_wait: Duration::from_millis(20), ..GateOptions::default() };
    let rig = Rig::with(Setup { options, ..Setup::default() }).await;
    rig.origin.behave(|_| std::future::pending());
    for method in ["GET", "POST"] {
        let got = rig.call(&rig.paying(Way::X402, method, "/paid/a", method).signed(&rig.agent.key())).await;
        assert_eq!((got.status, got.reason()), (504, Some(R::UpstreamTimeout)), "{method}");
    }
    rig.origin.answer(|| {
        let mut response = response(200, &[("content-length", "10")], "");
        *response.body_mut() =
            tollway_http::body::boxed(http_body_util::StreamBody::new(futures_util::stream::pending::<
                Result<http_body::Frame<bytes::Bytes>, std::io::Error>,
            >()));
        response
    });
    let got = rig.call(&rig.buy(Way::X402, "/paid/a", "body")).await;
    assert_eq!((got.status, got.reason()), (504, Some(R::UpstreamTimeout)));
    assert_eq!((rig.sales().await, rig.view().await.reserved.get()), (0, 0));
    rig.audit().await;
}

#[tokio::test]
async fn threat_103_a_panic_costs_nothing_and_stops_nobody() {
    for method in ["GET", "POST"] {
        let rig = Rig::on_a_socket().await;
        rig.origin.behave(|request| async move {
            assert_eq!(request.uri().path(), "/paid/good", "an origin's own bug");
            response(200, &[], "good")
        });
        let sent = |target: &str, nonce: &str| rig.paying(Way::X402, method, target, nonce).signed(&rig.agent.key());
        for number in 0..10 {
            let bad = rig.send(&sent("/paid/bad", &format!("bad {number}"))).await;
            assert!(bad.is_none_or(|got| got.status == 500), "{method}");
            let good = rig.send(&sent("/paid/good", &format!("good {number}"))).await.unwrap();
            assert_eq!((good.status, good.body.as_ref()), (200, b"good".as_slice()), "{method}");
        }
        assert_eq!((rig.owed().await, rig.audit().await.sales), (10 * PRICE, 10), "{method}");
    }
}

#[tokio::test]
async fn threat_20_a_streamed_answer_that_breaks_off_is_taken_back() {
    for behind in [Behind::Service, Behind::Proxy] {
        let rig = Rig::with(Setup { socket: true, behind, ..Setup::default() }).await;
        rig.origin.answer(|| {
            let mut response = response(200, &[("content-length", "600000"), ("etag", "\"big\"")], "");
            *response.body_mut() = cut(vec![vec![b'x'; 100_000]; 3]);
            response
        });
        let sent = rig.buy(Way::X402, "/paid/big", "1");
        let got = rig.send(&sent).await.unwrap();
        assert_eq!((got.status, got.cut), (200, true));
        let facts = got.receipt_facts(Dress::X402);
        let books = Arc::clone(&rig.books);
        eventually(async || books_state(&books, &facts.commitment).await == SaleState::Undelivered).await;
        assert!(rig.journal().await.contains(&EntryKind::Undelivered));
        let report = rig.audit().await;
        assert_eq!((report.sales, report.undelivered.get(), rig.owed().await), (1, PRICE, 0));
        let again = rig.send(&sent).await.unwrap();
        assert_eq!((again.status, again.reason()), (409, Some(R::ReplayMismatch)), "sign a new one");
        assert_eq!(again.field(header::PAYMENT_RESPONSE), None, "what was taken back has no receipt");
        rig.origin.answer(|| response(200, &[], "whole"));
        assert_eq!(rig.send(&rig.buy(Way::X402, "/paid/big", "2")).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_streamed_answer_is_charged_at_its_head_and_noted_at_its_end() {
    let rig = Rig::new().await;
    rig.origin.answer(|| {
        let mut response = response(200, &[("etag", "\"big\""), ("content-digest", "sha-256=:AAAA:")], "");
        *response.body_mut() = streamed(vec![vec![b'x'; 100_000]; 5]);
        response
    });
    let sent = rig.buy(Way::X402, "/paid/big", "1");
    let got = rig.call(&sent).await;
    assert_eq!((got.status, got.body.len(), got.cut), (200, 500_000, false));
    assert_eq!(got.field(header::CONTENT_DIGEST), None, "the origin's own is not ours to sign");
    got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::X402);
    eventually(async || rig.journal().await.last() == Some(&EntryKind::Delivery)).await;
    let note = rig.last_body().await;
    assert_eq!(note["bytes"], 500_000);
    assert!(note["digest"].is_string());
    assert_eq!(rig.audit().await.undelivered.get(), 0);
}

/// Design, life of a request, 11: the client left, the charge stands, and the retry re-serves.
#[tokio::test]
async fn a_long_answer_that_the_client_lost_is_served_again() {
    let rig = Rig::on_a_socket().await;
    rig.origin.answer(|| response(200, &[("etag", "\"big\"")], vec![b'x'; 900_000]));
    let sent = rig.buy(Way::X402, "/paid/big", "1");
    let mut stream = TcpStream::connect(rig.address.unwrap()).await.unwrap();
    stream.write_all(&sent.bytes()).await.unwrap();
    let mut first = [0; 1_000];
    stream.read_exact(&mut first).await.unwrap();
    drop(stream);
    let got = rig.send(&sent).await.unwrap();
    assert_eq!((got.status, got.body.len(), got.cut), (200, 900_000, false));
    got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::X402);
    rig.origin.answer(|| response(200, &[("etag", "\"new\"")], vec![b'y'; 900_000]));
    assert_eq!(rig.send(&sent).await.unwrap().status, 409);
    assert_eq!((rig.audit().await.sales, rig.owed().await), (1, PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_49_a_client_that_leaves_is_charged_once_or_not_at_all() {
    let rig = Rig::on_a_socket().await;
    rig.origin.behave(|_| async {
        tokio::task::yield_now().await;
        response(200, &[("etag", "\"v1\"")], vec![b'x'; 40_000])
    });
    let mut sold = 0;
    for number in 0..150_usize {
        let way = Way::ALL[number % 5];
        let sent = rig.buy(way, "/paid/a", &format!("leaving {number}"));
        let bytes = sent.bytes();
        let mut stream = TcpStream::connect(rig.address.unwrap()).await.unwrap();
        // Some leave in the middle of their request, some after it, some after part of the answer.
        let part = if number % 3 == 0 { bytes.len() * number / 150 } else { bytes.len() };
        stream.write_all(&bytes[..part]).await.unwrap();
        let mut heard = vec![0; if number % 3 == 2 { number * 250 } else { 0 }];
        let _closed = stream.read_exact(&mut heard).await;
        drop(stream);
        if number % 3 == 1 {
            tokio::task::yield_now().await;
        }
        let got = rig.send(&sent).await.unwrap();
        assert_eq!(got.status, 200, "{number}: {:?}", got.reason());
        sold += 1;
        assert_eq!(got.receipt(&sent, &rig.site, &rig.seller.key().public(), way.dress()).amount.get(), PRICE);
    }
    rig.quiet().await;
    let report = rig.audit().await;
    assert_eq!((report.sales, report.charged.get()), (sold, u128::from(sold) * PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_49_a_handler_with_effects_ends_also_when_its_client_leaves() {
    let rig = Rig::on_a_socket().await;
    let (open, opened) = tokio::sync::watch::channel(false);
    rig.origin.behave(move |_| {
        let mut opened = opened.clone();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            response(201, &[], "made")
        }
    });
    let sent = rig.paying(Way::X402, "POST", "/paid/a", "1").carrying("make it").signed(&rig.agent.key());
    let mut stream = TcpStream::connect(rig.address.unwrap()).await.unwrap();
    stream.write_all(&sent.bytes()).await.unwrap();
    until(|| rig.origin.runs() == 1).await;
    drop(stream);
    open.send_replace(true);
    eventually(async || rig.sales().await == 1).await;
    let got = rig.send(&sent).await.unwrap();
    assert_eq!((got.status, got.reason(), rig.origin.runs()), (409, Some(R::AlreadyDelivered), 1));
    got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::X402);
    rig.audit().await;
}

async fn books_state(books: &tollway_store::SqliteBooks, id: &str) -> SaleState {
    tollway_ledger::Books::lookup(books, &id.parse().unwrap()).await.unwrap().unwrap().state
}

/// Looks again and again until it is so.
async fn eventually(so: impl AsyncFn() -> bool) {
    let mut pause = tokio::time::interval(Duration::from_millis(2));
    let wait = async {
        while !so().await {
            pause.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came to be so");
}

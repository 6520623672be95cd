//! The same request again: one charge, one run of the origin, and a bounded number of bodies.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tollway_http::endpoint::Endpoint as _;
use tollway_http::gate::{GateOptions, PaidBy};
use tollway_protocol::{Dress, Reason as R, header};

use crate::rig::{Got, NOON, PRICE, Rig, Sent, Setup, Way, page_text, response};

/// What came back for copies of one request.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    bodies: usize,
    receipts: usize,
    pending: usize,
}

impl Tally {
    fn count(&mut self, got: &Got, page: &str) {
        let receipt = got.headers.contains_key(header::PAYMENT_RESPONSE);
        match (got.status, got.reason()) {
            (200, None) if receipt && got.body.as_ref() == page.as_bytes() => self.bodies += 1,
            (409, Some(R::AlreadyDelivered)) if receipt => self.receipts += 1,
            (409, Some(R::ReplayPending)) if !receipt => self.pending += 1,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_01_ten_thousand_copies_are_one_sale() {
    let rig = Rig::new().await;
    let sent = rig.buy(Way::X402, "/paid/a", "once");
    let tally = stream::iter(0..10_000)
        .map(|_| {
            let (gate, request) = (rig.gate.clone(), sent.request());
            let answer = tokio::spawn(async move { Got::of(gate.answer(request).await).await });
            async move { answer.await.unwrap() }
        })
        .buffer_unordered(256)
        .fold(Tally::default(), |mut tally, got| async move {
            tally.count(&got, &page_text("/paid/a"));
            tally
        })
        .await;
    assert_eq!(tally.bodies + tally.receipts + tally.pending, 10_000);
    assert!((1..=4).contains(&tally.bodies), "{tally:?}");
    assert_eq!(rig.origin.runs(), 1, "{tally:?}");
    let report = rig.audit().await;
    assert_eq!((report.sales, report.charged.get()), (1, PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_01_a_slow_origin_runs_once_for_everybody_who_waits() {
    let rig = Arc::new(Rig::on_a_socket().await);
    let (open, opened) = tokio::sync::watch::channel(false);
    rig.origin.behave(move |_| {
        let mut opened = opened.clone();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            response(200, &[("etag", "\"v1\"")], "slow")
        }
    });
    let sent = Arc::new(rig.buy(Way::X402, "/paid/a", "once"));
    let copies: Vec<_> = (0..200)
        .map(|_| {
            let (rig, sent) = (Arc::clone(&rig), Arc::clone(&sent));
            tokio::spawn(async move { rig.send(&sent).await.unwrap() })
        })
        .collect();
    // All but the one that runs and the 64 that may wait are answered before the origin is.
    crate::rig::until(|| copies.iter().filter(|copy| copy.is_finished()).count() == 200 - 65).await;
    open.send_replace(true);
    let mut tally = Tally::default();
    for copy in copies {
        tally.count(&copy.await.unwrap(), "slow");
    }
    assert_eq!((tally.bodies, rig.origin.runs()), (4, 1), "{tally:?}");
    assert_eq!(rig.audit().await.sales, 1);
}

#[tokio::test]
async fn a_sold_page_is_served_again_three_times_and_never_charged() {
    let rig = Rig::new().await;
    let sent = rig.buy(Way::X402, "/paid/a", "once");
    let key = rig.seller.key().public();
    let first = rig.call(&sent).await.receipt(&sent, &rig.site, &key, Dress::X402);
    for (replay, seconds) in [(1, 0), (2, 11), (3, 0), (4, 0), (5, 30), (6, 3_600), (7, 200_000)] {
        rig.clock.advance(seconds);
        let got = rig.call(&sent).await;
        let facts = got.receipt(&sent, &rig.site, &key, Dress::X402);
        assert_eq!(facts, first, "the same receipt: {replay}");
        let (status, body) = if replay <= 3 { (200, Some(page_text("/paid/a"))) } else { (409, None) };
        assert_eq!(got.status, status, "{replay}");
        assert_eq!(body.is_some_and(|body| got.body.as_ref() == body.as_bytes()), replay <= 3);
        assert_eq!(got.field("cache-control"), Some("private"));
    }
    let report = rig.audit().await;
    assert_eq!((report.sales, report.charged.get()), (1, PRICE));
}

#[tokio::test]
async fn a_handler_is_told_who_paid_also_when_it_serves_again() {
    let rig = Rig::new().await;
    rig.origin.behave(|request| {
        let by = request.extensions().get::<PaidBy>().map(|by| (by.agent.clone(), by.amount, by.rule.clone()));
        std::future::ready(by.map_or_else(|| response(500, &[], ""), |by| response(200, &[], format!("{by:?}"))))
    });
    let sent = rig.buy(Way::X402, "/paid/a", "once");
    let first = rig.call(&sent).await;
    rig.clock.advance(11);
    let again = rig.call(&sent).await;
    assert_eq!((first.status, again.status, rig.origin.runs()), (200, 200, 2));
    assert_eq!(first.body, again.body);
}

#[tokio::test]
async fn after_its_window_a_replay_gets_its_receipt_only() {
    let rig = Rig::new().await;
    for (seconds, served) in [(59, true), (60, false), (91, false), (10_000, false)] {
        let sent = rig.buy(Way::Announced, "/paid/a", &seconds.to_string());
        assert_eq!(rig.call(&sent).await.status, 200);
        rig.clock.advance(seconds);
        let got = rig.call(&sent).await;
        assert_eq!(got.status, if served { 200 } else { 409 }, "after {seconds} s");
        got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::Handshake);
    }
    let unsold = rig.buy(Way::X402, "/paid/a", "unsold");
    rig.clock.advance(91);
    assert_eq!(rig.call(&unsold).await.reason(), Some(R::Expired));
    assert_eq!(rig.audit().await.sales, 4);
}

#[tokio::test]
async fn what_is_live_or_has_changed_is_not_served_again() {
    let rig = Rig::new().await;
    let live = rig.buy(Way::X402, "/live/a", "live");
    let changing = rig.buy(Way::X402, "/paid/a", "changing");
    assert_eq!((rig.call(&live).await.status, rig.call(&changing).await.status), (200, 200));
    rig.clock.advance(11);
    rig.origin.answer(|| response(200, &[("etag", "\"v2\"")], "another page"));
    for sent in [&live, &changing] {
        let got = rig.call(sent).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::AlreadyDelivered)));
        got.receipt(sent, &rig.site, &rig.seller.key().public(), Dress::X402);
    }
    assert_eq!((rig.origin.runs(), rig.audit().await.sales), (3, 2));
}

#[tokio::test]
async fn without_a_validator_the_bytes_decide() {
    let rig = Rig::new().await;
    rig.origin.answer(|| response(200, &[], "the same"));
    let sent = rig.buy(Way::X402, "/paid/a", "1");
    assert_eq!(rig.call(&sent).await.status, 200);
    rig.clock.advance(11);
    assert_eq!(rig.call(&sent).await.body.as_ref(), b"the same");
    rig.origin.answer(|| response(200, &[], "not the same"));
    assert_eq!(rig.call(&sent).await.reason(), Some(R::AlreadyDelivered));
}

#[tokio::test]
async fn an_unsafe_request_never_runs_twice() {
    let rig = Rig::new().await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "FROBNICATE"] {
        let sent = rig.paying(Way::X402, method, "/paid/a", method).carrying("order one").signed(&rig.agent.key());
        let before = rig.origin.runs();
        assert_eq!(rig.call(&sent).await.status, 200, "{method}");
        for _ in 0..5 {
            let got = rig.call(&sent).await;
            assert_eq!((got.status, got.reason()), (409, Some(R::AlreadyDelivered)), "{method}");
            got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::X402);
        }
        assert_eq!(rig.origin.runs(), before + 1, "{method}");
    }
    assert_eq!(rig.audit().await.sales, 5);
}

#[tokio::test]
async fn a_nonce_belongs_to_one_signature() {
    let rig = Rig::new().await;
    assert_eq!(rig.call(&rig.buy(Way::X402, "/paid/a", "taken")).await.status, 200);
    for way in Way::ALL {
        let got = rig.call(&rig.buy(way, "/paid/b", "taken")).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::NonceReplayed)), "{way:?}");
    }
    assert_eq!((rig.audit().await.sales, rig.origin.runs()), (1, 1));
}

#[tokio::test]
async fn who_waits_too_long_is_told_to_ask_again() {
    let options = GateOptions { replay_wait: Duration::from_millis(20), ..GateOptions::default() };
    let rig = Arc::new(Rig::with(Setup { options, ..Setup::default() }).await);
    let (open, opened) = tokio::sync::watch::channel(false);
    rig.origin.behave(move |_| {
        let mut opened = opened.clone();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            response(200, &[], "slow")
        }
    });
    let sent = rig.buy(Way::X402, "/paid/a", "once");
    let first = tokio::spawn({
        let (rig, sent) = (Arc::clone(&rig), sent.clone());
        async move { rig.call(&sent).await }
    });
    crate::rig::until(|| rig.origin.runs() == 1).await;
    let got = rig.call(&sent).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::ReplayPending)));
    assert_eq!(got.field("retry-after"), Some("1"));
    open.send_replace(true);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(rig.call(&sent).await.status, 200);
    assert_eq!((rig.audit().await.sales, rig.origin.runs()), (1, 1));
}

#[tokio::test]
async fn a_known_commitment_keeps_its_outcome_whatever_has_changed_since() {
    let rig = Rig::new().await;
    let sent: Sent = rig.buy(Way::Handshake, "/paid/a", "once");
    assert_eq!(rig.call(&sent).await.status, 200);
    tollway_ledger::Books::agent_block(rig.books.as_ref(), &rig.agent.id(), true, NOON).await.unwrap();
    assert_eq!(rig.call(&sent).await.status, 200, "it was bought before the agent was blocked");
    rig.clock.advance(301);
    let got = rig.call(&sent).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::AlreadyDelivered)), "its offer has ended");
    assert_eq!(rig.audit().await.sales, 1);
}

//! Every dress, from the demand over the purchase to the receipt.

use serde_json::Value;
use tollway_core::offer::Offer;
use tollway_http::dress;
use tollway_ledger::PriceProof;
use tollway_protocol::{Dress, Reason, header};
use tollway_signatures::digest;

use crate::rig::{NOON, PRICE, Rig, Sent, Way, page_text};

const ORIGIN: &str = "https://shop.example";

#[tokio::test]
async fn an_unpaid_request_gets_the_offer_in_every_dress() {
    let rig = Rig::new().await;
    let got = rig.call(&Sent::plain(&rig.site, "GET", "/paid/a?page=2")).await;
    assert_eq!((got.status, rig.origin.runs()), (402, 0));
    assert!(got.field(header::PAYMENT_REQUIRED).unwrap().len() <= 4 << 10);
    assert_eq!(got.field(header::CRAWLER_PRICE), Some("USD 0.01"));
    let offer = rig.offer("/paid/a");
    let demand = got.demand();
    let asked = &demand.accepts[0];
    assert_eq!(demand.accepts.len(), 1);
    assert_eq!(demand.error.as_deref(), Some("Payment required"));
    assert_eq!(demand.resource.url, format!("{ORIGIN}/paid/a?page=2"));
    assert_eq!((asked.scheme.as_str(), asked.network.as_str()), ("batch-settlement", "tollway:402"));
    assert_eq!((asked.amount.get(), asked.asset.as_str(), asked.pay_to.as_str()), (PRICE, "USD", ORIGIN));
    assert_eq!(asked.max_timeout_seconds.get(), 300);
    assert_eq!(asked.extra("decimals"), Some(&Value::from(6)));
    assert_eq!(asked.extra("offer"), Some(&Value::from(offer.id().to_string())));
    let inline = dress::offer_document(&demand).unwrap();
    assert_eq!(Offer::verify(inline, &rig.seller.key().public()).unwrap(), *offer);
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let expected = serde_json::json!({"accepts": [{
        "scheme": "deferred", "network": "tollway:402", "resource": format!("{ORIGIN}/paid/a?page=2"),
        "amount": "10000", "asset": "USD", "payTo": ORIGIN, "maxTimeoutSeconds": 300,
        "extras": {"id": offer.id().to_string()},
    }]});
    assert_eq!(body, expected, "one kind of entry and nothing else");
}

#[tokio::test]
async fn a_demand_stays_within_its_cap_for_any_url() {
    let rig = Rig::new().await;
    for length in [10, 1_000, 2_000, 3_000, 4_000, 7_000] {
        for target in [format!("/paid/{}", "a".repeat(length)), format!("/paid/a?{}", "q".repeat(4 * length))] {
            let got = rig.call(&Sent::plain(&rig.site, "GET", &target)).await;
            assert_eq!(got.status, 402);
            let size = got.field(header::PAYMENT_REQUIRED).unwrap().len();
            assert!(size <= 4 << 10, "{size} bytes for a target of {}", target.len());
            assert_eq!(got.demand().accepts[0].amount.get(), PRICE);
        }
    }
}

#[tokio::test]
async fn a_rule_is_sold_only_in_its_dresses() {
    let rig = Rig::new().await;
    let got = rig.call(&Sent::plain(&rig.site, "GET", "/crawled/a")).await;
    assert_eq!(got.status, 402);
    assert_eq!(got.field(header::CRAWLER_PRICE), Some("USD 0.01"));
    assert_eq!(got.field(header::PAYMENT_REQUIRED), None);
    assert_eq!(got.reason(), Some(Reason::PaymentRequired));
    for way in Way::ALL {
        let got = rig.call(&rig.buy(way, "/crawled/a", &format!("{way:?}"))).await;
        let expected = if way.dress() == Dress::Crawl { 200 } else { 402 };
        assert_eq!(got.status, expected, "{way:?}");
    }
}

#[tokio::test]
async fn every_dress_buys_and_its_receipt_is_proved() {
    let rig = Rig::new().await;
    let key = rig.seller.key().public();
    for (number, way) in Way::ALL.into_iter().enumerate() {
        let sent = rig.buy(way, "/paid/a?x=1", &format!("nonce {number}"));
        let got = rig.call(&sent).await;
        assert_eq!((got.status, got.body.as_ref()), (200, page_text("/paid/a?x=1").as_bytes()), "{way:?}");
        let facts = got.receipt(&sent, &rig.site, &key, way.dress());
        assert_eq!((facts.amount.get(), facts.asset.as_str(), facts.posted_at), (PRICE, "USD", NOON), "{way:?}");
        let recorded = rig.recorded(&facts.commitment).await;
        assert_eq!(facts.sequence, Some(recorded.sequence.get()));
        assert_eq!(facts.head, Some(recorded.head.to_string()));
        assert_eq!(got.field(header::CONTENT_DIGEST), Some(digest::make(&got.body).as_str()));
        let charged = got.field(header::CRAWLER_CHARGED);
        assert_eq!(charged, (way.dress() == Dress::Crawl).then_some("USD 0.01"), "{way:?}");
        let (input, _) = (got.field(header::SIGNATURE_INPUT).unwrap(), got.field(header::SIGNATURE).unwrap());
        for component in ["\"@status\"", "\"payment-response\"", "\"content-digest\"", "\"@path\";req"] {
            assert!(input.contains(component), "{way:?}: {component} in {input}");
        }
    }
    let report = rig.audit().await;
    assert_eq!((report.sales, report.charged.get(), rig.origin.runs()), (5, 5 * PRICE, 5));
}

#[tokio::test]
async fn a_sale_says_what_of_the_price_the_buyer_signed() {
    let rig = Rig::new().await;
    for (way, proof) in [
        (Way::X402, PriceProof::BuyerSigned),
        (Way::Handshake, PriceProof::BuyerSigned),
        (Way::Announced, PriceProof::SignedOffer),
        (Way::Exact("USD 0.01"), PriceProof::BuyerSigned),
        (Way::Max("USD 1"), PriceProof::CeilingOnly),
    ] {
        let got = rig.call(&rig.buy(way, "/paid/a", &format!("{way:?}"))).await;
        assert_eq!(got.status, 200, "{way:?}");
        let written = rig.last_body().await;
        assert_eq!(written["price_proof"], serde_json::to_value(proof).unwrap(), "{way:?}");
        assert_eq!(written["amount"], "10000", "never the ceiling: {way:?}");
    }
}

#[tokio::test]
async fn one_offer_buys_page_after_page_and_the_receipt_names_the_next_one() {
    let rig = Rig::new().await;
    let first = rig.offer("/paid/a");
    let promise = rig.promise(Way::X402, "/paid/a");
    let (name, value) = crate::rig::commitment(&promise);
    let key = rig.seller.key().public();
    for (page, seconds) in [(1, 0), (2, 149), (3, 1), (4, 149)] {
        rig.clock.advance(seconds);
        let target = format!("/paid/page-{page}");
        let draft = rig.draft(&rig.agent, "GET", &target).with(&name, &value);
        let sent = draft.params(|params| params.nonce = Some(format!("page {page}"))).signed(&rig.agent.key());
        let got = rig.call(&sent).await;
        assert_eq!(got.status, 200, "page {page} in one trip");
        let facts = got.receipt(&sent, &rig.site, &key, Dress::X402);
        let expected = (page > 2).then(|| rig.offer("/paid/a").id().to_string());
        assert_eq!(facts.current_offer, expected, "page {page}");
        if let Some(fresh) = expected {
            assert_ne!(fresh, first.id().to_string());
        }
    }
    rig.clock.advance(1);
    let draft = rig.draft(&rig.agent, "GET", "/paid/page-5").with(&name, &value);
    let late = draft.params(|params| params.nonce = Some("page 5".into())).signed(&rig.agent.key());
    let got = rig.call(&late).await;
    assert_eq!((got.status, got.reason()), (402, Some(Reason::OfferExpired)));
    assert_eq!(got.demand().error.as_deref(), Some("offer_expired"));
    rig.audit().await;
}

#[tokio::test]
async fn folders_and_proxied_servers_are_sold_alike() {
    use crate::rig::{Behind, Setup};
    use std::sync::Arc;
    let files = tempfile::tempdir().unwrap();
    std::fs::create_dir(files.path().join("paid")).unwrap();
    std::fs::write(files.path().join("paid/a.txt"), "a file").unwrap();
    let folder = Arc::new(tollway_http::origin::Folder::new(files.path()));
    for (behind, body) in [(Behind::Other(folder), "a file".to_owned()), (Behind::Proxy, page_text("/paid/a.txt"))] {
        let rig = Rig::with(Setup { socket: true, behind, ..Setup::default() }).await;
        let unpaid = rig.send(&Sent::plain(&rig.site, "GET", "/paid/a.txt")).await.unwrap();
        assert_eq!((unpaid.status, rig.origin.runs()), (402, 0));
        let sent = rig.buy(Way::X402, "/paid/a.txt", "1");
        let got = rig.send(&sent).await.unwrap();
        assert_eq!((got.status, got.body.as_ref()), (200, body.as_bytes()));
        got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::X402);
        let again = rig.send(&sent).await.unwrap();
        assert_eq!((again.status, again.body.as_ref()), (200, body.as_bytes()), "served again, not charged again");
        assert_eq!(rig.audit().await.sales, 1);
    }
}

#[tokio::test]
async fn a_real_key_directory_is_asked_once() {
    use crate::rig::{Agent, Setup, serving};
    use std::sync::Arc;
    use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, directory_response};
    let private = Agent::new("", 9).key();
    let server = serving(move |request, authority| {
        assert_eq!(request.uri().path(), tollway_signatures::DIRECTORY_PATH);
        directory_response(&[&private], authority, "http", NOON).map(tollway_http::body::full)
    })
    .await;
    let keys = KeyDirectory::new(DirectoryOptions { allow_loopback: true, ..DirectoryOptions::default() }).unwrap();
    let agents = keys.agents();
    let agent = Agent::new(server.url.clone(), 9);
    let rig = Rig::with(Setup { keys: Some((Arc::new(keys), agents)), agent, ..Setup::default() }).await;
    for page in 0..3 {
        let got = rig.call(&rig.buy(Way::Handshake, &format!("/paid/{page}"), &page.to_string())).await;
        assert_eq!(got.status, 200, "{:?}", got.reason());
    }
    assert_eq!((rig.audit().await.sales, server.requests()), (3, 1));
}

#[tokio::test]
async fn a_ready_made_demand_is_the_one_that_is_written_for_each() {
    let rig = Rig::new().await;
    for page in ["/paid/a", "/paid/a?b=c", "/crawled/\"quoted\\\"", "/paid/{x}|y?\u{e9}", "/get/caf%C3%A9"] {
        for more in 0..200 {
            let target = format!("{page}{}", "z".repeat(more * 13));
            // The head of an answer is written for its request, whatever its length.
            let ready = rig.call(&Sent::plain(&rig.site, "GET", &target)).await;
            let written = rig.call(&Sent::plain(&rig.site, "HEAD", &target)).await;
            assert_eq!((ready.status, &ready.headers), (402, &written.headers), "{target}");
            assert_eq!(ready.body, written.body, "{target}");
        }
    }
    assert_eq!(rig.origin.runs(), 0);
}

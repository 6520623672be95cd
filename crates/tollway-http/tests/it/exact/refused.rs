//! Payments that are refused before anything runs or moves.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tollway_core::clock::Clock as _;
use tollway_core::scheme::cash::Mood;
use tollway_http::gate::GateOptions;
use tollway_ledger::PaymentFlow;
use tollway_protocol::{Amount, PaymentPayload, Reason as R, header};

use super::shop::{COINS, MONEY, Shop, failed, noted, rules};
use crate::rig::{Got, Sent};

/// Asserts that nothing ran, moved or was written.
async fn nothing_happened(shop: &Shop, name: &str) {
    let facts = (shop.origin.runs(), shop.till.settles(), shop.states().await.len(), shop.till.money("ann"));
    assert_eq!(facts, (0, 0, 0, MONEY), "{name}");
}

async fn check(shop: &Shop, name: &str, sent: &Sent, status: u16, error: &str) -> Got {
    let got = shop.call(sent).await;
    let demand = got.field(header::PAYMENT_REQUIRED).is_some().then(|| got.demand().error.unwrap());
    let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    let said = demand.or_else(|| body["error"].as_str().map(str::to_owned));
    assert_eq!((got.status, said.as_deref()), (status, Some(error)), "{name}: {got:?}");
    nothing_happened(shop, name).await;
    got
}

#[tokio::test]
async fn threat_10_only_a_payment_that_was_verified_is_taken() {
    let shop = Shop::new().await;
    let terms = shop.terms("/paid/a").await;
    let mut forged = shop.note("ann", &terms);
    forged.seal = tollway_ledger::Hash::ZERO;
    let mut late = shop.note("ann", &terms);
    late.until = shop.clock.now();
    for (name, note, error) in [
        ("another's seal", forged, "invalid_exact_cash_signature"),
        ("no account", shop.note("nobody", &terms), "invalid_payload"),
        ("no money", shop.note("poor", &terms), "insufficient_funds"),
        ("too late", late, "payment_expired"),
    ] {
        let sent = shop.paying("GET", "/paid/a", &PaymentPayload::new(terms.clone(), note.payload()));
        let got = check(&shop, name, &sent, 402, error).await;
        assert_eq!(got.demand().accepts.len(), 1, "{name}: fresh offers ride along");
    }
}

#[tokio::test]
async fn threat_12_terms_that_are_not_ours_are_refused_before_anybody_is_asked() {
    let shop = Shop::new().await;
    let terms = shop.terms("/paid/a").await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::to_value(&terms).unwrap();
        change(&mut value);
        serde_json::from_value(value).unwrap()
    };
    for (name, accepted, error) in [
        ("amount", with(&|terms| terms["amount"] = json!("1")), "no_matching_offer"),
        ("payee", with(&|terms| terms["payTo"] = json!("mallory")), "no_matching_offer"),
        ("asset", with(&|terms| terms["asset"] = json!("coin")), "no_matching_offer"),
        ("timeout", with(&|terms| terms["maxTimeoutSeconds"] = json!(900)), "no_matching_offer"),
        ("network", with(&|terms| terms["network"] = json!("cash:other")), "invalid_network"),
        ("flow", with(&|terms| terms["extra"]["paymentFlow"] = json!("upfront")), ""),
        ("offer", with(&|terms| terms["extra"]["offer"] = json!("AAAAAAAAAAAAAAAAAAAAAA")), "offer_unknown"),
        ("no offer's form", with(&|terms| terms["extra"]["offer"] = json!(7)), "offer_unknown"),
    ] {
        let payment = PaymentPayload::new(accepted, shop.note("ann", &terms).payload());
        let sent = shop.paying("GET", "/paid/a", &payment);
        if error.is_empty() {
            // What a buyer adds is not ours to read: the way is the one that we offered.
            continue;
        }
        check(&shop, name, &sent, 402, error).await;
    }
    assert_eq!(shop.till.verifies(), 0, "threat 61: nothing of this is worth a question");
}

#[tokio::test]
async fn threat_12_a_note_that_says_something_else_than_the_terms_is_refused_here() {
    let shop = Shop::new().await;
    let terms = shop.terms("/paid/a").await;
    let dear = tollway_protocol::PaymentRequirements { amount: Amount::new(COINS - 1), ..terms.clone() };
    let foreign = tollway_protocol::PaymentRequirements { pay_to: "mallory".into(), ..terms.clone() };
    for (name, other, error) in [("less", dear, "amount_mismatch"), ("elsewhere", foreign, "pay_to_mismatch")] {
        let payment = PaymentPayload::new(terms.clone(), shop.note("ann", &other).payload());
        check(&shop, name, &shop.paying("GET", "/paid/a", &payment), 402, error).await;
    }
    assert_eq!(shop.till.verifies(), 0);
}

#[tokio::test]
async fn threat_12_an_offer_of_another_rule_buys_nothing() {
    let cheap = noted("cheap", "/cheap/*", PaymentFlow::Authorization, |charge| {
        charge.exact.as_mut().unwrap().ways[0].amount = Amount::new(1);
    });
    let shop = Shop::with(rules().into_iter().chain([cheap]).collect(), GateOptions::default()).await;
    let sent = shop.buy("GET", "/cheap/a").await;
    let payment = sent.field(header::PAYMENT_SIGNATURE);
    let dear = shop.unpaid("GET", "/paid/a").add(header::PAYMENT_SIGNATURE, &payment);
    check(&shop, "cheap for dear", &dear, 402, "offer_unknown").await;
    let later = shop.unpaid("GET", "/later/a").add(header::PAYMENT_SIGNATURE, &payment);
    check(&shop, "a rule without exact", &later, 402, "offer_unknown").await;
    assert_eq!(shop.call(&sent).await.status, 200);
}

#[tokio::test]
async fn threat_70_what_cannot_be_read_is_refused_with_its_reason() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    let text = BASE64_STANDARD.decode(sent.field(header::PAYMENT_SIGNATURE)).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        BASE64_STANDARD.encode(json.to_string())
    };
    for (name, value, status, error) in [
        ("not base64", "!".to_owned(), 400, "malformed_payment"),
        ("another scheme", with(&|json| json["accepted"]["scheme"] = json!("upto")), 402, "unsupported_scheme"),
        ("no payload", with(&|json| json["payload"] = json!([])), 400, "malformed_payment"),
        ("no note", with(&|json| json["payload"] = json!({})), 400, "invalid_payload"),
        ("version 1 in the field of 2", with(&|json| json["x402Version"] = json!(1)), 400, "invalid_x402_version"),
        ("version 3", with(&|json| json["x402Version"] = json!(3)), 400, "invalid_x402_version"),
    ] {
        check(&shop, name, &sent.clone().set(header::PAYMENT_SIGNATURE, value), status, error).await;
    }
    let twice = sent.clone().add(header::PAYMENT_SIGNATURE, sent.field(header::PAYMENT_SIGNATURE));
    check(&shop, "twice", &twice, 400, "field_repeated").await;
    let two = sent.clone().add(header::CRAWLER_MAX_PRICE, "USD 1");
    check(&shop, "two ways", &two, 400, "conflicting_payment").await;
    assert_eq!(shop.till.verifies(), 0);
}

#[tokio::test]
async fn threat_10_a_payload_with_any_bit_flipped_buys_nothing() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    let text = BASE64_STANDARD.decode(sent.field(header::PAYMENT_SIGNATURE)).unwrap();
    let start = text.windows(9).position(|part| part == b"\"payload\"").unwrap();
    for bit in (start * 8)..(text.len() * 8) {
        let mut other = text.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let got = shop.call(&sent.clone().set(header::PAYMENT_SIGNATURE, BASE64_STANDARD.encode(&other))).await;
        assert!(matches!(got.status, 400 | 402), "bit {bit}: {got:?}");
    }
    nothing_happened(&shop, "flipped").await;
    assert_eq!(shop.call(&sent).await.status, 200, "as it was");
}

#[tokio::test]
async fn threat_09_a_facilitator_that_cannot_be_asked_closes_the_route_with_503() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    shop.till.set_mood(Mood::Away);
    let got = check(&shop, "away", &sent, 503, "unexpected_verify_error").await;
    assert!(got.field("retry-after").is_some() && got.field(header::PAYMENT_REQUIRED).is_none());
    shop.till.set_mood(Mood::Honest);
    assert_eq!(shop.call(&sent).await.status, 200, "the same payment, later");
}

#[tokio::test]
async fn threat_04_a_settlement_that_is_refused_releases_no_byte() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    shop.till.set_mood(Mood::Refusing);
    for _ in 0..2 {
        let got = shop.call(&sent).await;
        assert_eq!(got.status, 402);
        assert_eq!(failed(&got).reason.as_deref(), Some("invalid_exact_cash_refused"));
        assert!(!String::from_utf8_lossy(&got.body).contains("page"), "{got:?}");
        assert!(got.field(header::PAYMENT_REQUIRED).is_none(), "as the reference answers");
    }
    assert_eq!((shop.origin.runs(), shop.till.settles(), shop.spooled()), (1, 1, 0));
}

#[tokio::test]
async fn a_body_is_bound_to_its_payment() {
    let shop = Shop::new().await;
    let mut sent = shop.buy("POST", "/paid/a").await;
    sent.body = b"{\"n\":1}".to_vec();
    let wrong = sent.clone().add(header::CONTENT_DIGEST, tollway_signatures::digest::make(b"{}"));
    check(&shop, "digest of another body", &wrong, 400, "digest_mismatch").await;
    assert_eq!(shop.call(&sent).await.status, 200, "no digest need be sent: ours counts");
    let got = shop.call(&Sent { body: b"{\"n\":2}".to_vec(), ..sent }).await;
    assert_eq!(got.reason(), Some(R::ReplayMismatch));
}

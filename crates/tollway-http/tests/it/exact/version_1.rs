//! Clients of x402 version 1 on the same routes: the demand in the body, `X-PAYMENT`, receipts in the
//! form they read.

use serde_json::{Value, json};
use tollway_core::scheme::cash::{Mood, cash_network};
use tollway_core::scheme::exact::{DemandBody, ExactTerms};
use tollway_http::gate::GateOptions;
use tollway_ledger::PaymentFlow;
use tollway_protocol::{Amount, Network, PaymentPayload, Reason as R, SettleResponse, header, v1};

use super::shop::{COINS, MONEY, Shop, coin, json, noted, settled, way};
use crate::rig::{Got, Sent, charging, page_text};

fn named() -> Network {
    "eip155:84532".parse().unwrap()
}

/// A rule that takes notes on a network that version 1 has a name for, at this price.
fn rule(coins: u128) -> tollway_core::rules::Rule {
    noted("pages", "/paid/*", PaymentFlow::Authorization, |charge| {
        let way = &mut charge.exact.as_mut().unwrap().ways[0];
        way.network = named();
        way.amount = Amount::new(coins);
        way.extra.insert("name".into(), json!("Coin"));
        way.extra.insert("version".into(), json!("2"));
    })
}

fn both(id: &str, path: &str, network: Network, body: DemandBody) -> tollway_core::rules::Rule {
    charging(id, path, |charge| {
        let ways = vec![tollway_core::scheme::exact::ExactWay { network, ..way(PaymentFlow::Authorization) }];
        charge.exact = Some(ExactTerms { ways, identifier: None });
        charge.body = body;
    })
}

async fn shop() -> Shop {
    Shop::with(
        vec![
            rule(COINS),
            both("auto", "/auto/*", named(), DemandBody::Auto),
            both("v1", "/v1/*", named(), DemandBody::V1),
            both("deferred", "/deferred/*", named(), DemandBody::Deferred),
            both("nameless", "/nameless/*", cash_network(), DemandBody::V1),
        ],
        GateOptions::default(),
    )
    .await
}

/// Buys as a client of version 1 does: from the body, with its first entry.
async fn buy(shop: &Shop, target: &str) -> Sent {
    let got = shop.call(&shop.unpaid("GET", target)).await;
    let demand = v1::PaymentRequired::decode(&got.body).unwrap();
    let entry = demand.accepts[0].to_v2();
    let payload = shop.note("ann", &entry).payload();
    let payment = v1::PaymentPayload::answering(&entry, payload).unwrap();
    shop.unpaid("GET", target).add(header::X_PAYMENT, payment.encode())
}

fn receipt(got: &Got) -> (SettleResponse, Value) {
    let text = got.field(header::X_PAYMENT_RESPONSE).unwrap_or_else(|| panic!("no receipt: {got:?}"));
    let raw = tollway_protocol::decode_header(text, 8_192).unwrap();
    (v1::decode_receipt(text).unwrap(), raw)
}

#[tokio::test]
async fn a_client_of_version_1_pays_the_same_url() {
    let shop = shop().await;
    let got = shop.call(&shop.unpaid("GET", "/paid/a")).await;
    let body = json(&got);
    assert_eq!((&body["x402Version"], &body["error"]), (&json!(1), &json!("X-PAYMENT header is required")));
    let entry = &body["accepts"][0];
    assert_eq!((&entry["network"], &entry["maxAmountRequired"]), (&json!("base-sepolia"), &json!("500")));
    assert_eq!(entry["resource"], "https://shop.example/paid/a");
    assert_eq!(
        (&entry["description"], &entry["mimeType"], &entry["extra"]["name"]),
        (&json!(""), &json!(""), &json!("Coin"))
    );
    assert_eq!(got.demand().accepts[0].network, named(), "version 2 in the header beside it");
    let sent = buy(&shop, "/paid/a").await;
    let paid = shop.call(&sent).await;
    assert_eq!((paid.status, &paid.body[..]), (200, page_text("/paid/a").as_bytes()));
    assert!(paid.field(header::PAYMENT_RESPONSE).is_none());
    assert!(paid.field("access-control-expose-headers").unwrap().contains(header::X_PAYMENT_RESPONSE));
    let (_, raw) = receipt(&paid);
    let expected = json!({"success": true, "transaction": "slip-1", "network": "base-sepolia", "payer": "ann"});
    assert_eq!(raw, expected, "nothing that a closed schema would refuse");
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered));
    assert_eq!((shop.origin.runs(), shop.till.money("ann")), (1, MONEY - COINS));
}

#[tokio::test]
async fn a_body_never_mixes_kinds() {
    let shop = shop().await;
    let kinds = |got: &Got| {
        let body = json(got);
        let schemes = body["accepts"].as_array().cloned().unwrap_or_default();
        let schemes: Vec<String> = schemes.iter().map(|entry| entry["scheme"].as_str().unwrap().to_owned()).collect();
        (body["x402Version"].as_u64(), schemes.join(" "))
    };
    let exact = || (Some(1), "exact".to_owned());
    let deferred = || (None, "deferred".to_owned());
    for (target, anonymous, agent) in [
        ("/auto/a", exact(), deferred()),
        ("/v1/a", exact(), exact()),
        ("/deferred/a", deferred(), deferred()),
        ("/nameless/a", deferred(), deferred()),
    ] {
        let sent = shop.unpaid("GET", target);
        let got = shop.call(&sent).await;
        assert_eq!(kinds(&got), anonymous, "{target}");
        assert_eq!(got.demand().accepts.len(), 2, "{target}: the header lists both");
        let named = sent.add(header::SIGNATURE_AGENT, "sig1=\"https://crawler.example\"");
        assert_eq!(kinds(&shop.call(&named).await), agent, "{target}, an agent");
    }
}

#[tokio::test]
async fn threat_87_an_older_price_is_honoured_by_its_amount() {
    let shop = Shop::with(vec![rule(COINS)], GateOptions::default()).await;
    let (older, late) = (buy(&shop, "/paid/a").await, buy(&shop, "/paid/a").await);
    shop.clock.advance(100);
    let shop = shop.after_a_crash(vec![rule(COINS + 1)]).await;
    assert_eq!(shop.call(&older).await.status, 200);
    shop.clock.advance(300);
    let got = shop.call(&late).await;
    assert_eq!((got.status, got.reason()), (402, Some(R::NoMatchingOffer)));
    assert_eq!(shop.till.money("ann"), MONEY - COINS);
}

#[tokio::test]
async fn one_authorization_is_one_purchase_in_whichever_version_it_is_sent() {
    let shop = shop().await;
    let terms = shop.terms("/paid/a").await;
    let payload = shop.note("ann", &terms).payload();
    let two = shop.paying("GET", "/paid/a", &PaymentPayload::new(terms.clone(), payload.clone()));
    let one = v1::PaymentPayload::answering(&terms, payload).unwrap();
    let one = shop.unpaid("GET", "/paid/a").add(header::X_PAYMENT, one.encode());
    assert_eq!(settled(&shop.call(&two).await).transaction, "slip-1");
    let again = shop.call(&one).await;
    assert_eq!((again.status, again.reason()), (409, Some(R::AlreadyDelivered)));
    assert!(matches!(receipt(&again).0, SettleResponse::Settled(s) if s.transaction == "slip-1"));
    let two_ways = two.add(header::X_PAYMENT, one.field(header::X_PAYMENT));
    assert_eq!(shop.call(&two_ways).await.reason(), Some(R::ConflictingPayment));
    assert_eq!((shop.origin.runs(), shop.till.paid()), (1, 1));
}

#[tokio::test]
async fn of_two_assets_on_a_network_version_1_is_shown_the_first() {
    let two = noted("two", "/paid/*", PaymentFlow::Authorization, |charge| {
        let ways = &mut charge.exact.as_mut().unwrap().ways;
        ways[0].network = named();
        let mut other = ways[0].clone();
        other.asset = "OTHER".parse().unwrap();
        ways.push(other);
    });
    let shop = Shop::with(vec![two], GateOptions::default()).await;
    let got = shop.call(&shop.unpaid("GET", "/paid/a")).await;
    let demand = v1::PaymentRequired::decode(&got.body).unwrap();
    assert_eq!((demand.accepts.len(), &demand.accepts[0].asset), (1, &coin()));
    assert_eq!(got.demand().accepts.len(), 2);
    assert_eq!(shop.call(&buy(&shop, "/paid/a").await).await.status, 200);
    assert_eq!(shop.payments().await[0].sale.asset, coin());
}

#[tokio::test]
async fn a_demand_that_version_1_cannot_meet_is_not_made_in_it() {
    let mut rule = rule(COINS);
    if let tollway_core::rules::Action::Charge(charge) = &mut rule.action {
        let wish = tollway_core::scheme::exact::IdentifierWish::Required;
        charge.exact.as_mut().unwrap().identifier = Some(wish);
    }
    let shop = Shop::with(vec![rule], GateOptions::default()).await;
    let got = shop.call(&shop.unpaid("GET", "/paid/a")).await;
    assert_eq!((json(&got).get("x402Version"), got.demand().accepts.len()), (None, 1));
}

#[tokio::test]
async fn threat_03_failures_speak_version_1_too() {
    let shop = shop().await;
    let (lost, refused, none) = (buy(&shop, "/paid/a").await, buy(&shop, "/paid/a").await, buy(&shop, "/paid/a").await);
    shop.till.set_mood(Mood::Mute);
    let got = shop.call(&lost).await;
    assert_eq!((got.status, got.reason()), (503, Some(R::SettlementPending)));
    let (_, raw) = receipt(&got);
    assert_eq!((&raw["success"], &raw["errorReason"]), (&json!(false), &json!("settlement_pending")));
    assert!(json(&got).get("accepts").is_none() && got.field(header::PAYMENT_REQUIRED).is_none());
    shop.till.set_mood(Mood::Refusing);
    let got = shop.call(&refused).await;
    assert_eq!((got.status, receipt(&got).1["success"].clone()), (402, json!(false)));
    assert_eq!(json(&got), json!({"x402Version": 1, "error": "invalid_exact_cash_refused", "accepts": []}));
    shop.till.set_mood(Mood::Away);
    assert_eq!(shop.call(&none).await.status, 503);
    shop.till.set_mood(Mood::Honest);
    assert_eq!(shop.call(&lost).await.status, 200);
}

#[tokio::test]
async fn threat_70_what_version_1_says_is_read_strictly() {
    let shop = shop().await;
    let fine = buy(&shop, "/paid/a").await;
    let json: Value = tollway_protocol::decode_header(&fine.field(header::X_PAYMENT), 8_192).unwrap();
    let with = |member: &str, value: Value| {
        let mut json = json.clone();
        json[member] = value;
        tollway_protocol::encode_header(&json)
    };
    for (name, value, status, reason) in [
        ("not base64", "!".to_owned(), 400, R::MalformedPayment),
        ("version 2", with("x402Version", json!(2)), 400, R::UnsupportedVersion),
        ("another scheme", with("scheme", json!("upto")), 402, R::UnsupportedScheme),
        ("no network of version 1", with("network", json!("eip155:84532")), 400, R::MalformedPayment),
        ("a network not offered", with("network", json!("base")), 402, R::UnsupportedNetwork),
        ("no note", with("payload", json!({})), 400, R::InvalidPayload),
    ] {
        let got = shop.call(&fine.clone().set(header::X_PAYMENT, value)).await;
        assert_eq!((got.status, got.reason()), (status, Some(reason)), "{name}: {got:?}");
    }
    let nothing = shop.call(&fine.clone().set(header::X_PAYMENT, "e30=")).await;
    assert_eq!(nothing.status, 400);
    assert_eq!((shop.till.verifies(), shop.origin.runs()), (0, 0));
    assert_eq!(shop.call(&fine).await.status, 200);
}

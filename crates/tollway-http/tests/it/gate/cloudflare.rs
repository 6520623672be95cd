//! The published form of the deferred way on `cloudflare:402`: its demand to the letter, its minimal
//! signature, its words, and what such a signature leaves open buys nothing twice.

use serde_json::{Value, json};
use tollway_core::rules::{Profile, Rule};
use tollway_core::scheme::deferred::cloudflare::requirements;
use tollway_protocol::{
    DeferredPayload, Dress, PaymentPayload, PaymentRequired, Price, Reason, SettleResponse, header,
};

use crate::rig::{Draft, Got, Rig, Sent, Setup, charging};

fn sold(id: &str, path: &str, price: &str, profile: Profile) -> Rule {
    charging(id, path, |charge| {
        charge.price = Price::parse(price).unwrap();
        charge.profile = profile;
        charge.dresses = vec![Dress::X402, Dress::Cloudflare];
    })
}

async fn rig() -> Rig {
    let rules = vec![
        sold("cents", "/cents/*", "$0.05", Profile::Published),
        sold("fine", "/fine/*", "$0.002", Profile::Published),
        sold("strict", "/strict/*", "$0.05", Profile::Strict),
        charging("other", "/other/*", |_| {}),
    ];
    Rig::with(Setup { rules, ..Setup::default() }).await
}

fn demand(got: &Got) -> Value {
    let text = got.headers[header::PAYMENT_REQUIRED].to_str().unwrap();
    serde_json::to_value(PaymentRequired::decode(text).unwrap()).unwrap()
}

/// Signed as published: authority, agent and payment; no path, no nonce.
fn paying(rig: &Rig, target: &str, change: impl FnOnce(&mut PaymentPayload)) -> Draft {
    let offer = rig.offer(target);
    let accepted = requirements(&offer).unwrap();
    let payload = DeferredPayload { amount: accepted.amount, asset: accepted.asset.clone() }.to_map();
    let mut payment = PaymentPayload::new(accepted, payload);
    change(&mut payment);
    let draft = rig.draft(&rig.agent, "GET", target).with(header::PAYMENT_SIGNATURE, &payment.encode());
    ["@method", "@path", "@query"].iter().fold(draft, |draft, name| draft.uncovered(name))
}

fn word(got: &Got) -> Value {
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    body["error"].clone()
}

#[tokio::test]
async fn the_demand_is_the_published_one_where_the_price_is_in_whole_cents() {
    let rig = rig().await;
    let cents = demand(&rig.call(&Sent::plain(&rig.site, "GET", "/cents/a")).await);
    assert_eq!(
        cents["accepts"][1],
        json!({"scheme": "batch-settlement", "network": "cloudflare:402", "amount": "5", "asset": "USD",
               "payTo": "merchant", "maxTimeoutSeconds": 300, "extra": {"version": "1.0.0"}})
    );
    let registration = "https://shop.example/.well-known/tollway/agents";
    let info = json!({"registrationUrl": registration, "signatureSchemes": ["ed25519"], "tags": ["web-bot-auth"]});
    assert_eq!(cents["extensions"]["http-message-signatures"]["info"], info);
    for target in ["/fine/a", "/other/a"] {
        let other = demand(&rig.call(&Sent::plain(&rig.site, "GET", target)).await);
        assert_eq!(other["accepts"].as_array().unwrap().len(), 1, "{target}");
        assert_eq!(other["extensions"]["http-message-signatures"], Value::Null, "{target}");
    }
}

#[tokio::test]
async fn a_crawler_pays_as_published_and_is_receipted_in_cents() {
    let rig = rig().await;
    let sent = paying(&rig, "/cents/a", |_| {}).signed(&rig.agent.key());
    let got = rig.call(&sent).await;
    assert_eq!(got.status, 200, "{:?}", got.reason());
    assert_eq!(rig.owed().await, 50_000);
    let receipt = got.headers[header::PAYMENT_RESPONSE].to_str().unwrap();
    let SettleResponse::Settled(settled) = SettleResponse::decode(receipt).unwrap() else { panic!("{receipt}") };
    assert_eq!((settled.amount.unwrap().get(), settled.network.as_str()), (5, "cloudflare:402"));
    assert!(!settled.transaction.is_empty() && settled.timestamp().is_some());
    got.receipt(&sent, &rig.site, &rig.seller.key().public(), Dress::Cloudflare);
    assert!(rig.audit().await.is_consistent());
}

#[tokio::test]
async fn threat_30_a_minimal_signature_buys_one_page_once_and_is_asked_to_cover_more() {
    let rig = rig().await;
    let first = paying(&rig, "/cents/a", |_| {}).signed(&rig.agent.key());
    for _ in 0..3 {
        rig.call(&first).await;
    }
    assert_eq!((rig.sales().await, rig.origin.runs()), (1, 1));
    let second = Sent { target: "/cents/b".to_owned(), ..first.clone() };
    let got = rig.call(&second).await;
    assert_eq!((got.status, word(&got)), (401, json!("invalid_signature")));
    let asked = got.headers[header::ACCEPT_SIGNATURE].to_str().unwrap();
    assert!(asked.contains("\"@path\"") && asked.contains(";nonce"), "{asked}");
    let strict = rig.call(&paying(&rig, "/strict/a", |_| {}).signed(&rig.agent.key())).await;
    assert_eq!((strict.status, word(&strict)), (401, json!("invalid_signature")));
    assert_eq!((rig.sales().await, rig.origin.runs()), (1, 1));
}

#[tokio::test]
async fn threat_12_another_sum_payee_or_page_is_refused_in_its_own_words() {
    let rig = rig().await;
    let bodies = |got: &Got| (got.status, demand(got)["error"].clone());
    let cheaper = paying(&rig, "/cents/a", |payment| {
        payment.accepted.amount = tollway_protocol::Amount::new(1);
        payment.payload =
            DeferredPayload { amount: payment.accepted.amount, asset: payment.accepted.asset.clone() }.to_map();
    });
    let got = rig.call(&cheaper.signed(&rig.agent.key())).await;
    assert_eq!(bodies(&got), (402, json!("price_not_acceptable")));
    let payee = paying(&rig, "/cents/a", |payment| payment.accepted.pay_to = "somebody".to_owned());
    assert_eq!(bodies(&rig.call(&payee.signed(&rig.agent.key())).await), (402, json!("price_not_acceptable")));
    let mut elsewhere = paying(&rig, "/cents/a", |_| {});
    elsewhere.target = "/other/a".to_owned();
    let got = rig.call(&elsewhere.signed(&rig.agent.key())).await;
    assert_eq!(got.reason(), Some(Reason::UnsupportedScheme));
    let mut fine = paying(&rig, "/cents/a", |_| {});
    fine.target = "/fine/a".to_owned();
    assert_eq!(rig.call(&fine.signed(&rig.agent.key())).await.status, 402);
    assert_eq!((rig.sales().await, rig.origin.runs()), (0, 0));
}

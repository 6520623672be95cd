//! Bad input of buyers: each has its own reason, runs nothing and writes nothing.

use serde_json::{Map, Value, json};
use tollway_core::scheme::deferred::Commitment;
use tollway_mcp::seller::{Answer, Call, Step};
use tollway_mcp::wire::{Payment, names};
use tollway_protocol::{Amount, Network, PaymentPayload, PaymentRequirements, ResourceInfo};
use tollway_signatures::PrivateKey;

use super::rig::{Shop, agent_key, demands, refused, result};

fn four() -> Value {
    json!({"number": 4})
}

/// Calls with the raw value of `_meta["x402/payment"]`.
async fn with_meta(shop: &Shop, payment: Value) -> Map<String, Value> {
    let params = json!({"name": "square", "arguments": four(), "_meta": {names::PAYMENT: payment}});
    match shop.tools.admit(&Call::of_request("tools/call", params.as_object().unwrap(), None).unwrap()).await {
        Step::Answer(answer) => result(answer),
        Step::Pass | Step::Run(_) => panic!("it is refused"),
    }
}

/// A promise that differs from what it ought to be.
async fn promised(shop: &Shop, change: impl FnOnce(&mut Commitment, &mut PaymentPayload)) -> String {
    let mut commitment = shop.commitment("square", &four());
    let mut payment = commitment.payment(&shop.offer("square", &four()), &agent_key());
    change(&mut commitment, &mut payment);
    if payment.payload.contains_key("jws") {
        payment.payload.insert("jws".into(), commitment.sign(&agent_key()).into());
    }
    refused(&shop.call("square", &four(), Some(&Payment::V2(Box::new(payment)))).await)
}

/// A payment at once that differs.
async fn cash(shop: &Shop, change: impl FnOnce(&mut PaymentPayload)) -> Map<String, Value> {
    let Payment::V2(mut payment) = shop.cash("square", &four()).await else { panic!("version 2") };
    change(&mut payment);
    shop.call("square", &four(), Some(&Payment::V2(payment))).await
}

#[tokio::test]
async fn threat_72_malformed_meta_has_its_own_reason() {
    let shop = Shop::new().await;
    for (payment, code) in [
        (json!("not base64!"), "malformed_payment"),
        (json!(7), "malformed_payment"),
        (json!({"x402Version": 2}), "malformed_payment"),
        (json!({"x402Version": 9}), "invalid_x402_version"),
        (json!({"x402Version": 2, "payload": {"a": "x".repeat(40_000)}}), "payment_too_large"),
    ] {
        let answer = with_meta(&shop, payment).await;
        assert_eq!(refused(&answer), code);
        assert!(demands(&answer), "a buyer that errs is told what to pay");
    }
    assert_eq!((shop.runs(), shop.sold().await), (0, 0));
}

#[tokio::test]
async fn threat_30_a_payment_for_another_tool_buys_nothing() {
    let shop = Shop::new().await;
    let promise = shop.promise("cube", &four());
    assert_eq!(refused(&shop.call("square", &four(), Some(&promise)).await), "resource_mismatch");
    let Payment::V2(mut cash) = shop.cash("cube", &four()).await else { panic!("version 2") };
    let answer = shop.call("square", &four(), Some(&Payment::V2(cash.clone()))).await;
    assert_eq!(refused(&answer), "offer_unknown", "the offer is that of another tool");
    cash.resource = Some(ResourceInfo::at("mcp://tool/cube"));
    let answer = shop.call("square", &four(), Some(&Payment::V2(cash))).await;
    assert_eq!(refused(&answer), "resource_mismatch");
    assert_eq!(shop.runs(), 0);
}

#[tokio::test]
async fn threat_30_a_payment_for_other_arguments_buys_nothing() {
    let shop = Shop::new().await;
    let promise = shop.promise("square", &json!({"number": 5}));
    assert_eq!(refused(&shop.call("square", &four(), Some(&promise)).await), "digest_mismatch");
    let cash = shop.cash("square", &four()).await;
    shop.call("square", &four(), Some(&cash)).await;
    let again = shop.call("square", &json!({"number": 5}), Some(&cash)).await;
    assert_eq!(refused(&again), "replay_mismatch", "it was claimed for other arguments");
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn an_expired_payment_buys_nothing() {
    let shop = Shop::new().await;
    let (promise, cash) = (shop.promise("square", &four()), shop.cash("square", &four()).await);
    shop.clock.advance(91);
    assert_eq!(refused(&shop.call("square", &four(), Some(&promise)).await), "expired");
    shop.clock.advance(600);
    assert_eq!(refused(&shop.call("square", &four(), Some(&cash)).await), "offer_expired");
    let future = promised(&shop, |commitment, _| {
        commitment.iat += 100;
        commitment.exp += 100;
    });
    assert_eq!(future.await, "created_in_future");
    let long = promised(&shop, |commitment, _| commitment.exp += 300);
    assert_eq!(long.await, "lifetime_too_long");
    assert_eq!(shop.runs(), 0);
}

#[tokio::test]
async fn threat_12_an_underpaid_or_foreign_payment_buys_nothing() {
    let shop = Shop::new().await;
    let both = |change: fn(&mut Commitment, &mut PaymentRequirements)| {
        promised(&shop, move |commitment, payment| change(commitment, &mut payment.accepted))
    };
    let under = both(|commitment, accepted| {
        commitment.amount = Amount::new(9_999);
        accepted.amount = Amount::new(9_999);
    });
    assert_eq!(under.await, "amount_too_low");
    let over = both(|commitment, accepted| {
        commitment.amount = Amount::new(10_001);
        accepted.amount = Amount::new(10_001);
    });
    assert_eq!(over.await, "amount_mismatch");
    assert_eq!(both(|commitment, _| commitment.amount = Amount::new(1)).await, "amount_mismatch");
    let network = both(|commitment, accepted| {
        commitment.network = Network::cloudflare();
        accepted.network = Network::cloudflare();
    });
    assert_eq!(network.await, "invalid_network");
    let asset = both(|commitment, accepted| {
        commitment.asset = "EUR".parse().unwrap();
        accepted.asset = "EUR".parse().unwrap();
    });
    assert_eq!(asset.await, "asset_mismatch");
    let payee = both(|commitment, accepted| {
        commitment.pay_to = "https://evil.example".into();
        accepted.pay_to = "https://evil.example".into();
    });
    assert_eq!(payee.await, "pay_to_mismatch");
    let terms = both(|commitment, _| commitment.terms = Some(tollway_ledger::Hash::of(b"other terms")));
    assert_eq!(terms.await, "no_matching_offer");
    assert_eq!(promised(&shop, |_, payment| payment.accepted.scheme = "upto".into()).await, "unsupported_scheme");
    assert_eq!(promised(&shop, |_, payment| payment.payload.clear()).await, "malformed_payment");
    assert_eq!((shop.runs(), shop.sold().await), (0, 0));
}

#[tokio::test]
async fn threat_12_an_altered_payment_at_once_buys_nothing() {
    let shop = Shop::new().await;
    let altered = cash(&shop, |payment| payment.accepted.amount = Amount::new(1)).await;
    assert_eq!(refused(&altered), "no_matching_offer");
    let mut less = shop.at_once("square", &four()).await;
    less.amount = Amount::new(1);
    let note = shop.note("ann", &less);
    let under = cash(&shop, |payment| payment.payload = note).await;
    assert_eq!(refused(&under), "amount_mismatch");
    let network = cash(&shop, |payment| payment.accepted.network = Network::cloudflare()).await;
    assert_eq!(refused(&network), "invalid_network");
    let asset = cash(&shop, |payment| payment.accepted.asset = "EURC".parse().unwrap()).await;
    assert_eq!(refused(&asset), "no_matching_offer");
    let empty = cash(&shop, |payment| payment.payload.clear()).await;
    assert_eq!(refused(&empty), "invalid_payload");
    let terms = shop.at_once("square", &four()).await;
    let poor = PaymentPayload::new(terms.clone(), shop.note("poor", &terms));
    let poor = shop.call("square", &four(), Some(&Payment::V2(Box::new(poor)))).await;
    assert!(demands(&poor), "{poor:?}");
    assert_eq!((shop.runs(), shop.till.paid()), (0, 0));
}

#[tokio::test]
async fn a_stranger_or_a_forger_buys_nothing() {
    let shop = Shop::new().await;
    let stranger = promised(&shop, |commitment, _| commitment.agent = "https://stranger.example".into());
    assert_eq!(stranger.await, "agent_not_registered");
    assert_eq!(promised(&shop, |commitment, _| commitment.agent = "not a url".into()).await, "agent_malformed");
    let commitment = shop.commitment("square", &four());
    let foreign = commitment.payment(&shop.offer("square", &four()), &PrivateKey::from_seed([3; 32]));
    let answer = shop.call("square", &four(), Some(&Payment::V2(Box::new(foreign)))).await;
    assert_eq!(refused(&answer), "key_not_found");
    let mut mixed = commitment.payment(&shop.offer("square", &four()), &agent_key());
    let jws = mixed.payload["jws"].as_str().unwrap();
    let other = shop.commitment("square", &four()).sign(&agent_key());
    let forged = format!("{}.{}", jws.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    mixed.payload.insert("jws".into(), forged.into());
    let answer = shop.call("square", &four(), Some(&Payment::V2(Box::new(mixed)))).await;
    assert_eq!(refused(&answer), "signature_invalid");
    assert_eq!(shop.runs(), 0);
}

#[tokio::test]
async fn a_nonce_is_used_once() {
    let shop = Shop::new().await;
    let first = shop.commitment("square", &four());
    let pay = |commitment: &Commitment| {
        Payment::V2(Box::new(commitment.payment(&shop.offer("square", &four()), &agent_key())))
    };
    shop.call("square", &four(), Some(&pay(&first))).await;
    let second = Commitment { iat: first.iat + 1, ..first };
    assert_eq!(refused(&shop.call("square", &four(), Some(&pay(&second))).await), "nonce_replayed");
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn what_cannot_be_asked_is_no_demand() {
    let shop = Shop::new().await;
    let payment = shop.cash("square", &four()).await;
    shop.till.set_mood(tollway_core::scheme::cash::Mood::Away);
    let answer = shop.call("square", &four(), Some(&payment)).await;
    assert_eq!(refused(&answer), "unexpected_verify_error");
    assert!(!demands(&answer));
    let params = json!({"name": "square", "arguments": {"number": 9_007_199_254_740_993_u64},
        "_meta": {names::PAYMENT: {"x402Version": 2}}});
    let step = shop.tools.admit(&Call::of_request("tools/call", params.as_object().unwrap(), None).unwrap()).await;
    assert!(matches!(step, Step::Answer(Answer::Result(_))));
    assert_eq!(shop.runs(), 0);
}

//! A payment from a wallet opens a pass: nobody signs its requests, so it shows a token.

use tollway_core::rules::PassTerms;
use tollway_ledger::{PassBooks as _, PaymentFlow, Sequence};
use tollway_protocol::{Reason as R, header};
use tollway_signatures::{PrivateKey, jws};

use super::shop::{MONEY, Shop, noted};
use crate::rig::{Sent, response};

async fn shop() -> Shop {
    let sold =
        |id, path, flow| noted(id, path, flow, |charge| charge.pass = Some(PassTerms { requests: 3, seconds: 600 }));
    let rules = vec![
        sold("session", "/session/*", PaymentFlow::Authorization),
        sold("first", "/first/*", PaymentFlow::Upfront),
        noted("pages", "/paid/*", PaymentFlow::Authorization, |_| {}),
    ];
    Shop::with(rules, Default::default()).await
}

fn showing(shop: &Shop, target: &str, token: &str) -> Sent {
    shop.unpaid("GET", target).add(header::TOLLWAY_PASS, token)
}

#[tokio::test]
async fn one_payment_opens_a_pass_in_both_flows() {
    let shop = shop().await;
    for (round, path) in ["/session/a", "/first/a"].into_iter().enumerate() {
        let bought = shop.call(&shop.buy("GET", path).await).await;
        assert_eq!((bought.status, bought.field(header::TOLLWAY_PASS_LEFT)), (200, Some("2")), "{bought:?}");
        let token = bought.field(header::TOLLWAY_PASS).unwrap().to_owned();
        for left in ["1", "0"] {
            let got = shop.call(&showing(&shop, path, &token)).await;
            assert_eq!((got.status, got.field(header::TOLLWAY_PASS_LEFT)), (200, Some(left)));
        }
        let over = shop.call(&showing(&shop, path, &token)).await;
        assert_eq!((over.status, over.reason()), (402, Some(R::PassEnded)));
        assert!(over.demand().accepts.iter().any(|entry| entry.scheme == "exact"), "it says how to pay anew");
        assert_eq!(shop.payments().await.len(), round + 1);
    }
    assert_eq!(MONEY - shop.till.money("ann"), 2 * super::shop::COINS);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_brings_its_token() {
    let shop = shop().await;
    let sent = shop.buy("GET", "/session/a").await;
    let first = shop.call(&sent).await;
    let again = shop.call(&sent).await;
    assert_eq!(again.reason(), Some(R::AlreadyDelivered));
    assert_eq!(again.field(header::TOLLWAY_PASS), first.field(header::TOLLWAY_PASS));
    assert_eq!(shop.books.passes(Sequence::ZERO, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn threat_10_a_token_that_is_not_ours_opens_nothing() {
    let shop = shop().await;
    let bought = shop.call(&shop.buy("GET", "/session/a").await).await;
    let token = bought.field(header::TOLLWAY_PASS).unwrap().to_owned();
    let payload = jws::verify("tollway-pass+jws", &token, 4_096, &shop.seller.key().public()).unwrap();
    let forged = jws::sign("tollway-pass+jws", &payload, &PrivateKey::from_seed([77; 32]));
    let other_type = jws::sign("tollway-offer+jws", &payload, shop.seller.key());
    let runs = shop.origin.runs();
    for (name, token) in [
        ("nothing", ""),
        ("words", "pass"),
        ("another key's", forged.as_str()),
        ("another document", other_type.as_str()),
        ("cut", &token[..token.len() - 2]),
        ("long", &"a".repeat(5_000)),
    ] {
        let got = shop.call(&showing(&shop, "/session/a", token)).await;
        assert_eq!((got.status, got.reason()), (402, Some(R::PassUnknown)), "{name}");
    }
    let elsewhere = shop.call(&showing(&shop, "/paid/a", &token)).await;
    assert_eq!((elsewhere.status, elsewhere.reason()), (402, Some(R::PassUnknown)), "another rule");
    let twice = showing(&shop, "/session/a", &token).add(header::TOLLWAY_PASS, &token);
    assert_eq!(shop.call(&twice).await.reason(), Some(R::FieldRepeated));
    assert_eq!(shop.origin.runs(), runs);
}

#[tokio::test]
async fn the_token_stays_between_payer_and_gate() {
    let shop = shop().await;
    let bought = shop.call(&shop.buy("GET", "/session/a").await).await;
    let token = bought.field(header::TOLLWAY_PASS).unwrap().to_owned();
    shop.origin.answer(|| response(200, &[("tollway-pass-left", "99")], "page"));
    let got = shop.call(&showing(&shop, "/session/a", &token)).await;
    assert_eq!(got.field(header::TOLLWAY_PASS_LEFT), Some("1"), "what the upstream says is dropped");
    assert!(!shop.origin.last().headers.contains_key(header::TOLLWAY_PASS));
}

//! The extension `payment-identifier`: a purchase has a name, and is made once under it.

use serde_json::{Map, Value, json};
use tollway_core::scheme::exact::IdentifierWish;
use tollway_http::gate::GateOptions;
use tollway_ledger::PaymentFlow;
use tollway_protocol::{PaymentPayload, Reason as R};

use super::shop::{COINS, MONEY, Shop, noted, settled};
use crate::rig::{Sent, page_text, response};

async fn shop() -> Shop {
    let wishing = |id: &str, path: &str, wish| {
        noted(id, path, PaymentFlow::Authorization, |charge| charge.exact.as_mut().unwrap().identifier = Some(wish))
    };
    let rules = vec![
        wishing("optional", "/paid/*", IdentifierWish::Optional),
        wishing("required", "/named/*", IdentifierWish::Required),
    ];
    Shop::with(rules, GateOptions::default()).await
}

async fn named(shop: &Shop, method: &str, target: &str, id: Value) -> Sent {
    let terms = shop.terms(target).await;
    let mut payment = PaymentPayload::new(terms.clone(), shop.note("ann", &terms).payload());
    let extension = json!({"info": {"required": false, "id": id}, "schema": {}});
    payment.extensions = Some(Map::from_iter([("payment-identifier".to_owned(), extension)]));
    shop.paying(method, target, &payment)
}

#[tokio::test]
async fn a_demand_says_what_it_wishes() {
    let shop = shop().await;
    for (target, required) in [("/paid/a", false), ("/named/a", true)] {
        let demand = shop.call(&shop.unpaid("GET", target)).await.demand();
        let extension = &demand.extensions.unwrap()["payment-identifier"];
        assert_eq!((&extension["info"]["required"], extension["schema"].is_object()), (&json!(required), true));
    }
}

#[tokio::test]
async fn one_is_missing_where_it_is_required() {
    let shop = shop().await;
    let got = shop.call(&shop.buy("GET", "/named/a").await).await;
    assert_eq!((got.status, got.reason()), (400, Some(R::IdentifierMissing)));
    let odd = named(&shop, "GET", "/named/a", json!("too short")).await;
    assert_eq!(shop.call(&odd).await.reason(), Some(R::MalformedPayment));
    assert_eq!((shop.till.verifies(), shop.origin.runs()), (0, 0));
    let fine = named(&shop, "GET", "/named/a", json!("pay_0123456789abcdef")).await;
    assert_eq!(shop.call(&fine).await.status, 200);
    assert_eq!(shop.call(&shop.buy("GET", "/paid/a").await).await.status, 200, "optional is optional");
}

#[tokio::test]
async fn the_same_name_and_payment_get_the_kept_answer_and_another_payment_a_conflict() {
    let shop = shop().await;
    let purchase = json!("pay_0123456789abcdef");
    let sent = named(&shop, "POST", "/paid/a", purchase.clone()).await;
    shop.origin.answer(|| response(201, &[("x-order", "1")], "made"));
    assert_eq!(shop.call(&sent).await.status, 201);
    shop.origin.answer(|| response(500, &[], "never asked"));
    for _ in 0..3 {
        let again = shop.call(&sent).await;
        assert_eq!((again.status, &again.body[..], again.field("x-order")), (201, &b"made"[..], Some("1")));
        assert_eq!(settled(&again).transaction, "slip-1");
    }
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered), "the rule's number of re-serves");
    // Signed anew under the same name: the buyer does not pay twice for one purchase.
    let anew = named(&shop, "POST", "/paid/a", purchase).await;
    let got = shop.call(&anew).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::IdentifierConflict)));
    assert_eq!((shop.origin.runs(), shop.till.money("ann")), (1, MONEY - COINS));
    let other = named(&shop, "POST", "/paid/a", json!("pay_another_purchase")).await;
    shop.origin.answer(|| response(200, &[], page_text("/paid/a")));
    assert_eq!(shop.call(&other).await.status, 200);
}

//! What a 402 says of the exact ways, and how long it is held to it.

use serde_json::json;
use tollway_core::scheme::cash::cash_network;
use tollway_core::scheme::exact::{GasSponsoring, OPEN_MAX};
use tollway_http::gate::GateOptions;
use tollway_ledger::PaymentFlow;
use tollway_protocol::{Amount, PaymentPayload, Reason as R, header, limits};

use super::shop::{COINS, MONEY, Shop, coin, noted, settled, way};
use crate::rig::Sent;

#[tokio::test]
async fn the_header_lists_the_ways_and_the_signed_offer_says_the_same() {
    let shop = Shop::new().await;
    let got = shop.call(&shop.unpaid("GET", "/paid/a")).await;
    let demand = got.demand();
    assert_eq!((demand.accepts.len(), demand.resource.url.as_str()), (1, "https://shop.example/paid/a"));
    let entry = &demand.accepts[0];
    assert_eq!((entry.scheme.as_str(), &entry.network, &entry.asset), ("exact", &cash_network(), &coin()));
    assert_eq!((entry.amount.get(), entry.pay_to.as_str()), (COINS, "shop"));
    assert_eq!(entry.max_timeout_seconds.get(), 300);
    let id = entry.extra("offer").unwrap().as_str().unwrap();
    let jws = shop.call(&shop.unpaid("GET", &format!("/.well-known/tollway/offers/{id}"))).await;
    let text = String::from_utf8(jws.body.to_vec()).unwrap();
    let offer = tollway_core::offer::Offer::verify(&text, &shop.seller.key().public()).unwrap();
    assert_eq!(offer.document().exact, [way(PaymentFlow::Authorization)]);
    assert!(got.field(header::CRAWLER_PRICE).is_none(), "`dresses = []`: nothing deferred is offered");
}

#[tokio::test]
async fn approvals_that_may_come_along_are_declared_where_a_way_names_them() {
    let sponsored = noted("paid", "/paid/*", PaymentFlow::Authorization, |charge| {
        charge.exact.as_mut().unwrap().ways[0].sponsoring = GasSponsoring::ALL.to_vec();
    });
    let plain = noted("plain", "/plain/*", PaymentFlow::Authorization, |_| {});
    let shop = Shop::with(vec![sponsored, plain], GateOptions::default()).await;
    let extensions = shop.call(&shop.unpaid("GET", "/paid/a")).await.demand().extensions.unwrap();
    for (name, member) in [("eip2612GasSponsoring", "signature"), ("erc20ApprovalGasSponsoring", "signedTransaction")] {
        assert_eq!(extensions[name]["info"]["version"], "1", "{name}");
        assert!(extensions[name]["schema"]["properties"].get(member).is_some(), "{name}");
    }
    let plain = shop.call(&shop.unpaid("GET", "/plain/a")).await.demand().extensions.unwrap();
    assert!(plain.keys().all(|name| !name.contains("Sponsoring")), "{plain:?}");
}

#[tokio::test]
async fn a_buyer_is_never_asked_to_leave_a_payment_open_for_long() {
    let long = noted("day", "/day/*", PaymentFlow::Authorization, |charge| charge.lifetime = 86_400);
    let shop = Shop::with(vec![long], GateOptions::default()).await;
    assert_eq!(shop.terms("/day/a").await.max_timeout_seconds.get(), OPEN_MAX);
}

#[tokio::test]
async fn many_ways_and_a_long_url_stay_within_the_header() {
    let many = noted("many", "/*", PaymentFlow::Authorization, |charge| {
        let ways = &mut charge.exact.as_mut().unwrap().ways;
        ways.extend((1..6).map(|n| {
            let mut other = way(PaymentFlow::Authorization);
            other.asset = format!("0x036CbD53842c5426634e7929541eC2318f3dCF7{n}").parse().unwrap();
            other.extra.insert("name".into(), json!("USD Coin"));
            other.extra.insert("version".into(), json!("2"));
            other
        }));
    });
    let shop = Shop::with(vec![many], GateOptions::default()).await;
    for length in [1, 300, 1_500] {
        let target = format!("/{}", "a".repeat(length));
        let got = shop.call(&shop.unpaid("GET", &target)).await;
        assert!(got.field(header::PAYMENT_REQUIRED).unwrap().len() <= limits::DEMAND_HEADER, "{length}");
        let demand = got.demand();
        assert_eq!(demand.accepts.len(), 6);
        let mut payment =
            PaymentPayload::new(demand.accepts[0].clone(), shop.note("ann", &demand.accepts[0]).payload());
        payment.resource = Some(demand.resource);
        assert_eq!(shop.call(&shop.paying("GET", &target, &payment)).await.status, 200, "{length}");
    }
}

/// The usual rules at another price.
fn dearer() -> Vec<tollway_core::rules::Rule> {
    vec![noted("pages", "/paid/*", PaymentFlow::Authorization, |charge| {
        charge.exact.as_mut().unwrap().ways[0].amount = Amount::new(COINS * 2);
    })]
}

#[tokio::test]
async fn threat_87_an_older_quote_is_honoured_until_its_offer_ends() {
    let shop = Shop::new().await;
    let terms = shop.terms("/paid/a").await;
    let offer = |terms: &tollway_protocol::PaymentRequirements| terms.extra("offer").cloned();
    let by_name = PaymentPayload::new(terms.clone(), shop.note("ann", &terms).payload());
    let mut nameless = terms.clone();
    nameless.extra.as_mut().unwrap().remove("offer");
    let by_amount = PaymentPayload::new(nameless.clone(), shop.note("ann", &terms).payload());
    let late = PaymentPayload::new(terms.clone(), shop.note("ann", &terms).payload());
    let late_nameless = PaymentPayload::new(nameless, shop.note("ann", &terms).payload());
    shop.clock.advance(100);
    let shop = shop.after_a_crash(dearer()).await;
    let today = shop.terms("/paid/a").await;
    assert_eq!((today.amount.get(), offer(&today) == offer(&terms)), (COINS * 2, false));
    for payment in [by_name, by_amount] {
        let got = shop.call(&shop.paying("GET", "/paid/a", &payment)).await;
        assert_eq!((got.status, settled(&got).amount.unwrap().get()), (200, COINS));
    }
    shop.clock.advance(400);
    for (payment, reason) in [(late, R::OfferUnknown), (late_nameless, R::NoMatchingOffer)] {
        let got = shop.call(&shop.paying("GET", "/paid/a", &payment)).await;
        assert_eq!((got.status, got.reason()), (402, Some(reason)));
    }
    assert_eq!(shop.till.money("ann"), MONEY - 2 * COINS);
}

#[tokio::test]
async fn what_was_sold_stays_sold_when_the_rule_takes_exact_no_more() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    assert_eq!(shop.call(&sent).await.status, 200);
    shop.clock.advance(86_400);
    let shop = shop.after_a_crash(vec![crate::rig::charging("pages", "/paid/*", |_| {})]).await;
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::AlreadyDelivered)));
    assert_eq!(settled(&got).transaction, "slip-1");
}

#[tokio::test]
async fn scripts_in_browsers_may_read_the_demand() {
    let shop = Shop::new().await;
    let got = shop.call(&shop.unpaid("GET", "/paid/a").add("origin", "https://app.example")).await;
    let exposed = got.field("access-control-expose-headers").unwrap();
    for field in [header::PAYMENT_REQUIRED, header::PAYMENT_RESPONSE, header::X_PAYMENT_RESPONSE] {
        assert!(exposed.contains(field), "{field}");
    }
    let asked: Sent = shop
        .unpaid("OPTIONS", "/paid/a")
        .add("origin", "https://app.example")
        .add("access-control-request-method", "GET")
        .add("access-control-request-headers", "payment-signature, access-control-expose-headers");
    let allowed = shop.call(&asked).await;
    assert_eq!(allowed.status, 204);
    assert!(allowed.field("access-control-allow-headers").unwrap().contains("payment-signature"));
}

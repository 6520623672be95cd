//! Which way is taken, and that it is the one that was checked.

use serde_json::json;
use tollway_mcp::buyer::{Means, Preference, ToolPayerParts};
use tollway_protocol::Amount;

use super::rig::{PRICE, Purse, Shop, call, demand, promise_way, text, way};

fn on(network: &str, asset: &str, amount: u128) -> serde_json::Value {
    let mut way = way(amount);
    way["network"] = json!(network);
    way["asset"] = json!(asset);
    way
}

const BASE: (&str, &str) = ("eip155:8453", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");

#[tokio::test]
async fn threat_25_what_is_checked_is_what_is_signed_in_every_order() {
    let ways = [way(900), on(BASE.0, BASE.1, 5_000_000), promise_way(7_000_000), way(2_000_000)];
    let orders = [[0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0], [2, 3, 0, 1], [1, 2, 3, 0], [3, 0, 1, 2]];
    let preferences = [
        Preference::default(),
        Preference { network: Some(BASE.0.parse().unwrap()), scheme: None },
        Preference { scheme: Some("batch-settlement".into()), network: None },
    ];
    for order in orders {
        for preference in &preferences {
            let purse = Purse::new();
            let accepts: Vec<_> = order.iter().map(|index| ways[*index].clone()).collect();
            let shop = Shop::asking(demand(json!(accepts)));
            let parts = ToolPayerParts { preference: preference.clone(), ..purse.parts.clone() };
            let answered = call(&tollway_mcp::buyer::ToolPayer::new(parts), &shop).await;
            let paid = answered.paid.unwrap().signed;
            assert_eq!((paid.amount, paid.price), (Amount::new(900), Amount::new(900)), "{order:?}");
            assert_eq!(shop.payments()[0].accepted.amount, Amount::new(900));
        }
    }
}

#[tokio::test]
async fn the_preferred_scheme_and_network_come_first_within_the_limits() {
    let accepts = json!([way(900), on(BASE.0, BASE.1, 1_000), promise_way(1_100)]);
    for (scheme, network, taken) in [
        (None, None, "eip155:84532"),
        (None, Some(BASE.0), BASE.0),
        (Some("batch-settlement"), None, "tollway:402"),
        (Some("exact"), Some("tollway:402"), "eip155:84532"),
        (Some("upto"), None, "eip155:84532"),
    ] {
        let mut purse = Purse::new();
        purse.parts.preference =
            Preference { scheme: scheme.map(str::to_owned), network: network.map(|network| network.parse().unwrap()) };
        let answered = call(&purse.payer(), &Shop::asking(demand(accepts.clone()))).await;
        assert_eq!(answered.paid.unwrap().signed.network.as_str(), taken, "{scheme:?} {network:?}");
    }
}

#[tokio::test]
async fn without_means_or_with_ways_that_cannot_be_signed_nothing_is_paid() {
    let strange = json!({"scheme": "upto", "network": "eip155:84532", "amount": "1", "asset": "0xAb", "payTo": "0x01",
        "maxTimeoutSeconds": 60});
    let mut nameless = way(PRICE);
    nameless.as_object_mut().unwrap().remove("extra");
    let mut in_phases = way(PRICE);
    in_phases["extra"]["paymentFlow"] = json!("tomorrow");
    let mut unnamed = promise_way(PRICE);
    unnamed["extra"] = json!({"decimals": 6});
    let mut cents = promise_way(PRICE);
    cents["extra"]["decimals"] = json!(2);
    for (accepts, code) in [
        (strange, "unsupported_scheme"),
        (nameless, "invalid_payment_requirements"),
        (in_phases, "unsupported_scheme"),
        (unnamed, "invalid_payment_requirements"),
        (cents, "asset_mismatch"),
    ] {
        let purse = Purse::new();
        let shop = Shop::asking(demand(json!([accepts])));
        let answered = call(&purse.payer(), &shop).await;
        assert!(text(&answered).contains(code), "{}", text(&answered));
        assert!(purse.signed().await.is_empty() && shop.times() == 1);
    }
    let mut purse = Purse::new();
    purse.parts.means = Means::default();
    let answered = call(&purse.payer(), &Shop::asking(demand(json!([way(PRICE), promise_way(PRICE)])))).await;
    assert!(text(&answered).contains("unsupported_scheme"));
}

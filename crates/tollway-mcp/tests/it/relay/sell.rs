//! A server that knows no money, sold through the relay: the books, the bytes and the runs.

use std::sync::Arc;

use serde_json::{Value, json};
use tollway_mcp::relay::{Limits, Relay, SellHook};
use tollway_mcp::wire::{self, PaymentForm};

use super::stage::{PipeClient, process};
use crate::seller::rig::Shop;

fn sold(shop: &Shop) -> PipeClient {
    PipeClient::of(Relay::new(process(), Arc::new(SellHook::new(shop.tools.clone())), Limits::default()))
}

/// A call of `square` as text, paid in this form.
async fn paid_call(shop: &Shop, id: u32, name: &str, form: PaymentForm) -> String {
    let arguments = json!({ "number": 3 });
    let payment = shop.promise(name, &arguments);
    let mut params = json!({ "name": name, "arguments": arguments }).as_object().unwrap().clone();
    wire::write_payment(&mut params, &payment, form);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{}}}"#, Value::Object(params))
}

#[tokio::test]
async fn an_unpaid_call_never_reaches_the_server_and_a_paid_one_is_settled_and_answered() {
    let shop = Shop::new().await;
    let mut client = sold(&shop);
    client
        .say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"square","arguments":{"number":3}}}"#)
        .await;
    let refused = client.hear().await.unwrap();
    assert!(refused.contains("payment_required") && !refused.contains("heard"), "{refused}");
    for (id, form) in [(2, PaymentForm::Object), (3, PaymentForm::Base64)] {
        client.say(&paid_call(&shop, id, "square", form).await).await;
        let answer: Value = serde_json::from_str(&client.hear().await.unwrap()).unwrap();
        let result = answer["result"].as_object().unwrap();
        assert_eq!(result["heard"]["params"], json!({ "name": "square", "arguments": { "number": 3 } }), "no payment");
        assert!(wire::read_receipt(result).unwrap().is_some(), "{answer}");
    }
    assert_eq!(shop.sold().await, 2);
}

#[tokio::test]
async fn what_is_free_passes_byte_for_byte_and_lists_gain_a_price_alone() {
    let shop = Shop::new().await;
    let mut client = sold(&shop);
    let free = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","arguments":{"n":1.50}}}"#;
    client.say(free).await;
    assert_eq!(client.hear().await.unwrap(), format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"heard":{free}}}}}"#));
    client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#).await;
    let answer = client.hear().await.unwrap();
    assert!(answer.contains(r#"{"z":1.0,"name":"square","_meta":{"#), "{answer}");
    assert!(answer.contains(r#""agents-x402/priceUSD":0.01"#), "{answer}");
    assert!(answer.contains(r#"{"name":"ping","z":1.50}"#), "{answer}");
}

#[tokio::test]
async fn a_cancelled_or_lost_call_is_not_charged() {
    let shop = Shop::new().await;
    let mut client = sold(&shop);
    // The server tells of `quiet` and never answers it.
    let call = paid_call(&shop, 5, "square", PaymentForm::Object).await;
    let call = call.replace(r#""id":5,"#, r#""id":5,"x":{"method":"quiet"},"#);
    client.say(&call).await;
    assert!(client.hear().await.unwrap().contains("notifications/quiet"));
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#).await;
    assert!(client.hear().await.unwrap().contains("notifications/heard"));
    client.say(&paid_call(&shop, 6, "square", PaymentForm::Object).await).await;
    assert!(client.hear().await.unwrap().contains(r#""id":6"#));
    assert_eq!(shop.sold().await, 1, "the cancelled one is not among them");
}

#[tokio::test]
async fn threat_01_a_hundred_copies_of_a_payment_reach_the_server_once() {
    let shop = Shop::new().await;
    let mut client = sold(&shop);
    let call = paid_call(&shop, 0, "square", PaymentForm::Object).await;
    for id in 1..=100 {
        client.say(&call.replacen(r#""id":0"#, &format!(r#""id":{id}"#), 1)).await;
    }
    let mut ran = std::collections::HashSet::new();
    for _ in 1..=100 {
        let answer: Value = serde_json::from_str(&client.hear().await.unwrap()).unwrap();
        // What the server heard tells which of them it was.
        ran.extend(answer["result"]["heard"]["id"].as_u64());
    }
    assert_eq!(ran.len(), 1, "{ran:?}");
    assert_eq!(shop.sold().await, 1);
}

//! What is too much, and what is no JSON-RPC at all.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rig::Rig;

async fn answer(rig: &Rig, body: impl Into<reqwest::Body>) -> Value {
    rig.post(body).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let rig = Rig::new();
    let one = |id: Value, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let batch = json!([one(1.into(), "eth_chainId"), one("b".into(), "eth_nonsense"), 7, { "method": "eth_chainId" }]);
    let answers = answer(&rig, batch.to_string()).await;
    assert_eq!(answers.as_array().unwrap().len(), 3, "what has no id wants no answer");
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(1), &json!("0x14a34")));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("b"), &json!(-32_601)));
    assert_eq!((&answers[2]["id"], &answers[2]["error"]["code"]), (&Value::Null, &json!(-32_600)));
}

#[tokio::test]
async fn batches_and_bodies_are_bounded() {
    let rig = Rig::new();
    for batch in [json!([]), json!(vec![json!({ "id": 1, "method": "eth_chainId" }); 1_001])] {
        assert_eq!(answer(&rig, batch.to_string()).await["error"]["code"], -32_600);
    }
    // The connection may end before all is sent.
    if let Ok(refused) = rig.post(vec![b' '; 4 * 1024 * 1024 + 1]).await {
        assert_eq!(refused.status(), 413);
    }
    assert!(rig.ask("eth_chainId", json!([])).await.is_ok());
    let long = json!([format!("0x{}", "02".repeat(128 * 1024 + 1))]);
    assert!(rig.ask("eth_sendRawTransaction", long).await.err().unwrap().message.starts_with("oversized data"));
    let blocks = json!(["0x999999", "latest"]);
    assert_eq!(rig.ask("eth_feeHistory", blocks).await.unwrap()["oldestBlock"], "0x0");
    let percentiles = json!(["0x1", "latest", [50.0, 10.0]]);
    assert_eq!(rig.ask("eth_feeHistory", percentiles).await.err().unwrap().code, -32_602);
}

#[tokio::test]
async fn the_state_of_long_ago_is_not_kept() {
    let rig = Rig::new();
    rig.ask("anvil_mine", json!([300])).await.unwrap();
    let refused = rig.ask("eth_getBalance", json!([crate::rig::seller(), "0x1"])).await.err().unwrap();
    assert!(refused.message.starts_with("missing trie node"));
    assert!(rig.ask("eth_getBalance", json!([crate::rig::seller(), "0x40"])).await.is_ok());
}

#[tokio::test]
async fn only_posts_are_answered_and_no_page_is_let_in() {
    let rig = Rig::new();
    let got = reqwest::get(rig.chain.url()).await.unwrap();
    assert_eq!((got.status().as_u16(), got.headers()["allow"].to_str().unwrap()), (405, "POST"));
    let posted = rig.post("{}").await.unwrap();
    assert!(!posted.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn what_is_no_request_is_said_to_be_none() {
    let rig = Rig::new();
    for (body, code) in [("", -32_700), ("{", -32_700), ("7", -32_600), ("{}", -32_600)] {
        assert_eq!(answer(&rig, body).await["error"]["code"], code, "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(answer(&rig, deep).await["error"]["code"], -32_700);
    let named = json!({ "id": 1, "method": "eth_call", "params": { "to": "0x" } });
    assert_eq!(answer(&rig, named.to_string()).await["error"]["code"], -32_602);
}

/// Any JSON that is not deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "0x[0-9a-f]{0,70}".prop_map(Value::from),
        "latest|pending|earliest|safe|.{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = "to|from|data|input|gas|value|fromBlock|toBlock|topics|address|blockHash|nonce";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

#[test]
fn no_parameters_break_the_node() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rig = Rig::new();
    let methods = [
        "eth_call",
        "eth_estimateGas",
        "eth_getLogs",
        "eth_getBlockByNumber",
        "eth_feeHistory",
        "eth_getStorageAt",
        "eth_sendRawTransaction",
        "eth_getTransactionCount",
        "anvil_setCode",
        "anvil_setStorageAt",
        "evm_revert",
        "evm_setNextBlockTimestamp",
        "evm_increaseTime",
    ];
    let cases = (prop::sample::select(methods.to_vec()), prop::collection::vec(any_json(), 0..4));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let outcome = runner.run(&cases, |(method, params)| {
        let answered = runtime.block_on(rig.ask(method, json!(params)));
        if let Err(refused) = answered {
            prop_assert_ne!(refused.code, -32_603, "{}", refused.message);
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(runtime.block_on(rig.ask("eth_chainId", json!([]))).is_ok());
}

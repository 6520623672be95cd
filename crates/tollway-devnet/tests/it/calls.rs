//! Calls, estimates, logs: what is asked without a transaction.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use serde_json::{Value, json};
use tollway_devnet::{TEST_USDC, USDC, balance_slot};

use crate::rig::{Rig, Usdc, facilitator, payer, quantity, seller, succeeded};

fn balance_of(account: Address) -> Value {
    json!({ "to": USDC, "data": Bytes::from(Usdc::balanceOfCall { account }.abi_encode()) })
}

fn word(number: u64) -> Value {
    json!(B256::from(U256::from(number)))
}

#[tokio::test]
async fn a_node_says_who_it_is() {
    let rig = Rig::new();
    assert_eq!(rig.ask("eth_chainId", json!([])).await.unwrap(), "0x14a34");
    assert_eq!(rig.ask("net_version", json!([])).await.unwrap(), "84532");
    assert_eq!(rig.ask("eth_syncing", json!([])).await.unwrap(), false);
    assert_eq!(rig.ask("eth_accounts", json!([])).await.unwrap(), json!([]));
    let version = rig.ask("web3_clientVersion", json!([])).await.unwrap();
    assert!(version.as_str().unwrap().starts_with("tollway-devnet/"));
}

#[tokio::test]
async fn a_call_sees_the_state_of_its_block() {
    let rig = Rig::new();
    for nonce in 1..=3 {
        let words = rig.authorization(payer().address, seller(), 10, nonce);
        assert!(succeeded(&rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await));
    }
    let hash = rig.block("0x2").await["hash"].clone();
    let at = async |block: Value| rig.ask("eth_call", json!([balance_of(seller()), block])).await.unwrap();
    assert_eq!(at("0x0".into()).await, word(0));
    assert_eq!(at("0x1".into()).await, word(10));
    assert_eq!(at(json!({ "blockHash": hash })).await, word(20));
    assert_eq!(at("latest".into()).await, word(30));
    assert_eq!(at(Value::Null).await, word(30));
    let future = rig.ask("eth_call", json!([balance_of(seller()), "0x99"])).await.err().unwrap();
    assert_eq!(future.message, "header not found");
    assert_eq!(rig.number("eth_getTransactionCount", json!([facilitator().address, "0x1"])).await, 1);
}

#[tokio::test]
async fn a_call_may_suppose_another_state() {
    let rig = Rig::new();
    let slot = B256::from(balance_slot(seller()));
    let ask = async |overridden: Value| {
        rig.ask("eth_call", json!([balance_of(seller()), "latest", overridden])).await.unwrap()
    };
    let one = |value: u64| json!({ slot.to_string(): B256::from(U256::from(value)) });
    assert_eq!(ask(json!({ USDC.to_string(): { "stateDiff": one(7) } })).await, word(7));
    assert_eq!(ask(json!({ USDC.to_string(): { "state": one(8) } })).await, word(8));
    assert_eq!(ask(json!({ USDC.to_string(): { "code": "0x" } })).await, "0x");
    assert_eq!(rig.usdc(seller()).await, 0, "nothing of it stays");
}

#[tokio::test]
async fn reverts_carry_their_data_and_their_words() {
    let rig = Rig::new();
    let data = Bytes::from(Usdc::transferCall { to: seller(), value: TEST_USDC + U256::ONE }.abi_encode());
    let request = json!({ "from": payer().address, "to": USDC, "data": data });
    for method in ["eth_call", "eth_estimateGas"] {
        let refused = rig.ask(method, json!([request])).await.err().unwrap();
        assert_eq!(refused.code, 3);
        assert_eq!(refused.message, "execution reverted: ERC20: transfer amount exceeds balance");
        assert!(refused.data.as_str().unwrap().starts_with("0x08c379a0"));
    }
}

#[tokio::test]
async fn odd_requests_are_refused_in_words() {
    let rig = Rig::new();
    let refused = async |request: Value| rig.ask("eth_call", json!([request])).await.err().unwrap();
    let two = json!({ "to": USDC, "data": "0x01", "input": "0x02" });
    assert!(refused(two).await.message.starts_with("both \"data\" and \"input\""));
    let poor = json!({ "from": Address::repeat_byte(0x77), "to": USDC, "value": "0x1" });
    assert!(refused(poor).await.message.starts_with("insufficient funds for gas * price + value"));
    let hungry = json!({ "to": USDC, "gas": "0x5208", "data": "0x70a08231" });
    assert!(refused(hungry).await.message.starts_with("intrinsic gas too low"));
    assert_eq!(refused(json!("0x")).await.code, -32_602);
    let missing = rig.ask("eth_call", json!([])).await.err().unwrap();
    assert_eq!(missing.message, "missing value for required argument 0");
}

#[tokio::test]
async fn an_estimate_is_enough_and_not_much_more() {
    let rig = Rig::new();
    let words = rig.authorization(payer().address, seller(), 10, 1);
    let call = rig.bring(payer(), &words);
    let request = json!({ "from": facilitator().address, "to": USDC, "data": Bytes::from(call.abi_encode()) });
    let estimate = rig.number("eth_estimateGas", json!([request])).await;
    let used = quantity(&rig.send(facilitator(), USDC, call).await["gasUsed"]);
    assert!(estimate >= used && estimate < used + used / 20, "{estimate} for {used}");
    let plain = json!({ "from": facilitator().address, "to": seller(), "value": "0x1" });
    assert_eq!(rig.number("eth_estimateGas", json!([plain])).await, 21_000);
    let beyond = json!({ "from": facilitator().address, "to": seller(), "value": "0x1", "maxFeePerGas": "0xffffffffffffffffffff" });
    assert!(rig.ask("eth_estimateGas", json!([beyond])).await.is_err());
}

#[tokio::test]
async fn logs_are_found_by_address_topic_and_block() {
    let rig = Rig::new();
    for nonce in 1..=3 {
        let words = rig.authorization(payer().address, seller(), 10, nonce);
        rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await;
    }
    let find =
        async |filter: Value| rig.ask("eth_getLogs", json!([filter])).await.map(|logs| logs.as_array().unwrap().len());
    assert_eq!(find(json!({ "fromBlock": "0x0" })).await.unwrap(), 6);
    assert_eq!(find(json!({})).await.unwrap(), 2, "the newest block");
    let transfer = Usdc::Transfer::SIGNATURE_HASH;
    assert_eq!(find(json!({ "fromBlock": "0x2", "toBlock": "0x3", "topics": [transfer] })).await.unwrap(), 2);
    let to = seller().into_word();
    assert_eq!(find(json!({ "fromBlock": "earliest", "topics": [transfer, null, [to]] })).await.unwrap(), 3);
    assert_eq!(find(json!({ "fromBlock": "earliest", "topics": [transfer, to] })).await.unwrap(), 0);
    assert_eq!(find(json!({ "fromBlock": "earliest", "address": [seller()] })).await.unwrap(), 0);
    let hash = rig.block("0x1").await["hash"].clone();
    assert_eq!(find(json!({ "blockHash": hash, "address": USDC })).await.unwrap(), 2);
    assert_eq!(find(json!({ "blockHash": B256::ZERO })).await.err().unwrap().message, "unknown block");
    assert_eq!(
        find(json!({ "fromBlock": "0x3", "toBlock": "0x1" })).await.err().unwrap().message,
        "invalid block range params"
    );
}

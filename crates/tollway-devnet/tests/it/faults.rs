//! A node that misbehaves, once, as told.

use serde_json::{Value, json};
use tollway_devnet::{Devnet, DevnetConfig, Fault};

use crate::rig::{Rig, payer, seller, sign};

const ASK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;

#[tokio::test]
async fn a_fault_strikes_once() {
    let rig = Rig::new();
    let error = Fault::Error { code: -32_005, message: "too many requests".into() };
    rig.chain.fail_next("eth_blockNumber", error);
    assert_eq!(rig.number("eth_chainId", json!([])).await, 84_532, "another method is not concerned");
    let refused = rig.ask("eth_blockNumber", json!([])).await.err().unwrap();
    assert_eq!((refused.code, refused.message.as_str()), (-32_005, "too many requests"));
    assert_eq!(rig.number("eth_blockNumber", json!([])).await, 0);
}

#[tokio::test]
async fn a_connection_is_dropped() {
    let rig = Rig::new();
    rig.chain.fail_next("eth_blockNumber", Fault::DropConnection);
    assert!(rig.post(ASK).await.is_err());
    assert!(rig.post(ASK).await.is_ok());
}

#[tokio::test]
async fn garbage_is_no_json() {
    let rig = Rig::new();
    rig.chain.fail_next("eth_blockNumber", Fault::Garbage);
    rig.chain.fail_next("eth_blockNumber", Fault::Status(503));
    assert!(rig.post(ASK).await.unwrap().json::<Value>().await.is_err());
    assert_eq!(rig.post(ASK).await.unwrap().status(), 503);
}

#[tokio::test]
async fn a_request_hangs_until_the_chain_stops() {
    let rig = Rig::new();
    rig.chain.fail_next("eth_blockNumber", Fault::Hang);
    let hanging = tokio::spawn(rig.post(ASK));
    let Ok(other) = rig.ask("eth_chainId", json!([])).await else { panic!("others are answered") };
    assert_eq!(other, "0x14a34");
    tokio::task::spawn_blocking(move || drop(rig)).await.unwrap();
    assert!(hanging.await.unwrap().is_err(), "cut off without an answer");
}

#[tokio::test]
async fn a_transaction_is_taken_and_nobody_hears_of_it() {
    let rig = Rig::new();
    let raw = |nonce| json!([sign(payer(), rig.transaction(nonce, seller()))]);
    let error = Fault::DoThenError { code: -32_603, message: "internal error".into() };
    rig.chain.fail_next("eth_sendRawTransaction", error);
    let refused = rig.ask("eth_sendRawTransaction", raw(0)).await.err().unwrap();
    assert_eq!((refused.code, rig.chain.block_number()), (-32_603, 1));
    rig.chain.fail_next("eth_sendRawTransaction", Fault::DoThenDrop);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": raw(1) });
    assert!(rig.post(body.to_string()).await.is_err());
    assert_eq!(rig.chain.block_number(), 2);
}

#[tokio::test]
async fn faults_can_be_called_off() {
    let rig = Rig::new();
    rig.chain.fail_next("eth_blockNumber", Fault::Hang);
    rig.chain.clear_faults();
    assert!(rig.ask("eth_blockNumber", json!([])).await.is_ok());
}

#[test]
fn a_chain_needs_no_runtime_and_frees_its_address() {
    let chain = Devnet::start(DevnetConfig::default()).unwrap();
    let listen = chain.address();
    assert!(Devnet::start(DevnetConfig { listen, ..DevnetConfig::default() }).is_err(), "it is taken");
    drop(chain);
    assert_eq!(Devnet::start(DevnetConfig { listen, ..DevnetConfig::default() }).unwrap().address(), listen);
}

//! Blocks, time, snapshots, reorgs.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{B256, U256};
use serde_json::{Value, json};
use tollway_devnet::{DevnetConfig, Mining, Reorged, USDC};

use crate::rig::{Rig, facilitator, payer, quantity, seller, succeeded};

impl Rig {
    pub(crate) async fn block(&self, tag: impl Into<Value>) -> Value {
        self.ask("eth_getBlockByNumber", json!([tag.into(), false])).await.unwrap()
    }

    /// Pays the seller once; the transaction's hash.
    async fn pay(&self, nonce: u8) -> Value {
        let words = self.authorization(payer().address, seller(), 10, nonce);
        let receipt = self.send(facilitator(), USDC, self.bring(payer(), &words)).await;
        assert!(succeeded(&receipt));
        receipt["transactionHash"].clone()
    }
}

#[tokio::test]
async fn blocks_are_chained_and_found_by_number_hash_and_tag() {
    let rig = Rig::new();
    let hash = rig.pay(1).await;
    rig.chain.mine();
    let (genesis, paid, head) = (rig.block("earliest").await, rig.block("0x1").await, rig.block("latest").await);
    assert_eq!(paid["parentHash"], genesis["hash"]);
    assert_eq!(head["parentHash"], paid["hash"]);
    assert_eq!(rig.block("safe").await["number"], "0x0");
    assert_eq!(paid["transactions"], json!([hash]));
    let by_hash = rig.ask("eth_getBlockByHash", json!([paid["hash"], true])).await.unwrap();
    assert_eq!(by_hash["transactions"][0]["hash"], hash);
    assert_eq!(by_hash["transactions"][0]["from"], json!(facilitator().address.to_string().to_lowercase()));
    let receipts = rig.ask("eth_getBlockReceipts", json!([paid["number"]])).await.unwrap();
    assert_eq!(receipts[0]["transactionHash"], hash);
    assert_eq!(receipts[0]["blockHash"], paid["hash"]);
    assert_eq!(rig.block("0x99").await, Value::Null);
    assert_eq!(rig.block("pending").await["number"], "0x3");
}

#[tokio::test]
async fn the_base_fee_moves_with_what_blocks_use() {
    let rig = Rig::new();
    let fee = |block: &Value| quantity(&block["baseFeePerGas"]);
    let before = fee(&rig.block("latest").await);
    rig.chain.mine();
    let after = fee(&rig.block("latest").await);
    assert_eq!(after, before - before / 8, "an empty block");
    let history = rig.ask("eth_feeHistory", json!(["0x5", "latest", [50.0]])).await.unwrap();
    let fees = history["baseFeePerGas"].as_array().unwrap();
    assert_eq!((history["oldestBlock"].as_str(), fees.len()), (Some("0x0"), 3));
    assert_eq!(quantity(&fees[1]), after);
    assert_eq!(history["reward"], json!([["0x0"], ["0x0"]]));
    assert_eq!(rig.number("eth_gasPrice", json!([])).await, after - after / 8 + 1_000_000);
}

#[tokio::test]
async fn a_reorg_takes_payments_back() {
    let rig = Rig::new();
    let first = rig.pay(1).await;
    let second = rig.pay(2).await;
    let dropped = rig.block("latest").await;
    assert_eq!(rig.chain.reorg(1, Reorged::Vanish), 1);
    assert_eq!(rig.usdc(seller()).await, 10);
    assert_eq!(rig.ask("eth_getTransactionReceipt", json!([second])).await.unwrap(), Value::Null);
    assert_eq!(rig.ask("eth_getTransactionByHash", json!([second])).await.unwrap(), Value::Null);
    assert_eq!(rig.ask("eth_getBlockByHash", json!([dropped["hash"], false])).await.unwrap(), Value::Null);
    rig.chain.mine();
    let other = rig.block("latest").await;
    assert_eq!((&other["number"], other["hash"] == dropped["hash"]), (&dropped["number"], false));
    assert_eq!(rig.chain.reorg(2, Reorged::Return), 2);
    assert_eq!((rig.chain.pending(), rig.usdc(seller()).await), (1, 0));
    rig.chain.mine();
    assert_eq!(rig.usdc(seller()).await, 10);
    let receipt = rig.ask("eth_getTransactionReceipt", json!([first])).await.unwrap();
    assert_eq!(receipt["blockHash"], rig.block("latest").await["hash"]);
    assert_eq!(rig.chain.reorg(99, Reorged::Vanish), 1, "genesis stays");
}

#[tokio::test]
async fn a_transaction_that_comes_back_has_another_block() {
    let rig = Rig::with(fixed());
    let hash = rig.pay(1).await;
    let before = rig.block("latest").await;
    rig.chain.reorg(1, Reorged::Return);
    rig.chain.mine();
    let after = rig.block("latest").await;
    assert_eq!(after["transactions"], json!([hash]));
    assert_ne!(after["hash"], before["hash"]);
}

#[tokio::test]
async fn snapshots_are_gone_back_to_once() {
    let rig = Rig::new();
    let id = rig.ask("evm_snapshot", json!([])).await.unwrap();
    rig.pay(1).await;
    assert_eq!(rig.ask("evm_revert", json!([id])).await.unwrap(), true);
    assert_eq!((rig.usdc(seller()).await, rig.chain.block_number()), (0, 0));
    assert_eq!(rig.ask("evm_revert", json!([id])).await.unwrap(), false);
    let (first, later) = (rig.chain.snapshot(), rig.chain.snapshot());
    assert!(rig.chain.revert(first));
    assert!(!rig.chain.revert(later), "what came after is gone");
}

#[tokio::test]
async fn held_blocks_are_made_by_hand() {
    let rig = Rig::new();
    rig.chain.hold_blocks(true);
    let words = rig.authorization(payer().address, seller(), 10, 1);
    assert_eq!(rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await, Value::Null);
    assert_eq!((rig.chain.pending(), rig.chain.block_number()), (1, 0));
    rig.ask("evm_mine", json!([])).await.unwrap();
    assert_eq!((rig.chain.pending(), rig.usdc(seller()).await), (0, 10));
    let words = rig.authorization(payer().address, seller(), 10, 2);
    rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await;
    rig.chain.hold_blocks(false);
    assert_eq!(rig.usdc(seller()).await, 20, "let go, the chain goes on");
}

#[tokio::test]
async fn an_interval_makes_blocks_by_itself() {
    let mining = Mining::Interval(Duration::from_millis(20));
    let rig = Rig::with(DevnetConfig { mining, ..DevnetConfig::default() });
    let words = rig.authorization(payer().address, seller(), 10, 1);
    rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await;
    for _ in 0..10_000 {
        if rig.usdc(seller()).await == 10 {
            assert!(rig.chain.block_number() > 0);
            return;
        }
    }
    panic!("ten thousand questions later there was no block");
}

/// A chain whose clock stands still.
fn fixed() -> DevnetConfig {
    DevnetConfig { clock: Arc::new(|| 1_800_000_000), ..DevnetConfig::default() }
}

#[tokio::test]
async fn time_is_what_the_chain_was_given() {
    let rig = Rig::with(DevnetConfig { genesis_time: Some(1_700_000_000), ..fixed() });
    let time = async |tag: &str| quantity(&rig.block(tag).await["timestamp"]);
    assert_eq!(time("latest").await, 1_700_000_000);
    rig.chain.advance_time(100);
    assert_eq!((time("pending").await, time("latest").await), (1_700_000_100, 1_700_000_000));
    assert_eq!(rig.ask("evm_increaseTime", json!([10])).await.unwrap(), -99_999_890_i64);
    rig.chain.mine();
    assert_eq!(time("latest").await, 1_700_000_110);
    rig.ask("evm_setNextBlockTimestamp", json!(["0x6553f2ff"])).await.unwrap();
    rig.chain.mine();
    assert_eq!(time("latest").await, 0x6553_f2ff);
    assert!(rig.ask("evm_setNextBlockTimestamp", json!([5])).await.is_err());
}

#[tokio::test]
async fn an_idle_chain_does_not_fall_behind_the_clock() {
    let rig = Rig::with(fixed());
    let mut words = rig.authorization(payer().address, seller(), 10, 1);
    words.validAfter = U256::from(1_800_000_000);
    let early = rig.call(USDC, rig.bring(payer(), &words)).await;
    assert!(early.is_err());
    rig.chain.advance_time(1);
    assert!(rig.call(USDC, rig.bring(payer(), &words)).await.is_ok(), "no block was made meanwhile");
}

#[tokio::test]
async fn the_same_start_makes_the_same_chain() {
    let hash = async || {
        let rig = Rig::with(fixed());
        rig.pay(1).await;
        rig.block("latest").await["hash"].clone()
    };
    assert_eq!(hash().await, hash().await);
}

#[tokio::test]
async fn nodes_for_development_have_these_methods() {
    let rig = Rig::new();
    let address = seller();
    rig.ask("anvil_setBalance", json!([address, "0x5"])).await.unwrap();
    assert_eq!(rig.number("eth_getBalance", json!([address, "latest"])).await, 5);
    rig.ask("hardhat_setBalance", json!([address, "0x6"])).await.unwrap();
    assert_eq!(rig.number("eth_getBalance", json!([address, "latest"])).await, 6);
    rig.ask("anvil_setCode", json!([address, "0x00"])).await.unwrap();
    assert_eq!(rig.ask("eth_getCode", json!([address, "latest"])).await.unwrap(), "0x00");
    assert!(rig.ask("anvil_setCode", json!([address, "0xef0100"])).await.is_err());
    rig.ask("anvil_setStorageAt", json!([address, "0x1", B256::repeat_byte(2)])).await.unwrap();
    assert_eq!(
        rig.ask("eth_getStorageAt", json!([address, "0x1", "latest"])).await.unwrap(),
        json!(B256::repeat_byte(2))
    );
    rig.ask("anvil_setNonce", json!([address, "0x9"])).await.unwrap();
    assert_eq!(rig.number("eth_getTransactionCount", json!([address, "latest"])).await, 9);
    rig.ask("hardhat_mine", json!(["0x5", "0xa"])).await.unwrap();
    assert_eq!(rig.number("eth_blockNumber", json!([])).await, 5);
    assert!(rig.ask("anvil_mine", json!(["0xffff"])).await.is_err(), "bounded");
    assert_eq!(rig.ask("anvil_nonsense", json!([])).await.err().unwrap().code, -32_601);
}

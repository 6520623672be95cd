//! Transactions that wait: order, gaps, replacement, and geth's words for what is refused.

use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, U256};
use serde_json::{Value, json};
use tollway_devnet::TestAccount;

use crate::rig::{Refused, Rig, facilitator, payer, seller, sign};

impl Rig {
    pub(crate) async fn offer(&self, from: TestAccount, transaction: TxEip1559) -> Result<Value, Refused> {
        self.ask("eth_sendRawTransaction", json!([sign(from, transaction)])).await
    }

    async fn refusal(&self, transaction: TxEip1559) -> String {
        let refused = self.offer(payer(), transaction).await.err().unwrap();
        assert_eq!(refused.code, -32_000);
        refused.message
    }

    async fn nonce(&self, tag: &str) -> u64 {
        self.number("eth_getTransactionCount", json!([payer().address, tag])).await
    }
}

#[tokio::test]
async fn a_gap_waits_until_it_is_filled() {
    let rig = Rig::new();
    let later = rig.offer(payer(), rig.transaction(1, seller())).await.unwrap();
    assert_eq!((rig.nonce("latest").await, rig.nonce("pending").await, rig.chain.pending()), (0, 0, 1));
    let waiting = rig.ask("eth_getTransactionByHash", json!([later])).await.unwrap();
    assert_eq!(waiting["blockHash"], Value::Null);
    assert_eq!(rig.ask("eth_getTransactionReceipt", json!([later])).await.unwrap(), Value::Null);
    rig.offer(payer(), rig.transaction(0, seller())).await.unwrap();
    assert_eq!((rig.nonce("latest").await, rig.chain.pending()), (2, 0));
    assert_eq!(rig.ask("eth_getTransactionReceipt", json!([later])).await.unwrap()["status"], "0x1");
}

#[tokio::test]
async fn a_replacement_pays_a_tenth_more_of_both_fees() {
    let rig = Rig::new();
    rig.chain.hold_blocks(true);
    let with = |fee: u128, tip: u128| TxEip1559 {
        max_fee_per_gas: fee * 1_000_000_000,
        max_priority_fee_per_gas: tip * 100_000_000,
        ..rig.transaction(0, seller())
    };
    let first = rig.offer(payer(), with(10, 10)).await.unwrap();
    for (fee, tip) in [(10, 11), (11, 10), (10, 20)] {
        assert_eq!(rig.refusal(with(fee, tip)).await, "replacement transaction underpriced", "{fee} {tip}");
    }
    let second = rig.offer(payer(), with(11, 11)).await.unwrap();
    assert_eq!(rig.ask("eth_getTransactionByHash", json!([first])).await.unwrap(), Value::Null);
    assert_eq!((rig.nonce("pending").await, rig.chain.pending()), (1, 1));
    rig.chain.mine();
    assert_eq!(rig.ask("eth_getTransactionReceipt", json!([second])).await.unwrap()["status"], "0x1");
    assert_eq!(rig.ask("eth_getTransactionReceipt", json!([first])).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn refusals_have_the_words_that_programs_look_for() {
    let rig = Rig::new();
    let good = || rig.transaction(0, seller());
    rig.offer(payer(), good()).await.unwrap();
    assert_eq!(rig.refusal(good()).await, "already known");
    let used = TxEip1559 { value: U256::ONE, ..good() };
    assert_eq!(rig.refusal(used).await, "nonce too low: next nonce 1, tx nonce 0");
    let next = || rig.transaction(1, seller());
    let dear = TxEip1559 { value: U256::MAX, ..next() };
    assert!(rig.refusal(dear).await.starts_with("insufficient funds for gas * price + value: balance "));
    let small = TxEip1559 { gas_limit: 20_000, ..next() };
    assert_eq!(rig.refusal(small).await, "intrinsic gas too low: gas 20000, minimum needed 21000");
    let large = TxEip1559 { gas_limit: 30_000_001, ..next() };
    assert_eq!(rig.refusal(large).await, "exceeds block gas limit");
    let capped = TxEip1559 { gas_limit: 16_777_217, ..next() };
    assert_eq!(rig.refusal(capped).await, "transaction gas limit too high (cap: 16777216, tx: 16777217)");
    let tip = TxEip1559 { max_priority_fee_per_gas: 20_000_000_000, ..next() };
    assert!(rig.refusal(tip).await.starts_with("max priority fee per gas higher than max fee per gas"));
    let elsewhere = TxEip1559 { chain_id: 1, ..next() };
    assert_eq!(rig.refusal(elsewhere).await, "invalid chain id for signer: have 1 want 84532");
    let garbage = rig.ask("eth_sendRawTransaction", json!(["0x02c0"])).await.err().unwrap();
    assert!(garbage.message.starts_with("rlp: "), "{}", garbage.message);
    assert_eq!(rig.nonce("pending").await, 1);
}

#[tokio::test]
async fn what_waits_is_paid_for_together() {
    let rig = Rig::new();
    let poor = TestAccount::new(100);
    rig.chain.set_balance(poor.address, U256::from(15_000_000_000_000_000_u64));
    let transaction = |nonce| rig.transaction(nonce, seller());
    rig.offer(poor, transaction(1)).await.unwrap();
    let refused = rig.offer(poor, transaction(2)).await.err().unwrap().message;
    assert!(refused.starts_with("insufficient funds for gas * price + value: "), "{refused}");
}

#[tokio::test]
async fn the_best_tip_goes_first_and_a_low_fee_waits() {
    let rig = Rig::new();
    rig.chain.hold_blocks(true);
    let tip = |tip: u128| TxEip1559 { max_priority_fee_per_gas: tip, ..rig.transaction(0, seller()) };
    let low = rig.offer(payer(), tip(1)).await.unwrap();
    let high = rig.offer(facilitator(), tip(2)).await.unwrap();
    let cheap = TxEip1559 { max_fee_per_gas: 1_000, max_priority_fee_per_gas: 1, ..rig.transaction(0, seller()) };
    rig.offer(TestAccount::new(3), cheap).await.unwrap();
    rig.chain.mine();
    let block = rig.ask("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    assert_eq!(block["transactions"], json!([high, low]));
    assert_eq!(rig.chain.pending(), 1, "below the base fee");
    rig.chain.set_next_base_fee(500);
    rig.chain.mine();
    assert_eq!(rig.chain.pending(), 0);
}

#[tokio::test]
async fn what_does_not_fit_goes_into_the_next_block() {
    let rig = Rig::new();
    rig.chain.hold_blocks(true);
    for nonce in 0..4 {
        let large = TxEip1559 { gas_limit: 12_000_000, ..rig.transaction(nonce, seller()) };
        rig.offer(payer(), large).await.unwrap();
    }
    rig.chain.hold_blocks(false);
    assert_eq!((rig.chain.pending(), rig.nonce("latest").await), (0, 4));
}

#[tokio::test]
async fn pending_transactions_can_be_dropped() {
    let rig = Rig::new();
    rig.chain.hold_blocks(true);
    let hash = rig.offer(payer(), rig.transaction(0, seller())).await.unwrap();
    assert_eq!(rig.chain.drop_pending(), 1);
    assert_eq!(rig.ask("eth_getTransactionByHash", json!([hash])).await.unwrap(), Value::Null);
    let hash = rig.offer(payer(), rig.transaction(0, seller())).await.unwrap();
    assert_eq!(rig.ask("anvil_dropTransaction", json!([hash])).await.unwrap(), hash);
    assert_eq!(rig.ask("anvil_dropTransaction", json!([B256::ZERO])).await.unwrap(), Value::Null);
    assert_eq!(rig.nonce("pending").await, 0);
}

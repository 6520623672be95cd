//! Many payments at once: several signers, shared transactions, one outcome for each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, U256};
use tollway_devnet::Mining;
use tollway_evm::settle::SettleConfig;

use super::rig::{Stage, all, config, one, pay_to, payment, rpc, transaction, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_over_three_signers_are_all_mined() {
    let stage = Stage::new(Mining::Interval(Duration::from_millis(100)));
    let alone = SettleConfig { batch: 1, ..config() };
    let settler = Arc::new(stage.settler(3, alone).await);
    let answers = all(&settler, (0..100).map(payment).collect()).await;
    let hashes: HashSet<_> = answers.iter().map(transaction).collect();
    assert_eq!(hashes.len(), 100);
    assert_eq!(stage.balance(pay_to()).await, U256::from(100_000));
    let chain = rpc(&stage.chain.url());
    for signer in settler.signers() {
        assert!(chain.transaction_count(*signer).await.unwrap() > 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_transactions_cost_at_least_a_quarter_less_gas() {
    let stage = Stage::new(Mining::Instant);
    let chain = rpc(&stage.chain.url());
    let mut number = 0;
    let mut next = || {
        number += 1;
        payment(number)
    };
    let mut per_payment = HashMap::new();
    for size in [1_usize, 2, 10, 50, 100] {
        // Goes as soon as all are there, however long that takes.
        let gathering = SettleConfig { batch: size, gather: Duration::from_secs(600), ..config() };
        let settler = Arc::new(stage.settler(1, gathering).await);
        // Something under way, so that the others gather.
        stage.chain.hold_blocks(true);
        let opening = tokio::spawn(one(&settler, next()));
        until(|| stage.chain.pending() == 1).await;
        let settling = tokio::spawn(all(&settler, (0..size).map(|_| next()).collect()));
        until(|| stage.chain.pending() == 2).await;
        stage.chain.hold_blocks(false);
        transaction(&opening.await.unwrap());
        let answers = settling.await.unwrap();
        let hashes: HashSet<B256> = answers.iter().map(transaction).collect();
        assert_eq!(hashes.len(), 1);
        let receipt = chain.receipt(transaction(&answers[0])).await.unwrap().unwrap();
        let gas = receipt.gas_used / u64::try_from(size).unwrap();
        println!("{size:>3} in a transaction: {gas} gas a payment");
        per_payment.insert(size, gas);
    }
    assert!(per_payment[&100] * 4 <= per_payment[&1] * 3, "{per_payment:?}");
}

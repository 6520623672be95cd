//! Nodes that lie, hang and die, blocks that leave the chain, pools that forget: one transfer all the same.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::U256;
use tollway_devnet::{Fault, Mining, Reorged};
use tollway_evm::settle::{Answer, SettleConfig, Settler};
use tollway_ledger::{SettlementState, Settlements};

use super::proxy::Proxy;
use super::rig::{
    Stage, config, network, one, pay_to, payment, reaches, rpc_of, settled_at_last, signers, transaction, until,
};

fn error() -> (i64, String) {
    (-32_603, "internal error".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_03_a_node_that_takes_it_and_says_otherwise_pays_once() {
    let (code, message) = error();
    for fault in [Fault::DoThenError { code, message }, Fault::DoThenDrop, Fault::DoThenHang] {
        let stage = Stage::new(Mining::Instant);
        let settler = stage.settler(1, config()).await;
        stage.chain.fail_next("eth_sendRawTransaction", fault);
        transaction(&settler.settle(payment(1)).await.unwrap());
        assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
        assert_eq!(stage.chain.block_number(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_before_taking_it_is_asked_again() {
    let (code, message) = error();
    let busy = Fault::Error { code: -32_005, message: "limit exceeded".to_owned() };
    let faults = [Fault::Error { code, message }, busy, Fault::DropConnection, Fault::Garbage, Fault::Status(503)];
    let stage = Stage::new(Mining::Instant);
    let settler = stage.settler(1, config()).await;
    for (number, fault) in (1..).zip(faults) {
        stage.chain.fail_next("eth_sendRawTransaction", fault.clone());
        stage.chain.fail_next("eth_getTransactionReceipt", fault.clone());
        stage.chain.fail_next("eth_getTransactionCount", fault);
        transaction(&settler.settle(payment(number)).await.unwrap());
        assert_eq!(stage.balance(pay_to()).await, U256::from(1_000 * number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endpoints_of_which_the_first_dies_after_taking_it() {
    let stage = Stage::new(Mining::Instant);
    let first = Proxy::start(stage.chain.address()).await;
    let rpc = rpc_of(vec![first.url(), stage.chain.url()]);
    let settler = Settler::start(network(), stage.ports_by(rpc), signers(1), config());
    let settler = settler.await.unwrap();
    first.die_on("eth_sendRawTransaction");
    transaction(&settler.settle(payment(1)).await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    assert_eq!(stage.chain.block_number(), 1);
    transaction(&settler.settle(payment(2)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_51_a_transaction_that_the_pool_forgets_is_sent_again() {
    let stage = Stage::new(Mining::Instant);
    let settler = Arc::new(stage.settler(1, config()).await);
    stage.chain.hold_blocks(true);
    let settling = tokio::spawn(one(&settler, payment(1)));
    until(|| stage.chain.pending() == 1).await;
    assert_eq!(stage.chain.drop_pending(), 1);
    until(|| stage.chain.pending() == 1).await;
    stage.chain.hold_blocks(false);
    transaction(&settling.await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_56_what_a_reorganisation_takes_back_is_settled_again() {
    for vanish in [Reorged::Return, Reorged::Vanish] {
        let stage = Stage::new(Mining::Instant);
        let settler = stage.settler(1, config()).await;
        let order = payment(1);
        transaction(&settler.settle(order.clone()).await.unwrap());
        stage.chain.hold_blocks(true);
        assert_eq!(stage.chain.reorg(1, vanish), 1);
        // Another block in its place, or none yet: the payment is not settled any more.
        stage.chain.drop_pending();
        stage.chain.mine();
        reaches(&*stage.books, &order.id, |state| matches!(state, SettlementState::Broadcast { .. })).await;
        stage.chain.hold_blocks(false);
        settled_at_last(&settler, &order).await;
        assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_52_a_transaction_that_offers_too_little_is_replaced() {
    let stage = Stage::new(Mining::Interval(Duration::from_millis(50)));
    let settler = Arc::new(stage.settler(1, config()).await);
    stage.chain.hold_blocks(true);
    let settling = tokio::spawn(one(&settler, payment(1)));
    until(|| stage.chain.pending() == 1).await;
    let first = stage.books.lookup(&payment(1).id).await.unwrap().unwrap().state.transaction().unwrap();
    let offered = stage.books.attempts(&network(), settler.signers()[0].into_array()).await.unwrap();
    // Beyond what the first attempt offers, and within what the policy pays.
    let base_fee = u64::try_from(offered[0].max_fee * 4).unwrap();
    stage.chain.set_next_base_fee(base_fee);
    stage.chain.mine();
    stage.chain.set_next_base_fee(base_fee);
    until(|| {
        stage.chain.set_next_base_fee(base_fee);
        stage.chain.mine();
        settling.is_finished()
    })
    .await;
    let settled = transaction(&settling.await.unwrap());
    assert_ne!(settled.0, first);
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_confirmed_in_time_is_pending_with_its_hash_and_final_when_asked_again() {
    let stage = Stage::new(Mining::Instant);
    let hasty = SettleConfig { window: Duration::from_millis(100), ..config() };
    let settler = stage.settler(1, hasty).await;
    stage.chain.hold_blocks(true);
    let order = payment(1);
    let Answer::Pending { transaction: sent } = settler.settle(order.clone()).await.unwrap() else {
        panic!("not pending");
    };
    assert!(matches!(settler.settle(order.clone()).await.unwrap(), Answer::Pending { .. }));
    stage.chain.hold_blocks(false);
    reaches(&*stage.books, &order.id, SettlementState::is_final).await;
    assert_eq!(transaction(&settler.settle(order).await.unwrap()), sent);
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_waits_for_its_confirmations() {
    let stage = Stage::new(Mining::Instant);
    let patient = SettleConfig { confirmations: 3, window: Duration::from_millis(200), ..config() };
    let settler = stage.settler(1, patient).await;
    assert!(matches!(settler.settle(payment(1)).await.unwrap(), Answer::Pending { .. }));
    stage.chain.mine();
    assert!(matches!(settler.settle(payment(1)).await.unwrap(), Answer::Pending { .. }));
    stage.chain.mine();
    reaches(&*stage.books, &payment(1).id, SettlementState::is_final).await;
    transaction(&settler.settle(payment(1)).await.unwrap());
}

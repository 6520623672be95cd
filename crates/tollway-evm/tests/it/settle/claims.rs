//! One payment, one transfer: however often and at however many times at once it is asked for.

use std::sync::Arc;

use alloy_primitives::U256;
use futures_util::future::join_all;
use tollway_devnet::Mining;
use tollway_evm::settle::{Answer, reasons};
use tollway_ledger::{Hash, SettlementState, Settlements};

use super::rig::{Stage, config, pay_to, payment, transaction};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_settles_and_a_repeat_gets_the_same_answer() {
    let stage = Stage::new(Mining::Instant);
    let settler = stage.settler(1, config()).await;
    let order = payment(1);
    let first = settler.settle(order.clone()).await.unwrap();
    transaction(&first);
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    assert_eq!(settler.settle(order.clone()).await.unwrap(), first);
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    let record = stage.books.lookup(&order.id).await.unwrap().unwrap();
    assert!(matches!(record.state, SettlementState::Settled { .. }));
    drop(settler);
    // Another process on the same books.
    let settler = stage.settler(1, config()).await;
    assert_eq!(settler.settle(order).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_01_a_thousand_copies_at_once_are_one_transfer() {
    let stage = Stage::new(Mining::Instant);
    let settler = Arc::new(stage.settler(3, config()).await);
    let order = payment(7);
    let copies = (0..1_000).map(|_| {
        let (settler, order) = (Arc::clone(&settler), order.clone());
        tokio::spawn(async move { settler.settle(order).await.unwrap() })
    });
    let answers: Vec<Answer> = join_all(copies).await.into_iter().map(Result::unwrap).collect();
    transaction(&answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    assert_eq!(stage.chain.block_number(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_payload_under_the_same_nonce_is_refused() {
    let stage = Stage::new(Mining::Instant);
    let settler = stage.settler(1, config()).await;
    let order = payment(1);
    transaction(&settler.settle(order.clone()).await.unwrap());
    let mut other = order;
    other.digest = Hash::of(b"other");
    let refused = Answer::Failed { reason: reasons::NONCE_USED.to_owned(), transaction: None };
    assert_eq!(settler.settle(other).await.unwrap(), refused);
}

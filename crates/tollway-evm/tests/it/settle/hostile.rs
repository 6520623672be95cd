//! Tokens that misbehave, strangers that come first, wallets that burn gas, gas that nobody can pay.

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use tollway_core::clock::SystemClock;
use tollway_devnet::{Contract, Mining, TestAccount, USDC};
use tollway_evm::settle::{Answer, FeePolicy, Order, SettleConfig, SettleError, SettlePorts, Settler, reasons};
use tollway_ledger::{MemorySettlements, Settlements};

use super::rig::{
    Payment, Stage, all, balance_of, config, network, one, pay_to, payer, payment, rpc, signer, signers, transaction,
    until,
};

const TOKEN: Address = Address::repeat_byte(0x70);
const BURNER: Address = Address::repeat_byte(0xb0);

impl Stage {
    /// A settler that is somebody else's: other books, another key.
    async fn stranger(&self) -> Arc<Settler> {
        let ports = SettlePorts {
            rpc: rpc(&self.chain.url()),
            books: Arc::new(MemorySettlements::new()),
            clock: Arc::new(SystemClock),
        };
        let keys = vec![signer(TestAccount::new(9))];
        Arc::new(Settler::start(network(), ports, keys, config()).await.unwrap())
    }

    fn token(&self, token: Contract) -> Order {
        self.chain.install_token(token, TOKEN);
        self.chain.mint_token(TOKEN, payer().address, U256::from(1_000_000));
        Payment { asset: TOKEN, ..Payment::default() }.order()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_20_a_token_that_moves_something_else_has_not_paid() {
    for token in [Contract::FeeToken, Contract::FalseToken, Contract::WrongLogToken] {
        let stage = Stage::new(Mining::Instant);
        let order = stage.token(token);
        let settler = stage.settler(1, config()).await;
        let Answer::Failed { reason, transaction: Some(_) } = settler.settle(order).await.unwrap() else {
            panic!("{token:?} was believed");
        };
        assert_eq!(reason, reasons::TRANSFER_MISMATCH, "{token:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_20_a_token_that_does_nothing_for_a_used_nonce_has_paid_the_first_time_only() {
    let stage = Stage::new(Mining::Instant);
    let order = stage.token(Contract::NoopToken);
    let first = stage.stranger().await.settle(order.clone()).await.unwrap();
    let settler = stage.settler(1, config()).await;
    assert_eq!(transaction(&settler.settle(order).await.unwrap()), transaction(&first));
    assert_eq!(balance_of(&rpc(&stage.chain.url()), TOKEN, pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_31_whoever_brings_the_payment_to_the_chain_first_it_is_paid_once() {
    let stage = Stage::new(Mining::Instant);
    let (settler, stranger) = (Arc::new(stage.settler(1, config()).await), stage.stranger().await);
    stage.chain.hold_blocks(true);
    let theirs = tokio::spawn(one(&stranger, payment(1)));
    until(|| stage.chain.pending() == 1).await;
    let ours = tokio::spawn(one(&settler, payment(1)));
    until(|| stage.chain.pending() == 2).await;
    stage.chain.hold_blocks(false);
    assert_eq!(transaction(&ours.await.unwrap()), transaction(&theirs.await.unwrap()));
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_32_a_balance_that_went_elsewhere_fails_in_company_and_costs_nobody_else() {
    let stage = Stage::new(Mining::Instant);
    let settler = Arc::new(stage.settler(1, config()).await);
    let poor = TestAccount::new(77);
    let mut orders: Vec<Order> = (0..9).map(payment).collect();
    orders.push(Payment { from: poor, number: 9, ..Payment::default() }.order());
    let mut answers = all(&settler, orders).await;
    let failed = answers.pop().unwrap();
    assert!(matches!(failed, Answer::Failed { reason, .. } if reason == reasons::TRANSACTION_FAILED));
    answers.iter().for_each(|answer| assert!(!transaction(answer).is_zero()));
    assert_eq!(stage.balance(pay_to()).await, U256::from(9_000));
}

/// 99 honest payments and one of a wallet that burns all gas; in company or by itself.
async fn beside_a_burner(shareable: bool) {
    let stage = Stage::new(Mining::Instant);
    stage.chain.set_code(BURNER, Contract::GasBurner.runtime());
    stage.chain.mint_usdc(BURNER, U256::from(1_000_000));
    let settler = Arc::new(stage.settler(2, config()).await);
    let burner = Payment { number: 99, shareable, ..Payment::default() }.from_wallet(BURNER, 360_000);
    let mut orders: Vec<Order> = (0..99).map(payment).collect();
    orders.insert(0, burner);
    let answers = all(&settler, orders).await;
    assert!(matches!(&answers[0], Answer::Failed { reason, .. } if reason == reasons::TRANSACTION_FAILED));
    answers[1..].iter().for_each(|answer| assert!(!transaction(answer).is_zero()));
    assert_eq!(stage.balance(pay_to()).await, U256::from(99_000));
    assert_eq!(stage.balance(BURNER).await, U256::from(1_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_58_a_wallet_that_burns_gas_does_so_alone_and_99_settle() {
    beside_a_burner(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_a_payer_that_got_code_after_it_was_verified_spoils_nothing() {
    beside_a_burner(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_53_a_signer_without_gas_is_passed_over_and_comes_back() {
    let stage = Stage::new(Mining::Instant);
    let poor = TestAccount::new(60);
    let mut keys = vec![signer(poor)];
    keys.extend(signers(1));
    let settler = Settler::start(network(), stage.ports(), keys, config()).await.unwrap();
    transaction(&settler.settle(payment(1)).await.unwrap());
    drop(settler);

    let hasty = SettleConfig { window: std::time::Duration::from_millis(300), ..config() };
    let settler = Settler::start(network(), stage.ports(), vec![signer(poor)], hasty).await.unwrap();
    let order = payment(2);
    assert_eq!(settler.settle(order.clone()).await, Err(SettleError::NotSent));
    assert!(matches!(settler.ready(), Err(SettleError::Declined { .. })));
    stage.chain.fund(poor.address, U256::from(10).pow(U256::from(18)));
    super::rig::reaches(&*stage.books, &order.id, tollway_ledger::SettlementState::is_final).await;
    transaction(&settler.settle(order).await.unwrap());
    assert_eq!(settler.ready(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_19_gas_beyond_the_cap_or_the_days_budget_is_declined_and_nothing_is_kept() {
    let stage = Stage::new(Mining::Instant);
    let dear = FeePolicy { max_fee: 1, ..FeePolicy::default() };
    let spent = FeePolicy { daily_gwei: Some(0), ..FeePolicy::default() };
    for fees in [dear, spent] {
        let settler = stage.settler(1, SettleConfig { fees, ..config() }).await;
        assert!(matches!(settler.settle(payment(1)).await, Err(SettleError::Declined { .. })));
        assert_eq!(stage.books.lookup(&payment(1).id).await.unwrap(), None);
    }
    let settler = stage.settler(1, config()).await;
    transaction(&settler.settle(payment(1)).await.unwrap());
    assert_eq!(balance_of(&rpc(&stage.chain.url()), USDC, pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_84_what_ends_too_soon_is_never_sent() {
    let stage = Stage::new(Mining::Instant);
    let settler = stage.settler(1, config()).await;
    let soon = tollway_core::clock::Clock::now(&SystemClock) + 3;
    let order = Payment { valid_before: soon, ..Payment::default() }.order();
    let failed = Answer::Failed { reason: reasons::EXPIRED.to_owned(), transaction: None };
    assert_eq!(settler.settle(order).await.unwrap(), failed);
    assert_eq!(stage.chain.block_number(), 0);
}

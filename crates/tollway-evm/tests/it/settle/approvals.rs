//! Payments that bring their payer's approval of Permit2 along as a transaction, which is brought to
//! the chain first; payers without coins, and what goes wrong with either.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use serde_json::{Map, Value, json};
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_devnet::{Fault, Mining, TestAccount, USDC};
use tollway_evm::chain::ChainReader as _;
use tollway_evm::client::{ExactWallet, LocalSigner, Order as Purchase, Version};
use tollway_evm::gas_sponsoring::{AccountState, ERC20_APPROVAL};
use tollway_evm::settle::{self, Answer, ApprovalGas, Order, SettleConfig, SettlePorts, Settler};
use tollway_evm::verify::{NotVerified, Verifier, VerifierOptions};
use tollway_ledger::{SettlementState, Settlements as _};
use tollway_protocol::{FacilitatorRequest, PaymentPayload, PaymentRequirements};
use zeroize::Zeroizing;

use super::crash::{Halting, final_at_once, killed, say, until_closed};
use super::rig::{Stage, config, network, pay_to, reaches, rpc, signers, transaction};

sol! {
    function approve(address spender, uint256 amount) returns (bool);
    function allowance(address owner, address spender) returns (uint256);
}

const GWEI: u128 = 1_000_000_000;
/// What an approval of 70,000 gas costs at the 2 gwei that these payers offer.
const COST: u128 = 140_000 * GWEI;
const CHILD: &str = "TOLLWAY_CRASH_APPROVAL";
/// Before and after each of claim, gift, its outcome, settlement, its outcome and the two closings.
const STEPS: usize = 14;

fn generous(config: SettleConfig) -> SettleConfig {
    SettleConfig { approval_gas: ApprovalGas { most: COST, daily_gwei: 1_000_000_000 }, ..config }
}

/// A payer with USDC and so much wei.
fn poor(stage: &Stage, number: u32, wei: u128) -> TestAccount {
    let account = TestAccount::new(100 + number);
    stage.chain.mint_usdc(account.address, U256::from(5_000));
    stage.chain.set_balance(account.address, U256::from(wei));
    account
}

/// A payment of 1,000 units through Permit2 with the approval in a transaction at this account nonce.
async fn request(account: TestAccount, account_nonce: u64, max_fee: u128) -> FacilitatorRequest {
    let offer: PaymentRequirements = serde_json::from_value(json!({"scheme": "exact", "network": network(),
        "amount": "1000", "asset": USDC.to_checksum(None), "payTo": pay_to(), "maxTimeoutSeconds": 300,
        "extra": {"name": "USDC", "version": "2", "assetTransferMethod": "permit2"}}))
    .unwrap();
    let declared = json!({"info": {"description": "gas is paid", "version": "1"}, "schema": {}});
    let extensions = Map::from_iter([(ERC20_APPROVAL.to_owned(), declared)]);
    let nonce = keccak256(account.address);
    let (now, version) = (SystemClock.now(), Version::V2);
    let purchase = Purchase { requirements: &offer, extensions: Some(&extensions), version, now, nonce };
    let signer = LocalSigner::new(Zeroizing::new(account.key.0)).unwrap();
    let (unapproving, state) = (Unapproving, AccountState { nonce: account_nonce, max_fee, max_tip: GWEI });
    let wallet = ExactWallet::new(&signer).on(84_532, &unapproving).approving_from(state);
    let signed = wallet.pay(&purchase).await.unwrap();
    let mut payment = PaymentPayload::new(offer.clone(), signed.payload.to_map());
    payment.extensions = signed.extensions;
    FacilitatorRequest::new(payment, offer)
}

/// A chain that says of every owner that nothing is allowed and no permits are taken.
struct Unapproving;

#[async_trait::async_trait]
impl tollway_evm::chain::ChainReader for Unapproving {
    async fn calls(
        &self,
        calls: Vec<tollway_evm::chain::Call>,
    ) -> Result<Vec<tollway_evm::chain::CallOutcome>, tollway_evm::chain::ChainError> {
        let none = tollway_evm::chain::CallOutcome::Reverted(alloy_primitives::Bytes::new());
        Ok(calls.into_iter().map(|_| none.clone()).collect())
    }

    async fn code(&self, _: Address) -> Result<alloy_primitives::Bytes, tollway_evm::chain::ChainError> {
        Ok(alloy_primitives::Bytes::new())
    }
}

fn options(approval_gas: u128) -> VerifierOptions {
    VerifierOptions { transaction_approvals: true, approval_gas, ..VerifierOptions::default() }
}

async fn verified(stage: &Stage, request: &FacilitatorRequest, gas: u128) -> Result<Order, String> {
    let chain = Arc::new(rpc(&stage.chain.url()));
    let verifier = Verifier::new(network(), chain, options(gas)).unwrap();
    match verifier.verify(request, SystemClock.now()).await {
        Ok(verified) => {
            let payload = tollway_evm::payload::ExactPayload::from_map(&request.payment_payload.payload).unwrap();
            Ok(Order::of(&verified, settle::digest(&payload, USDC)))
        }
        Err(NotVerified::Refused(refused)) => Err(format!("{}: {}", refused.reason, refused.message)),
        Err(other) => panic!("{other:?}"),
    }
}

async fn order(stage: &Stage, account: TestAccount) -> Order {
    verified(stage, &request(account, 0, 2 * GWEI).await, COST).await.unwrap()
}

async fn allowed(stage: &Stage, owner: Address) -> U256 {
    use tollway_evm::chain::{Call, CallOutcome};
    let data = allowanceCall { owner, spender: tollway_evm::PERMIT2 }.abi_encode().into();
    match rpc(&stage.chain.url()).calls(vec![Call { to: USDC, data, gas: 100_000 }]).await.unwrap().as_slice() {
        [CallOutcome::Returned(word)] => U256::from_be_slice(word),
        other => panic!("{other:?}"),
    }
}

fn failed(answer: Answer) -> String {
    match answer {
        Answer::Failed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_brought_to_the_chain_and_then_it_is_paid() {
    for mining in [Mining::Instant, Mining::Interval(Duration::from_millis(100))] {
        let stage = Stage::new(mining);
        let settler = stage.settler(1, config()).await;
        let account = poor(&stage, 1, COST);
        let order = order(&stage, account).await;
        let hash = transaction(&settler.settle(order.clone()).await.unwrap());
        assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
        assert!(allowed(&stage, account.address).await > U256::from(1_000));
        assert_eq!(transaction(&settler.settle(order).await.unwrap()), hash, "asked again");
        assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_between_two_questions_of_one_look_is_no_payer_without_coins() {
    let stage = Stage::new(Mining::Interval(Duration::from_millis(500)));
    let settler = stage.settler(1, config()).await;
    let account = poor(&stage, 1, COST);
    let order = order(&stage, account).await;
    // The approval goes into a block right after the count of its account was told.
    for _ in 0..4 {
        stage.chain.fail_next("eth_getTransactionCount", Fault::DoThenMine);
    }
    transaction(&settler.settle(order).await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_without_coins_is_given_what_its_approval_costs_and_no_more() {
    let stage = Stage::new(Mining::Instant);
    let settler = stage.settler(1, generous(final_at_once())).await;
    let account = poor(&stage, 1, 1_000);
    let order = order(&stage, account).await;
    transaction(&settler.settle(order).await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    let owned = rpc(&stage.chain.url()).balance(account.address).await.unwrap();
    assert!(owned < U256::from(COST), "the approval was paid from it");
    until_closed(&*stage.books, settler.signers()[0].into_array(), || 0).await;
    let spent = stage.books.spent(&network(), SystemClock.now() / 86_400).await.unwrap();
    assert!(u128::from(spent) >= COST / GWEI, "what was given counts as spent: {spent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_19_payers_are_given_nothing_unless_it_is_configured_and_then_within_its_bounds() {
    let stage = Stage::new(Mining::Instant);
    let account = poor(&stage, 1, 0);
    let refused = verified(&stage, &request(account, 0, 2 * GWEI).await, COST - 1).await.unwrap_err();
    assert!(refused.starts_with("erc20_approval_broadcast_failed: the payer cannot pay"), "{refused}");
    // Though it was verified elsewhere: by default nothing is given, nor more than the bound.
    let order = order(&stage, account).await;
    let mean =
        SettleConfig { approval_gas: ApprovalGas { most: COST - 1, ..generous(config()).approval_gas }, ..config() };
    for (at, config) in [config(), mean].into_iter().enumerate() {
        let settler = stage.settler(1, config).await;
        let again =
            Order { id: tollway_ledger::PaymentId::from_bytes([u8::try_from(at).unwrap(); 32]), ..order.clone() };
        assert_eq!(failed(settler.settle(again).await.unwrap()), "erc20_approval_broadcast_failed");
    }
    // A day's bound: the payment is given back, and nothing of it is kept.
    let daily = ApprovalGas { most: COST, daily_gwei: u64::try_from(COST / GWEI).unwrap() - 1 };
    let settler = stage.settler(1, SettleConfig { approval_gas: daily, ..config() }).await;
    assert!(settler.settle(order.clone()).await.unwrap_err().to_string().contains("no more gas"));
    assert_eq!(stage.books.lookup(&order.id).await.unwrap(), None);
    assert_eq!(rpc(&stage.chain.url()).balance(account.address).await.unwrap(), U256::ZERO);
    assert_eq!(stage.chain.block_number(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_can_never_be_taken_is_refused_before_anything_is_served() {
    let stage = Stage::new(Mining::Instant);
    let account = poor(&stage, 1, 10 * COST);
    for (nonce, fee, words) in [(1, 2 * GWEI, "not its account's next"), (0, 1, "less for gas than the chain takes")] {
        let refused = verified(&stage, &request(account, nonce, fee.max(GWEI / 1_000)).await, 0).await;
        let refused = refused.unwrap_err();
        assert!(refused.starts_with("erc20_approval_broadcast_failed") && refused.contains(words), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_is_replaced_reverts_or_is_not_enough_ends_the_payment_with_its_reason() {
    // The payer has used the account nonce otherwise, since it was verified.
    let stage = Stage::new(Mining::Instant);
    let account = poor(&stage, 1, 10 * COST);
    let order = order(&stage, account).await;
    let other = request(account, 0, 3 * GWEI).await;
    let raw = other.payment_payload.extensions.unwrap()[ERC20_APPROVAL]["info"]["signedTransaction"].clone();
    let settler = stage.settler(1, config()).await;
    // An approval by another transaction is as good.
    broadcast(&stage, &raw).await;
    transaction(&settler.settle(order.clone()).await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));

    // One that approves too little and takes the nonce is not: there is nothing left to bring.
    let payer = poor(&stage, 2, 10 * COST);
    let second = self::order(&stage, payer).await;
    let zero = approveCall { spender: Address::repeat_byte(7), amount: U256::ZERO }.abi_encode();
    send(&stage, payer, USDC, zero.into()).await;
    assert_eq!(failed(settler.settle(second).await.unwrap()), "erc20_approval_broadcast_failed");

    // It is carried out, and reverts: the token has changed meanwhile.
    let payer = poor(&stage, 3, 10 * COST);
    let third = self::order(&stage, payer).await;
    let code = rpc(&stage.chain.url()).code(USDC).await.unwrap();
    stage.chain.set_code(USDC, vec![0x60, 0, 0x60, 0, 0xfd].into());
    assert_eq!(failed(settler.settle(third).await.unwrap()), "erc20_approval_tx_failed");
    stage.chain.set_code(USDC, code);
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_fail_behind_its_approval_costs_nothing() {
    let stage = Stage::new(Mining::Instant);
    let settler = stage.settler(1, config()).await;
    let payer = poor(&stage, 1, 10 * COST);
    let order = order(&stage, payer).await;
    // The balance goes elsewhere in the transaction behind the approval.
    let raw = order.approval.clone().unwrap();
    rpc(&stage.chain.url()).broadcast(&raw.raw, raw.hash).await;
    let move_all = [&[0xa9, 0x05, 0x9c, 0xbb][..], &[0; 12], &[9; 20], &U256::from(5_000).to_be_bytes::<32>()].concat();
    send(&stage, payer, USDC, move_all.into()).await;
    let before = stage.chain.block_number();
    assert_eq!(failed(settler.settle(order).await.unwrap()), "permit2_simulation_failed");
    assert_eq!(stage.chain.block_number(), before, "no gas was spent on it");
}

#[test]
fn threat_50_killed_between_every_two_steps_an_approval_is_made_and_paid_for_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Ok(place) = std::env::var(CHILD) {
        runtime.block_on(settle_and_halt(&place));
        return;
    }
    let test = "settle::approvals::threat_50_killed_between_every_two_steps_an_approval_is_made_and_paid_for_once";
    runtime.block_on(async {
        let stage = Stage::new(Mining::Instant);
        for step in 0..=STEPS {
            let payer = poor(&stage, u32::try_from(step).unwrap(), 0);
            let order = order(&stage, payer).await;
            let file = stage.path().with_extension("order");
            std::fs::write(&file, serde_json::to_vec(&order).unwrap()).unwrap();
            let word = killed(test, (CHILD, &format!("{} {} {step}", stage.chain.url(), stage.path().display())));
            assert_eq!(word, if step < STEPS { "halted" } else { "done" });
            let settler = stage.settler(1, generous(final_at_once())).await;
            transaction(&settler.settle(order.clone()).await.unwrap());
            reaches(&*stage.books, &order.id, SettlementState::is_final).await;
            assert_eq!(stage.balance(pay_to()).await, U256::from(1_000 * (step + 1)));
            let owned = rpc(&stage.chain.url()).balance(payer.address).await.unwrap();
            assert!(owned < U256::from(COST), "given once: {owned}");
            until_closed(&*stage.books, settler.signers()[0].into_array(), || 0).await;
        }
    });
}

async fn settle_and_halt(place: &str) {
    let mut place = place.split(' ');
    let (url, path) = (place.next().unwrap(), place.next().unwrap());
    let step: usize = place.next().unwrap().parse().unwrap();
    let order = std::fs::read(std::path::Path::new(path).with_extension("order")).unwrap();
    let order: Order = serde_json::from_slice(&order).unwrap();
    let books = Arc::new(Halting::at(path, step));
    let ports = SettlePorts { rpc: rpc(url), books: Arc::clone(&books) as _, clock: Arc::new(SystemClock) };
    let settler = Settler::start(network(), ports, signers(1), generous(final_at_once())).await.unwrap();
    transaction(&settler.settle(order).await.unwrap());
    until_closed(&*books, settler.signers()[0].into_array(), || books.closing()).await;
    say("done");
}

async fn broadcast(stage: &Stage, raw: &Value) {
    let raw = alloy_primitives::hex::decode(raw.as_str().unwrap()).unwrap();
    let rpc = rpc(&stage.chain.url());
    rpc.broadcast(&raw, keccak256(&raw)).await;
    assert!(rpc.receipt(keccak256(&raw)).await.unwrap().unwrap().succeeded);
}

/// A transaction of the payer's own.
async fn send(stage: &Stage, by: TestAccount, to: Address, input: alloy_primitives::Bytes) {
    use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
    use alloy_eips::eip2718::Encodable2718 as _;
    let transaction = TxEip1559 {
        chain_id: 84_532,
        nonce: rpc(&stage.chain.url()).transaction_count(by.address).await.unwrap(),
        gas_limit: 100_000,
        max_fee_per_gas: 2 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: alloy_primitives::TxKind::Call(to),
        input,
        ..TxEip1559::default()
    };
    let signature = by.sign(transaction.signature_hash());
    let signed = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
    broadcast(stage, &json!(alloy_primitives::hex::encode(signed))).await;
}

//! The facilitator as sellers see it: verify, settle, supported, status, on a real chain.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256, keccak256};
use serde_json::{Map, Value, json};
use tollway_core::clock::{Clock, SystemClock};
use tollway_core::facilitator::{Facilitator, PaymentState};
use tollway_devnet::{Mining, TestAccount, USDC};
use tollway_evm::chain::ChainReader;
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::client::{ExactWallet, LocalSigner, Order, Version};
use tollway_evm::facilitator::{EvmFacilitator, EvmNetwork};
use tollway_evm::verify::{Verifier, VerifierOptions};
use tollway_protocol::{FacilitatorRequest, PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse};
use zeroize::Zeroizing;

use super::rig::{Stage, config, network, pay_to, payer, rpc, signers};

async fn facilitator(stage: &Stage) -> EvmFacilitator {
    let patient = RpcConfig::new(84_532, vec![stage.chain.url()]);
    let reader: Arc<dyn ChainReader> = Arc::new(Rpc::new(patient).unwrap());
    let options = VerifierOptions::default();
    let verifier = Verifier::new(network(), reader, options.clone()).unwrap();
    let settler = stage.settler(2, config()).await;
    assert_eq!(settler.signers().len(), signers(2).len());
    EvmFacilitator::new([EvmNetwork { verifier, settler, options }], Arc::new(SystemClock))
}

fn offer(method: &str) -> PaymentRequirements {
    let offer = json!({"scheme": "exact", "network": "eip155:84532", "amount": "1000", "asset": USDC.to_checksum(None),
        "payTo": pay_to().to_checksum(None), "maxTimeoutSeconds": 300,
        "extra": {"name": "USDC", "version": "2", "assetTransferMethod": method}});
    serde_json::from_value(offer).unwrap()
}

async fn request(
    stage: &Stage,
    account: TestAccount,
    offer: &PaymentRequirements,
    extensions: Option<Map<String, Value>>,
    number: u64,
) -> FacilitatorRequest {
    let signer = LocalSigner::new(Zeroizing::new(account.key.0)).unwrap();
    let chain = rpc(&stage.chain.url());
    let order = Order {
        requirements: offer,
        extensions: extensions.as_ref(),
        version: Version::V2,
        now: SystemClock.now(),
        nonce: keccak256(number.to_be_bytes()),
    };
    // A wallet that asks the chain would not sign what cannot be paid.
    let wallet = ExactWallet::new(&signer);
    let wallet = if extensions.is_some() { wallet.on(84_532, &chain) } else { wallet };
    let signed = wallet.pay(&order).await.unwrap();
    let mut payload = PaymentPayload::new(offer.clone(), signed.payload.to_map());
    payload.extensions = signed.extensions;
    FacilitatorRequest::new(payload, offer.clone())
}

fn settled(answer: SettleResponse) -> B256 {
    match answer {
        SettleResponse::Settled(settlement) => settlement.transaction.parse().unwrap(),
        SettleResponse::Failed(failure) => panic!("{failure:?}"),
    }
}

fn reason(answer: SettleResponse) -> String {
    match answer {
        SettleResponse::Settled(settlement) => panic!("{settlement:?}"),
        SettleResponse::Failed(failure) => failure.reason.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_verified_settles_and_its_status_says_so() {
    let stage = Stage::new(Mining::Instant);
    let facilitator = facilitator(&stage).await;
    facilitator.ready().await.unwrap();
    let request = request(&stage, payer(), &offer("eip3009"), None, 1).await;
    let valid = facilitator.verify(&request).await.unwrap();
    let payer_text = payer().address.to_checksum(None);
    assert!(matches!(valid, VerifyResponse::Valid { payer: Some(payer), .. } if payer == payer_text));
    let transaction = settled(facilitator.settle(&request).await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    let status = facilitator.status(&format!("{transaction:#x}")).await.unwrap().unwrap();
    assert_eq!((status.state, status.amount.get(), status.payer), (PaymentState::Settled, 1_000, payer_text));
    assert!(status.gas.unwrap() > 0);
    assert!(status.gas.unwrap() <= facilitator.gas_ceiling(&network()).await.unwrap());
    let by_id = facilitator.status(&status.payment).await.unwrap().unwrap();
    assert_eq!(by_id.state, PaymentState::Settled);
    assert_eq!(facilitator.status("nonsense").await.unwrap(), None);
    // The chain refuses a second time, the books remember the first.
    assert!(matches!(facilitator.verify(&request).await.unwrap(), VerifyResponse::Invalid { .. }));
    assert_eq!(settled(facilitator.settle(&request).await.unwrap()), transaction);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_payment_is_no_success_under_other_terms() {
    let stage = Stage::new(Mining::Instant);
    let facilitator = facilitator(&stage).await;
    let request = request(&stage, payer(), &offer("eip3009"), None, 1).await;
    settled(facilitator.settle(&request).await.unwrap());
    for (member, value) in [
        ("payTo", json!(Address::repeat_byte(0xbb).to_checksum(None))),
        ("amount", json!("999")),
        ("scheme", json!("upto")),
        ("network", json!("eip155:8453")),
    ] {
        let mut changed = serde_json::to_value(&request).unwrap();
        changed["paymentRequirements"][member] = value;
        let changed = serde_json::from_value(changed).unwrap();
        reason(facilitator.settle(&changed).await.unwrap());
    }
    // A signature of somebody else's over the same nonce.
    let mut forged = serde_json::to_value(&request).unwrap();
    forged["paymentPayload"]["payload"]["signature"] = json!(format!("0x{}1b", "11".repeat(64)));
    let forged = serde_json::from_value(forged).unwrap();
    assert_eq!(reason(facilitator.settle(&forged).await.unwrap()), "invalid_exact_evm_signature");
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit2_payment_with_a_sponsored_approval_settles() {
    let stage = Stage::new(Mining::Instant);
    let facilitator = facilitator(&stage).await;
    let declared =
        json!({"eip2612GasSponsoring": {"info": {"description": "gas is paid", "version": "1"}, "schema": {}}});
    let declared = declared.as_object().unwrap().clone();
    let sponsored = request(&stage, payer(), &offer("permit2"), Some(declared), 1).await;
    settled(facilitator.settle(&sponsored).await.unwrap());
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    // The permit allowed this one payment; without another, Permit2 may move nothing.
    let plain = request(&stage, payer(), &offer("permit2"), None, 2).await;
    assert_eq!(reason(facilitator.settle(&plain).await.unwrap()), "permit2_allowance_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_02_identical_settlements_at_once_are_one_transfer_and_one_answer() {
    let stage = Stage::new(Mining::Instant);
    let facilitator = Arc::new(facilitator(&stage).await);
    let request = Arc::new(request(&stage, payer(), &offer("eip3009"), None, 1).await);
    let copies = (0..100).map(|_| {
        let (facilitator, request) = (Arc::clone(&facilitator), Arc::clone(&request));
        tokio::spawn(async move { settled(facilitator.settle(&request).await.unwrap()) })
    });
    let answers = futures_util::future::join_all(copies).await;
    let answers: std::collections::HashSet<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(stage.balance(pay_to()).await, U256::from(1_000));
    assert_eq!(stage.chain.block_number(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn supported_names_both_versions_and_the_signers() {
    let stage = Stage::new(Mining::Instant);
    let supported = facilitator(&stage).await.supported().await.unwrap();
    let kinds: Vec<_> = supported.kinds.iter().map(|kind| (kind.x402_version, kind.network.as_str())).collect();
    assert_eq!(kinds, [(2, "eip155:84532"), (1, "base-sepolia")]);
    assert_eq!(supported.extensions, ["eip2612GasSponsoring"]);
    assert_eq!(supported.signers["eip155:*"].as_array().unwrap().len(), 2);
}

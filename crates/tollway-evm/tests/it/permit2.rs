//! Permit2 payments, with and without an approval that comes along.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::{Map, Value, json};
use tollway_evm::chain::CallOutcome;
use tollway_evm::client::{ClientError, ExactWallet, Order, Version};
use tollway_evm::gas_sponsoring::AccountState;
use tollway_evm::verify::{NotVerified, Transfer, VerifierOptions};
use tollway_evm::{EXACT_PROXY, PERMIT2};
use tollway_protocol::{FacilitatorRequest, PaymentPayload};

use crate::fake::{State, magic};
use crate::stage::{NOW, Stage, USDC, authorization, offer};

const METHOD: Option<&str> = Some("permit2");
type Change = fn(&mut Value);
type Fault = fn(&mut State);

#[tokio::test]
async fn a_good_permit_is_verified_with_what_settling_takes() {
    let stage = Stage::new();
    let verified = stage.verify(&stage.request(METHOD).await).await.unwrap();
    let call = verified.call();
    assert_eq!(call.to, EXACT_PROXY);
    assert!(verified.is_plain());
    assert_eq!((verified.nonce, verified.valid_before), (B256::repeat_byte(0x11), NOW + 61));
    assert_eq!(stage.chain.questions().len(), 4);
}

#[tokio::test]
async fn threat_04_a_proxy_that_is_not_there_settles_nothing() {
    // A call to where there is no code succeeds.
    let stage = Stage::new();
    stage.chain.set(|state| drop(state.code.remove(&EXACT_PROXY)));
    let request = stage.request(METHOD).await;
    assert_eq!(stage.reason(&request).await, "permit2_proxy_not_deployed");
}

#[tokio::test]
async fn faults_are_found_in_the_order_of_the_reference() {
    let stage = Stage::new();
    let faults: Vec<(&str, Change)> = vec![
        ("unsupported_payload_type", |r| r["paymentPayload"]["accepted"]["scheme"] = json!("upto")),
        ("invalid_exact_evm_network_mismatch", |r| r["paymentPayload"]["accepted"]["network"] = json!("eip155:1")),
        ("invalid_permit2_spender", |r| authorization(r)["spender"] = json!(USDC)),
        ("invalid_permit2_recipient_mismatch", |r| authorization(r)["witness"]["to"] = json!(USDC)),
        ("permit2_deadline_expired", |r| authorization(r)["deadline"] = json!((NOW + 5).to_string())),
        ("permit2_not_yet_valid", |r| authorization(r)["witness"]["validAfter"] = json!((NOW + 1).to_string())),
        ("permit2_amount_mismatch", |r| authorization(r)["permitted"]["amount"] = json!("9999")),
        ("permit2_token_mismatch", |r| authorization(r)["permitted"]["token"] = json!(PERMIT2)),
        ("invalid_permit2_signature", |r| authorization(r)["nonce"] = json!("78")),
    ];
    for (at, (reason, fault)) in faults.iter().enumerate() {
        stage.chain.questions();
        assert_eq!(stage.reason(&stage.changed(METHOD, fault).await).await, *reason);
        assert!(at == faults.len() - 1 || stage.chain.questions().is_empty(), "{reason}");
        for (later, also) in &faults[at..] {
            let both = stage.changed(METHOD, |request| {
                also(request);
                fault(request);
            });
            assert_eq!(stage.reason(&both.await).await, *reason, "{reason} before {later}");
        }
    }
}

#[tokio::test]
async fn a_failing_settlement_is_diagnosed_in_the_order_of_the_reference() {
    let steps: [(Fault, &str); 4] = [
        (|s| s.proxy = false, "permit2_proxy_not_deployed"),
        (|s| s.balance = U256::from(9_999), "permit2_insufficient_balance"),
        (|s| s.allowance = U256::from(9_999), "permit2_allowance_required"),
        (|_| {}, "permit2_simulation_failed"),
    ];
    for (at, (_, reason)) in steps.iter().enumerate() {
        let stage = Stage::new();
        stage.chain.set(|state| {
            state.settlement = CallOutcome::Reverted(hex!("2c5211c6").to_vec().into());
            steps[at..].iter().for_each(|(fault, _)| fault(state));
        });
        let request = stage.request(METHOD).await;
        assert_eq!(stage.reason(&request).await, *reason);
    }
    let stage = Stage::new();
    stage.chain.set(|state| state.settlement = CallOutcome::Reverted(hex!("2c5211c6").to_vec().into()));
    let Err(NotVerified::Refused(refused)) = stage.verify(&stage.request(METHOD).await).await else {
        panic!("refused")
    };
    assert!(refused.message.contains("InvalidAmount"), "{}", refused.message);
}

#[tokio::test]
async fn threat_57_a_payer_with_code_is_asked() {
    let stage = Stage::new();
    let payer = stage.payer();
    stage.chain.set(|state| drop(state.code.insert(payer, Bytes::from_static(&[1]))));
    let request = stage.request(METHOD).await;
    assert_eq!(stage.reason(&request).await, "invalid_permit2_signature");
    stage.chain.set(|state| state.wallet = magic());
    assert!(!stage.verify(&request).await.unwrap().is_plain());
}

fn declared() -> Map<String, Value> {
    let extension = |words: &str| json!({"info": {"description": words, "version": "1"}, "schema": {"type": "object"}});
    Map::from_iter([
        ("eip2612GasSponsoring".to_owned(), extension("permits")),
        ("erc20ApprovalGasSponsoring".to_owned(), extension("transactions")),
    ])
}

/// A payment of a wallet that has allowed Permit2 nothing.
async fn sponsored(
    stage: &Stage,
    extensions: &Map<String, Value>,
    account: bool,
) -> Result<FacilitatorRequest, ClientError> {
    stage.chain.set(|state| state.allowance = U256::ZERO);
    let offer = offer(METHOD);
    let order = Order {
        requirements: &offer,
        extensions: Some(extensions),
        version: Version::V2,
        now: NOW,
        nonce: B256::repeat_byte(0x11),
    };
    let mut wallet = ExactWallet::new(&stage.signer).on(84532, &*stage.chain);
    if account {
        wallet = wallet.approving_from(AccountState::at(3));
    }
    let signed = wallet.pay(&order).await?;
    let mut payload = PaymentPayload::new(offer.clone(), signed.payload.to_map());
    payload.extensions = signed.extensions;
    Ok(FacilitatorRequest::new(payload, offer))
}

#[tokio::test]
async fn a_signed_approval_comes_along_where_one_is_needed() {
    let stage = Stage::new();
    let request = sponsored(&stage, &declared(), false).await.unwrap();
    let extensions = request.payment_payload.extensions.as_ref().unwrap();
    let info = &extensions["eip2612GasSponsoring"]["info"];
    assert_eq!(
        (&info["nonce"], &info["amount"], &info["description"]),
        (&json!("4"), &json!("10000"), &json!("permits"))
    );
    assert_eq!(extensions["erc20ApprovalGasSponsoring"], declared()["erc20ApprovalGasSponsoring"]);
    let verified = stage.verify(&request).await.unwrap();
    assert!(!verified.is_plain());
    let plain = Stage::new();
    let plain = plain.verify(&plain.request(METHOD).await).await.unwrap();
    assert_ne!(verified.call().data[..4], plain.call().data[..4]);

    // Enough was allowed before: nothing more is signed.
    let offer = offer(METHOD);
    let extensions = declared();
    stage.chain.set(|state| state.allowance = U256::from(10_000));
    let order = Order {
        requirements: &offer,
        extensions: Some(&extensions),
        version: Version::V2,
        now: NOW,
        nonce: B256::ZERO,
    };
    let signed = ExactWallet::new(&stage.signer).on(84532, &*stage.chain).pay(&order).await.unwrap();
    assert_eq!(signed.extensions, Some(extensions));
}

#[tokio::test]
async fn nothing_is_signed_that_needs_an_approval_nobody_takes() {
    let stage = Stage::new();
    assert!(matches!(sponsored(&stage, &Map::new(), true).await, Err(ClientError::AllowanceRequired)));
    let mut only_transactions = declared();
    only_transactions.remove("eip2612GasSponsoring");
    assert!(matches!(sponsored(&stage, &only_transactions, false).await, Err(ClientError::AllowanceRequired)));
    assert!(sponsored(&stage, &only_transactions, true).await.is_ok());
    // A token that takes no permits.
    stage.chain.set(|state| state.permits = None);
    let request = sponsored(&stage, &declared(), true).await.unwrap();
    let extensions = request.payment_payload.extensions.unwrap();
    assert!(extensions["erc20ApprovalGasSponsoring"]["info"]["signedTransaction"].is_string());
}

#[tokio::test]
async fn a_signed_approval_that_does_not_fit_has_its_reason() {
    let stage = Stage::new();
    let good = serde_json::to_value(sponsored(&stage, &declared(), false).await.unwrap()).unwrap();
    for (member, odd, reason) in [
        ("from", json!(USDC), "eip2612_from_mismatch"),
        ("asset", json!(PERMIT2), "eip2612_asset_mismatch"),
        ("spender", json!(USDC), "eip2612_spender_not_permit2"),
        ("deadline", json!((NOW + 5).to_string()), "eip2612_deadline_expired"),
        ("amount", json!("10001"), "permit2_2612_amount_mismatch"),
        ("nonce", json!(4), "invalid_eip2612_extension_format"),
        ("signature", json!("0x00"), "invalid_eip2612_extension_format"),
        ("version", json!(1), "invalid_eip2612_extension_format"),
    ] {
        let mut request = good.clone();
        request["paymentPayload"]["extensions"]["eip2612GasSponsoring"]["info"][member] = odd;
        assert_eq!(stage.reason(&serde_json::from_value(request).unwrap()).await, reason, "{member}");
    }
}

#[tokio::test]
async fn an_approval_transaction_is_taken_only_where_that_is_configured() {
    let options = VerifierOptions { transaction_approvals: true, ..VerifierOptions::default() };
    let stage = Stage::with(options);
    let mut only_transactions = declared();
    only_transactions.remove("eip2612GasSponsoring");
    let request = sponsored(&stage, &only_transactions, true).await.unwrap();
    stage.chain.questions();
    let verified = stage.verify(&request).await.unwrap();
    assert!(matches!(verified.transfer, Transfer::Permit2(ref transfer) if transfer.approval.is_some()));
    // It cannot be tried out before the approval was sent; balance, proxy and allowance can be looked at.
    assert_eq!(stage.chain.questions().len(), 5);
    stage.chain.set(|state| state.balance = U256::ZERO);
    assert_eq!(stage.reason(&request).await, "permit2_insufficient_balance");

    let stage = Stage::new();
    stage.chain.set(|state| {
        state.allowance = U256::ZERO;
        state.settlement = CallOutcome::Reverted(Bytes::new());
    });
    assert_eq!(stage.reason(&request).await, "permit2_allowance_required");
}

#[tokio::test]
async fn threat_25_offers_that_do_not_hold_together_are_not_signed() {
    let stage = Stage::new();
    let faults: [(&str, Value); 12] = [
        ("/scheme", json!("upto")),
        ("/network", json!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")),
        ("/network", json!("eip155:1")),
        ("/network", json!("eip155:99999999999999999999999")),
        ("/asset", json!("USDC")),
        ("/asset", json!("0x036cbD53842c5426634e7929541eC2318f3dCF7e")),
        ("/payTo", json!("0x209693bc6afc0C5328bA36FaF03C514EF312287C")),
        ("/payTo", json!(Address::ZERO)),
        ("/payTo", json!("seller.example")),
        ("/extra", json!({})),
        ("/extra/name", json!(7)),
        ("/extra/assetTransferMethod", json!("erc7710")),
    ];
    let good = serde_json::to_value(offer(Some("eip3009"))).unwrap();
    let wallet = ExactWallet::new(&stage.signer).on(84532, &*stage.chain);
    let wallet = &wallet;
    let pay = |value: Value, now: u64| async move {
        let offer = serde_json::from_value(value).unwrap();
        let order = Order { requirements: &offer, extensions: None, version: Version::V1, now, nonce: B256::ZERO };
        wallet.pay(&order).await
    };
    for (place, odd) in faults {
        let mut value = good.clone();
        *value.pointer_mut(place).unwrap() = odd.clone();
        assert!(matches!(pay(value, NOW).await, Err(ClientError::Offer(_))), "{place} {odd}");
    }
    assert!(matches!(pay(good.clone(), u64::MAX).await, Err(ClientError::Offer(_))));
    let signed = pay(good.clone(), NOW).await.unwrap();
    assert_eq!(signed.valid_before, NOW + 60);
    let authorization = &signed.payload.to_map()["authorization"];
    assert_eq!(authorization["validAfter"], json!((NOW - 600).to_string()));
    let mut long = good;
    long["maxTimeoutSeconds"] = json!(1_000_000_000);
    assert_eq!(pay(long, NOW).await.unwrap().valid_before, NOW + 86_400);
}

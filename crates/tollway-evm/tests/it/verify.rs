//! EIP-3009 payments: each check has its reason, its place in the order and its price in questions.

use alloy_primitives::{Bytes, U256, hex};
use serde_json::{Value, json};
use tollway_evm::EXACT_PROXY;
use tollway_evm::chain::{CallOutcome, ChainError};
use tollway_evm::client::Signer as _;
use tollway_evm::payload::ExactPayload;
use tollway_evm::signature::{Counterfactual, EoaSignature};
use tollway_evm::typed_data::TokenDomain;
use tollway_evm::verify::{NotVerified, Proof, VerifierOptions};

use crate::fake::{State, magic};
use crate::stage::{FACTORY, NOW, PAY_TO, Stage, USDC, authorization, offer};

#[tokio::test]
async fn a_good_payment_is_verified_with_what_settling_takes() {
    let stage = Stage::new();
    let request = stage.request(None).await;
    let verified = stage.verify(&request).await.unwrap();
    assert_eq!((verified.payer, verified.amount.get()), (stage.payer(), 10_000));
    assert_eq!((verified.valid_after, verified.valid_before), (0, NOW + 60));
    assert_eq!(verified.pay_to.to_checksum(None), PAY_TO);
    assert!(matches!(&verified.proof, Proof::Eoa(proof) if proof.signer() == stage.payer()));
    assert!(verified.is_plain() && verified.deployment().is_none());
    let call = verified.call();
    assert_eq!((call.to.to_checksum(None).as_str(), &call.data[..4]), (USDC, &hex!("e3ee160e")[..]));
    assert_eq!(stage.chain.questions(), ["code", "code", "e3ee160e"]);
    assert_eq!(stage.verify(&request).await.unwrap(), verified);
    assert_eq!(stage.chain.questions(), ["code", "e3ee160e"]);
}

type Change = fn(&mut Value);
type Fault = fn(&mut State);

/// Faults in the order in which they are found, each with its reason.
fn faults() -> Vec<(&'static str, Change)> {
    vec![
        ("invalid_exact_evm_scheme", |r| r["paymentPayload"]["accepted"]["scheme"] = json!("upto")),
        ("invalid_exact_evm_scheme", |r| r["paymentRequirements"]["scheme"] = json!("upto")),
        ("invalid_exact_evm_missing_eip712_domain", |r| r["paymentRequirements"]["extra"] = json!({"name": "USDC"})),
        ("invalid_exact_evm_missing_eip712_domain", |r| r["paymentRequirements"]["extra"]["version"] = json!("")),
        ("invalid_exact_evm_network_mismatch", |r| r["paymentPayload"]["accepted"]["network"] = json!("eip155:8453")),
        ("invalid_exact_evm_network_mismatch", |r| r["paymentRequirements"]["network"] = json!("eip155:8453")),
        ("invalid_exact_evm_signature", |r| r["paymentPayload"]["payload"]["signature"] = json!("0x")),
        ("invalid_exact_evm_signature", |r| authorization(r)["nonce"] = json!(format!("0x{}", "22".repeat(32)))),
    ]
}

#[tokio::test]
async fn faults_are_found_in_the_order_of_the_reference() {
    let stage = Stage::new();
    let faults = faults();
    for (at, (reason, fault)) in faults.iter().enumerate() {
        assert_eq!(stage.reason(&stage.changed(None, fault).await).await, *reason, "{at}");
        for (later, also) in &faults[at..] {
            let both = stage.changed(None, |request| {
                also(request);
                fault(request);
            });
            assert_eq!(stage.reason(&both.await).await, *reason, "{reason} before {later}");
        }
    }
}

#[tokio::test]
async fn signed_terms_that_are_not_the_offers_have_their_reasons() {
    let stage = Stage::new();
    let good = stage.request(None).await;
    let at = |now| stage.verifier.verify(&good, now);
    let reason = |answer: Result<_, NotVerified>| match answer {
        Err(NotVerified::Refused(refused)) => refused.reason.code(),
        other => panic!("{other:?}"),
    };
    assert!(at(NOW + 54).await.is_ok());
    assert_eq!(reason(at(NOW + 55).await), "invalid_exact_evm_payload_authorization_valid_before");
    assert_eq!(reason(at(u64::MAX).await), "invalid_exact_evm_payload_authorization_valid_before");
    for (change, expected) in [
        ((|r| r["paymentRequirements"]["payTo"] = json!(USDC)) as Change, "invalid_exact_evm_recipient_mismatch"),
        (
            |r| r["paymentRequirements"]["amount"] = json!("9999"),
            "invalid_exact_evm_payload_authorization_value_mismatch",
        ),
        (
            |r| r["paymentRequirements"]["amount"] = json!("10001"),
            "invalid_exact_evm_payload_authorization_value_mismatch",
        ),
    ] {
        let request = stage.changed(None, change).await;
        assert_eq!(stage.reason(&request).await, expected);
        let Err(NotVerified::Refused(refused)) = stage.verify(&request).await else { panic!("refused") };
        let code = if expected.contains("value") { "invalid_exact_evm_authorization_value" } else { expected };
        assert_eq!(tollway_protocol::v1::verify_response(&refused.response())["invalidReason"], code);
    }
}

#[tokio::test]
async fn an_authorization_that_has_not_begun_is_refused() {
    let stage = Stage::new();
    let resigned = |after: u64| {
        let stage = &stage;
        async move {
            let mut request = stage.changed(None, |r| authorization(r)["validAfter"] = json!(after.to_string())).await;
            let ExactPayload::Eip3009(mut payload) = ExactPayload::from_map(&request.payment_payload.payload).unwrap()
            else {
                panic!("an authorization")
            };
            let domain = TokenDomain { name: "USDC", version: "2", chain_id: 84532, contract: USDC.parse().unwrap() };
            let digest = domain.transfer(&payload.authorization);
            payload.signature = stage.signer.sign_digest(digest).await.unwrap().to_bytes();
            request.payment_payload.payload = ExactPayload::Eip3009(payload).to_map();
            request
        }
    };
    assert!(stage.verify(&resigned(NOW).await).await.is_ok());
    let early = resigned(NOW + 1).await;
    assert_eq!(stage.reason(&early).await, "invalid_exact_evm_payload_authorization_valid_after");
}

#[tokio::test]
async fn threat_61_what_refutes_itself_costs_no_question() {
    let stage = Stage::new();
    for (reason, fault) in faults().into_iter().filter(|(reason, _)| !reason.ends_with("signature")) {
        assert_eq!(stage.reason(&stage.changed(None, fault).await).await, reason);
        assert!(stage.chain.questions().is_empty(), "{reason}");
    }
    let cheap = stage.changed(None, |r| r["paymentRequirements"]["amount"] = json!("1")).await;
    stage.reason(&cheap).await;
    assert!(stage.verifier.verify(&stage.request(None).await, NOW + 60).await.is_err());
    assert!(stage.chain.questions().is_empty());
    // A wrong signature may be a contract's: that is one question, and no simulation is answered for.
    let forged = stage.changed(None, |r| authorization(r)["value"] = json!("1")).await;
    assert_eq!(stage.reason(&forged).await, "invalid_exact_evm_signature");
    assert_eq!(stage.chain.questions(), ["code"]);
}

#[tokio::test]
async fn threat_10_no_changed_character_of_a_payment_is_believed() {
    let stage = Stage::new();
    for method in [None, Some("permit2")] {
        let good = serde_json::to_value(stage.request(method).await).unwrap();
        let payload = good["paymentPayload"]["payload"].to_string();
        for at in 0..payload.len() {
            let mut text = payload.clone().into_bytes();
            text[at] = if text[at] == b'1' { b'2' } else { b'1' };
            let Ok(changed) = serde_json::from_slice::<Value>(&text) else { continue };
            let mut request = good.clone();
            request["paymentPayload"]["payload"] = changed.clone();
            let verified = stage.verify(&serde_json::from_value(request).unwrap()).await;
            assert!(verified.is_err(), "{changed}");
        }
    }
}

#[tokio::test]
async fn a_failing_settlement_is_diagnosed_in_the_order_of_the_reference() {
    let stage = Stage::new();
    let request = stage.request(None).await;
    let steps: [(Fault, &str); 6] = [
        (|s| s.used = None, "invalid_exact_evm_eip3009_not_supported"),
        (|s| s.used = Some(true), "invalid_exact_evm_nonce_already_used"),
        (|s| s.name = "Other", "invalid_exact_evm_token_name_mismatch"),
        (|s| s.version = "1", "invalid_exact_evm_token_version_mismatch"),
        (|s| s.balance = U256::from(9_999), "invalid_exact_evm_insufficient_balance"),
        (|_| {}, "invalid_exact_evm_transaction_simulation_failed"),
    ];
    // All at once, mended one after the other.
    for (at, (_, reason)) in steps.iter().enumerate() {
        let stage = Stage::new();
        stage.chain.set(|state| {
            state.settlement = CallOutcome::Reverted(Bytes::new());
            steps[at..].iter().rev().for_each(|(fault, _)| fault(state));
        });
        assert_eq!(stage.reason(&request).await, *reason);
        assert_eq!(stage.chain.questions().last().unwrap(), "e94a0102+06fdde03+54fd4d50+70a08231");
    }
}

#[tokio::test]
async fn threat_20_a_token_that_returns_false_is_a_failure() {
    let stage = Stage::new();
    stage.chain.set(|state| state.settlement = CallOutcome::Returned(vec![0; 32].into()));
    let request = stage.request(None).await;
    assert_eq!(stage.reason(&request).await, "invalid_exact_evm_transaction_simulation_failed");
}

#[tokio::test]
async fn threat_54_a_chain_that_fails_is_neither_yes_nor_no() {
    // The payment is tried out ahead of time, for a payer without code.
    for (method, ahead) in [(None, 2), (Some("permit2"), 3)] {
        for broken in [false, true] {
            for wallet in [false, true] {
                for at in 0..6 {
                    let stage = Stage::new();
                    let payer = stage.payer();
                    stage.chain.set(|state| {
                        state.fails_at = Some(at);
                        state.wallet = magic();
                        if wallet {
                            state.code.insert(payer, Bytes::from_static(&[1]));
                        }
                        if broken {
                            state.settlement = CallOutcome::Reverted(Bytes::new());
                        }
                    });
                    let answer = stage.verify(&stage.request(method).await).await;
                    let asked = stage.chain.questions().len();
                    let failed = asked > at;
                    match answer {
                        Err(NotVerified::Unavailable(ChainError::Timeout)) => assert!(failed),
                        // A payer with code is asked by another question than the one that failed.
                        Ok(_) => assert!(!broken && (!failed || (wallet && at == ahead))),
                        Err(NotVerified::Refused(_)) => assert!(broken && (!failed || (wallet && at == ahead))),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn threat_18_an_asset_off_the_list_or_without_code_is_not_called() {
    let stage = Stage::with(VerifierOptions { assets: Some(vec![FACTORY]), ..VerifierOptions::default() });
    assert_eq!(stage.reason(&stage.request(None).await).await, "asset_not_allowed");
    assert!(stage.chain.questions().is_empty());
    for method in [None, Some("permit2")] {
        let stage = Stage::new();
        stage.chain.set(|state| state.code.clear());
        assert_eq!(stage.reason(&stage.request(method).await).await, "asset_not_deployed_contract");
        // Its absence is not remembered.
        stage.chain.set(|state| {
            for contract in [USDC.parse().unwrap(), EXACT_PROXY] {
                state.code.insert(contract, Bytes::from_static(&[1]));
            }
        });
        assert!(stage.verify(&stage.request(method).await).await.is_ok());
    }
}

#[tokio::test]
async fn threat_57_a_payer_with_code_is_asked_and_nobody_else() {
    for code in [Bytes::from_static(&[0x60]), [&hex!("ef0100")[..], &[9; 20]].concat().into()] {
        let stage = Stage::new();
        let payer = stage.payer();
        stage.chain.set(|state| drop(state.code.insert(payer, code)));
        let request = stage.request(None).await;
        // The key did sign, and that does not count.
        assert_eq!(stage.reason(&request).await, "invalid_exact_evm_signature");
        stage.chain.set(|state| state.wallet = magic());
        let verified = stage.verify(&request).await.unwrap();
        assert!(matches!(verified.proof, Proof::Contract(_)) && !verified.is_plain());
        let plain = Stage::new().verify(&request).await.unwrap();
        assert!(verified.call().gas > plain.call().gas);
    }
}

#[tokio::test]
async fn a_wallets_own_signature_goes_to_the_token_whole() {
    let stage = Stage::new();
    let payer = stage.payer();
    stage.chain.set(|state| {
        state.code.insert(payer, Bytes::from_static(&[1]));
        state.wallet = magic();
    });
    let request = stage.changed(None, |r| r["paymentPayload"]["payload"]["signature"] = json!("0xabcdef")).await;
    let verified = stage.verify(&request).await.unwrap();
    assert_eq!(verified.call().data[..4], hex!("cf092995"));
    stage.chain.set(|state| state.wallet = Bytes::from(vec![0xff; 32]));
    assert_eq!(stage.reason(&request).await, "invalid_exact_evm_signature");
}

#[tokio::test]
async fn threat_18_a_wallet_to_be_deployed_needs_a_factory_on_the_list() {
    let stage = Stage::new();
    let calldata = Bytes::from_static(&[1, 2, 3]);
    let wrap =
        |factory| Counterfactual { factory, calldata: calldata.clone(), signature: Bytes::from_static(&[5; 70]) };
    let with = |wallet: Counterfactual| {
        stage.changed(None, move |r| r["paymentPayload"]["payload"]["signature"] = json!(wallet.encode().to_string()))
    };
    let foreign = with(wrap(USDC.parse().unwrap())).await;
    assert_eq!(stage.reason(&foreign).await, "eip6492_factory_not_allowed");
    assert!(!stage.chain.questions().iter().any(|question| question == "82ad56cb"));

    let request = with(wrap(FACTORY)).await;
    let steps = |accepted: &[u8], settles: bool| {
        use alloy_sol_types::{SolCall, sol};
        sol! {
            struct Result { bool success; bytes returnData; }
            function aggregate3() returns (Result[] returnData);
        }
        let step = |success, data: &[u8]| Result { success, returnData: data.to_vec().into() };
        let steps = vec![step(true, &[]), step(true, accepted), step(settles, &[])];
        CallOutcome::Returned(aggregate3Call::abi_encode_returns(&steps).into())
    };
    for (answer, expected) in [
        (CallOutcome::Reverted(Bytes::new()), Some("invalid_exact_evm_signature")),
        (CallOutcome::Returned(Bytes::new()), Some("invalid_exact_evm_signature")),
        (steps(&[], true), Some("invalid_exact_evm_signature")),
        (steps(&magic(), false), Some("invalid_exact_evm_transaction_simulation_failed")),
        (steps(&magic(), true), None),
    ] {
        stage.chain.set(|state| state.multicall = answer);
        match (stage.verify(&request).await, expected) {
            (Ok(verified), None) => {
                let deployment = verified.deployment().unwrap();
                assert_eq!((deployment.to, deployment.data), (FACTORY, calldata.clone()));
                assert!(!verified.is_plain());
            }
            (Err(NotVerified::Refused(refused)), Some(reason)) => assert_eq!(refused.reason.code(), reason),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn other_spellings_of_one_signature_settle_alike() {
    let stage = Stage::new();
    let good = stage.request(None).await;
    let expected = stage.verify(&good).await.unwrap();
    let text = good.payment_payload.payload["signature"].as_str().unwrap();
    let signature = EoaSignature::parse(&hex::decode(text).unwrap()).unwrap();
    let mut low = signature.to_bytes().to_vec();
    low[64] -= 27;
    let mut compact = signature.to_bytes()[..64].to_vec();
    compact[32] |= (signature.v() - 27) << 7;
    for spelling in [low, compact] {
        let spelled = json!(hex::encode_prefixed(spelling));
        let request = stage.changed(None, |r| r["paymentPayload"]["payload"]["signature"] = spelled).await;
        assert_eq!(stage.verify(&request).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_payload_of_another_kind_than_the_offers_is_refused() {
    let stage = Stage::new();
    for (method, payload) in [(Some("permit2"), None), (None, Some("permit2")), (Some("erc7710"), None)] {
        let mut request = stage.request(payload).await;
        request.payment_requirements = offer(method);
        assert_eq!(stage.reason(&request).await, "unsupported_payload_type");
    }
    let odd = stage.changed(None, |r| authorization(r)["value"] = json!(10_000)).await;
    assert_eq!(stage.reason(&odd).await, "invalid_payload");
    let none = stage.changed(None, |r| r["paymentPayload"]["payload"] = json!({})).await;
    assert_eq!(stage.reason(&none).await, "unsupported_payload_type");
    for field in ["asset", "payTo"] {
        let request = stage.changed(None, |r| r["paymentRequirements"][field] = json!("nobody")).await;
        assert_eq!(stage.reason(&request).await, "invalid_payment_requirements");
    }
}

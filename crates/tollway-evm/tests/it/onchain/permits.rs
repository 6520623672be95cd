//! Permit2 and the exact proxy on a real chain, with approvals of all kinds.

use alloy_primitives::{Bytes, U256};
use serde_json::{Map, Value, json};
use tollway_devnet::{TestAccount, USDC};
use tollway_evm::EXACT_PROXY;
use tollway_evm::gas_sponsoring::Approval;
use tollway_evm::verify::{Proof, Transfer, gas};
use tollway_protocol::FacilitatorRequest;

use super::scene::{Scene, buyer, offer, seller};

const METHOD: Option<&str> = Some("permit2");

fn declared(names: &[&str]) -> Map<String, Value> {
    let extension = json!({"info": {"description": "approvals without gas", "version": "1"}, "schema": {}});
    names.iter().map(|name| ((*name).to_owned(), extension.clone())).collect()
}

async fn sponsored(scene: &Scene, names: &[&str]) -> FacilitatorRequest {
    scene.pays_with(buyer(), &offer(USDC, METHOD), 1, Some(&declared(names))).await
}

#[tokio::test]
async fn a_permit_settles_where_permit2_was_allowed() {
    let scene = Scene::new();
    let request = scene.pays(buyer(), &offer(USDC, METHOD), 1).await;
    assert_eq!(scene.reason(&request).await, "permit2_allowance_required");
    scene.allow(USDC, 999).await;
    assert_eq!(scene.reason(&request).await, "permit2_allowance_required");
    scene.allow(USDC, 1000).await;
    let verified = scene.verify(&request).await.unwrap();
    assert!(matches!(verified.proof, Proof::Eoa(_)) && verified.is_plain());
    assert!(scene.settle(&verified).await);
    assert_eq!(scene.usdc(seller()).await, U256::from(1000));
    // Used: the allowance is gone as well, and with a new one the nonce still is.
    scene.allow(USDC, 1000).await;
    assert_eq!(scene.reason(&request).await, "permit2_simulation_failed");
}

#[tokio::test]
async fn each_cause_of_a_failing_settlement_has_its_reason() {
    let scene = Scene::new();
    let request = scene.pays(buyer(), &offer(USDC, METHOD), 1).await;
    let poor = scene.pays(TestAccount::new(77), &offer(USDC, METHOD), 1).await;
    assert_eq!(scene.reason(&poor).await, "permit2_insufficient_balance");
    let nothing = scene.pays(buyer(), &offer(seller(), METHOD), 1).await;
    assert_eq!(scene.reason(&nothing).await, "asset_not_deployed_contract");
    scene.chain.set_code(EXACT_PROXY, Bytes::from_static(&[0x60, 0x00, 0x60, 0x00, 0xfd]));
    assert_eq!(scene.reason(&request).await, "permit2_proxy_not_deployed");
    // Where there is no code at all, a call succeeds and moves nothing.
    let scene = Scene::new();
    scene.chain.set_code(EXACT_PROXY, Bytes::new());
    assert_eq!(scene.reason(&request).await, "permit2_proxy_not_deployed");
}

#[tokio::test]
async fn a_signed_approval_settles_in_the_same_transaction() {
    let scene = Scene::new();
    let request = sponsored(&scene, &["eip2612GasSponsoring", "erc20ApprovalGasSponsoring"]).await;
    let verified = scene.verify(&request).await.unwrap();
    let Transfer::Permit2(transfer) = &verified.transfer else { panic!("a permit") };
    assert!(matches!(transfer.approval, Some(Approval::Permit(_))));
    assert!(!verified.is_plain());
    let call = verified.call();
    let (settled, used) = scene.send(TestAccount::new(9), call.to, call.data, call.gas).await;
    assert!(settled && used < (gas::PERMIT2 + gas::APPROVAL) * 2 / 3, "{used}");
    assert_eq!(scene.usdc(seller()).await, U256::from(1000));
}

#[tokio::test]
async fn a_forged_approval_settles_nothing() {
    let scene = Scene::new();
    let mut request = serde_json::to_value(sponsored(&scene, &["eip2612GasSponsoring"]).await).unwrap();
    request["paymentPayload"]["extensions"]["eip2612GasSponsoring"]["info"]["nonce"] = json!("7");
    let signature = request["paymentPayload"]["payload"]["signature"].clone();
    request["paymentPayload"]["extensions"]["eip2612GasSponsoring"]["info"]["signature"] = signature;
    let request = serde_json::from_value(request).unwrap();
    assert_eq!(scene.reason(&request).await, "permit2_simulation_failed");
    // Somebody else has brought the approval before: then its failure is no harm.
    scene.allow(USDC, 1000).await;
    assert!(scene.verify(&request).await.is_ok());
}

#[tokio::test]
async fn an_approval_transaction_is_sent_first() {
    let scene = Scene::new();
    let request = sponsored(&scene, &["erc20ApprovalGasSponsoring"]).await;
    let verified = scene.verify(&request).await.unwrap();
    let Transfer::Permit2(transfer) = &verified.transfer else { panic!("a permit") };
    let Some(Approval::Transaction(approval)) = &transfer.approval else { panic!("a transaction") };
    assert_eq!(approval.from, buyer().address);
    let (approved, used) = scene.broadcast(&approval.transaction, approval.hash).await;
    assert!(approved && used < approval.gas);
    assert!(scene.settle(&verified).await);
    assert_eq!(scene.usdc(seller()).await, U256::from(1000));
}

#[tokio::test]
async fn a_wallet_asks_the_chain_for_the_nonce_of_its_approval() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.allow(USDC, 1).await;
    }
    let request = sponsored(&scene, &["erc20ApprovalGasSponsoring"]).await;
    let verified = scene.verify(&request).await.unwrap();
    let Transfer::Permit2(transfer) = &verified.transfer else { panic!("a permit") };
    let Some(Approval::Transaction(approval)) = &transfer.approval else { panic!("a transaction") };
    assert_eq!(approval.account_nonce, scene.rpc.transaction_count(buyer().address).await.unwrap());
    assert!(scene.broadcast(&approval.transaction, approval.hash).await.0);
}

#[tokio::test]
async fn a_plain_permit_stays_within_its_gas_bound() {
    let scene = Scene::new();
    scene.allow(USDC, 1000).await;
    let call = scene.verify(&scene.pays(buyer(), &offer(USDC, METHOD), 1).await).await.unwrap().call();
    let (settled, used) = scene.send(TestAccount::new(9), call.to, call.data, call.gas).await;
    assert!(settled && used < gas::PERMIT2 * 2 / 3, "{used}");
}

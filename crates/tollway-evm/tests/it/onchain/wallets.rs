//! Payers with code, with borrowed code, and with code that is still to come.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, sol};
use tollway_devnet::{Contract, DELEGATE, MULTICALL3, TestAccount, USDC, WALLET_FACTORY};
use tollway_evm::chain::{Call, CallOutcome, ChainReader};
use tollway_evm::signature::Counterfactual;
use tollway_evm::verify::{Proof, VerifierOptions, gas};

use super::scene::{Scene, buyer, offer, seller};

sol! {
    function create(address owner, bytes32 salt) returns (address wallet);
    function addressOf(address owner, bytes32 salt) returns (address wallet);
}

const WALLET: Address = Address::repeat_byte(0x11);

#[tokio::test]
async fn a_wallet_pays_by_its_owners_signature_and_no_others() {
    let scene = Scene::new();
    scene.chain.install_wallet(buyer().address, WALLET);
    scene.chain.mint_usdc(WALLET, U256::from(5000));
    let stranger = scene.pays_from(WALLET, TestAccount::new(2), &offer(USDC, None), |s| s).await;
    assert_eq!(scene.reason(&stranger).await, "invalid_exact_evm_signature");
    let request = scene.pays_from(WALLET, buyer(), &offer(USDC, None), |s| s).await;
    let verified = scene.verify(&request).await.unwrap();
    assert!(matches!(&verified.proof, Proof::Contract(proof) if proof.wallet() == WALLET));
    assert!(!verified.is_plain() && scene.settle(&verified).await);
    assert_eq!(scene.usdc(seller()).await, U256::from(1000));
}

#[tokio::test]
async fn threat_57_a_delegated_account_is_asked_for_its_word() {
    let scene = Scene::new();
    let delegate = |to: Address| {
        let code = [&[0xef, 0x01, 0x00][..], to.as_slice()].concat();
        assert!(scene.chain.set_code(buyer().address, code.into()));
    };
    let request = scene.pays(buyer(), &offer(USDC, None), 1).await;
    assert!(scene.verify(&request).await.unwrap().is_plain());
    // Delegated to what answers no such question, the key's own signature counts for nothing.
    delegate(MULTICALL3);
    assert_eq!(scene.reason(&request).await, "invalid_exact_evm_signature");
    delegate(DELEGATE);
    let verified = scene.verify(&request).await.unwrap();
    assert!(matches!(verified.proof, Proof::Contract(_)) && scene.settle(&verified).await);
}

/// A wallet of the buyer's that the factory has yet to make, and its payment.
async fn to_be_made(scene: &Scene, factory: Address) -> (Address, tollway_protocol::FacilitatorRequest) {
    let (owner, salt) = (buyer().address, B256::repeat_byte(3));
    let data = addressOfCall { owner, salt }.abi_encode().into();
    let answers = scene.rpc.calls(vec![Call { to: WALLET_FACTORY, data, gas: 500_000 }]).await.unwrap();
    let [CallOutcome::Returned(word)] = answers.as_slice() else { panic!("{answers:?}") };
    let wallet = Address::from_word(B256::from_slice(word));
    scene.chain.mint_usdc(wallet, U256::from(5000));
    let calldata = Bytes::from(createCall { owner, salt }.abi_encode());
    let wrap = |signature| Counterfactual { factory, calldata, signature }.encode();
    (wallet, scene.pays_from(wallet, buyer(), &offer(USDC, None), wrap).await)
}

#[tokio::test]
async fn threat_18_a_wallet_is_made_by_a_factory_on_the_list_only() {
    let scene = Scene::new();
    let (_, request) = to_be_made(&scene, WALLET_FACTORY).await;
    assert_eq!(scene.reason(&request).await, "eip6492_factory_not_allowed");

    let scene = Scene::with(VerifierOptions { factories: vec![WALLET_FACTORY], ..VerifierOptions::default() });
    let (_, elsewhere) = to_be_made(&scene, USDC).await;
    assert_eq!(scene.reason(&elsewhere).await, "eip6492_factory_not_allowed");
    let (wallet, request) = to_be_made(&scene, WALLET_FACTORY).await;
    let verified = scene.verify(&request).await.unwrap();
    assert!(matches!(verified.proof, Proof::Counterfactual(_)));
    assert_eq!(verified.deployment().unwrap().to, WALLET_FACTORY);
    assert!(scene.rpc.code(wallet).await.unwrap().is_empty(), "trying it out leaves nothing behind");
    assert!(scene.settle(&verified).await);
    // It is there now, and the same wrapped signature is the wallet's own.
    assert_eq!(scene.reason(&request).await, "invalid_exact_evm_nonce_already_used");
}

#[tokio::test]
async fn a_wrapped_signature_of_a_wallet_that_is_there_needs_no_factory() {
    let scene = Scene::new();
    let (owner, salt) = (buyer().address, B256::repeat_byte(3));
    let create = createCall { owner, salt }.abi_encode();
    assert!(scene.send(TestAccount::new(9), WALLET_FACTORY, create.into(), 1_000_000).await.0);
    let (_, request) = to_be_made(&scene, WALLET_FACTORY).await;
    let verified = scene.verify(&request).await.unwrap();
    assert!(matches!(verified.proof, Proof::Contract(_)) && verified.deployment().is_none());
}

#[tokio::test]
async fn a_wallet_to_be_made_signs_by_its_owner_only() {
    let scene = Scene::with(VerifierOptions { factories: vec![WALLET_FACTORY], ..VerifierOptions::default() });
    let (wallet, _) = to_be_made(&scene, WALLET_FACTORY).await;
    let calldata = Bytes::from(createCall { owner: buyer().address, salt: B256::repeat_byte(3) }.abi_encode());
    let wrap = |signature| Counterfactual { factory: WALLET_FACTORY, calldata, signature }.encode();
    let request = scene.pays_from(wallet, TestAccount::new(2), &offer(USDC, None), wrap).await;
    assert_eq!(scene.reason(&request).await, "invalid_exact_evm_signature");
}

#[tokio::test]
async fn threat_58_a_wallet_that_burns_gas_burns_no_more_than_its_bound() {
    let scene = Scene::new();
    scene.chain.set_code(WALLET, Contract::GasBurner.runtime());
    scene.chain.mint_usdc(WALLET, U256::from(5000));
    let request = scene.pays_from(WALLET, buyer(), &offer(USDC, None), |s| s).await;
    // It says yes to everything, and leaves the transfer no gas: what would not settle is refused.
    match scene.verify(&request).await {
        Ok(verified) => {
            assert!(!verified.is_plain() && verified.call().gas <= gas::TRANSFER + gas::WALLET);
            assert!(scene.settle(&verified).await);
        }
        Err(error) => assert!(error.to_string().contains("simulation_failed"), "{error}"),
    }
}

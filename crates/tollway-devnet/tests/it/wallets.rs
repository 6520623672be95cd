//! Who signs: contracts (ERC-1271), wallets that are not there yet (ERC-6492), keys that delegate (EIP-7702).

use alloy_consensus::{SignableTransaction as _, TxEip7702, TxEnvelope};
use alloy_eips::{eip2718::Encodable2718 as _, eip7702::Authorization};
use alloy_primitives::{Address, B256, U256, address};
use alloy_sol_types::sol;
use serde_json::json;
use tollway_devnet::{Contract, DELEGATE, USDC, WALLET_FACTORY};

use crate::rig::{Rig, facilitator, payer, quantity, seller, succeeded, transfer_call};

sol! {
    interface Factory {
        function create(address owner, bytes32 salt) external returns (address wallet);
        function addressOf(address owner, bytes32 salt) external view returns (address);
    }
}

#[tokio::test]
async fn a_wallet_pays_by_its_owners_signature() {
    let rig = Rig::new();
    let wallet = Address::repeat_byte(0x11);
    rig.chain.install_wallet(payer().address, wallet);
    rig.chain.mint_usdc(wallet, U256::from(100));
    let words = rig.authorization(wallet, seller(), 60, 1);
    let forged = transfer_call(&words, rig.sign_for(facilitator(), USDC, &words));
    assert!(rig.call(USDC, forged).await.err().unwrap().message.ends_with("FiatTokenV2: invalid signature"));
    assert!(succeeded(&rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await));
    assert_eq!((rig.usdc(wallet).await, rig.usdc(seller()).await), (40, 60));
}

#[tokio::test]
async fn a_wallet_is_made_where_it_was_foretold() {
    let rig = Rig::new();
    let (owner, salt) = (payer().address, B256::repeat_byte(3));
    let wallet = rig.call(WALLET_FACTORY, Factory::addressOfCall { owner, salt }).await.unwrap();
    rig.chain.mint_usdc(wallet, U256::from(100));
    let words = rig.authorization(wallet, seller(), 60, 1);
    assert!(rig.call(USDC, rig.bring(payer(), &words)).await.is_err(), "there is no wallet to ask");
    let create = || Factory::createCall { owner, salt };
    assert!(succeeded(&rig.send(facilitator(), WALLET_FACTORY, create()).await));
    assert_eq!(rig.call(WALLET_FACTORY, create()).await.unwrap(), wallet, "a second time is no harm");
    assert!(succeeded(&rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await));
    assert_eq!(rig.usdc(seller()).await, 60);
}

#[tokio::test]
async fn a_key_that_delegates_is_asked_as_a_contract() {
    let rig = Rig::new();
    let delegate = async |target: Address, nonce: u64| {
        let authorization = Authorization { chain_id: U256::from(rig.chain.chain_id()), address: target, nonce };
        let signature = payer().sign(authorization.signature_hash());
        let sent = rig.number("eth_getTransactionCount", json!([facilitator().address, "pending"])).await;
        let transaction = TxEip7702 {
            chain_id: rig.chain.chain_id(),
            nonce: sent,
            gas_limit: 200_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1,
            to: payer().address,
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        };
        let signature = facilitator().sign(transaction.signature_hash());
        let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
        let hash = rig.ask("eth_sendRawTransaction", json!([alloy_primitives::Bytes::from(raw)])).await.unwrap();
        let receipt = rig.ask("eth_getTransactionReceipt", json!([hash])).await.unwrap();
        assert_eq!(receipt["type"], "0x4");
        rig.ask("eth_getCode", json!([payer().address, "latest"])).await.unwrap()
    };
    let code = delegate(DELEGATE, 0).await;
    assert_eq!(code, format!("0xef0100{}", alloy_primitives::hex::encode(DELEGATE)));
    let words = rig.authorization(payer().address, seller(), 5, 1);
    assert!(succeeded(&rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await));
    // Delegated to what answers no such question, the key's own signature counts for nothing.
    delegate(address!("0xcA11bde05977b3631167028862bE2a173976CA11"), 1).await;
    let words = rig.authorization(payer().address, seller(), 5, 2);
    assert!(rig.call(USDC, rig.bring(payer(), &words)).await.is_err());
}

#[tokio::test]
async fn a_burner_burns_what_it_is_given() {
    let rig = Rig::new();
    let wallet = Address::repeat_byte(0x12);
    assert!(rig.chain.set_code(wallet, Contract::GasBurner.runtime()));
    rig.chain.mint_usdc(wallet, U256::from(100));
    let words = rig.authorization(wallet, seller(), 60, 1);
    let receipt = rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await;
    assert!(quantity(&receipt["gasUsed"]) > 900_000, "{receipt}");
}

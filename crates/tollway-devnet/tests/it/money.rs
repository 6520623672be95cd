//! Test USDC: what EIP-3009 and EIP-2612 promise, and what they refuse.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use serde_json::json;
use tollway_devnet::{Contract, PERMIT2, TEST_USDC, TestAccount, USDC};

use crate::rig::{
    CancelAuthorization, Permit, ReceiveWithAuthorization, Rig, Usdc, facilitator, payer, seller, succeeded,
    transfer_call,
};

#[tokio::test]
async fn it_says_what_usdc_says() {
    let rig = Rig::new();
    assert_eq!(rig.call(USDC, Usdc::nameCall {}).await.unwrap(), "USDC");
    assert_eq!(rig.call(USDC, Usdc::versionCall {}).await.unwrap(), "2");
    assert_eq!(rig.call(USDC, Usdc::decimalsCall {}).await.unwrap(), 6);
    assert_eq!(rig.call(USDC, Usdc::DOMAIN_SEPARATORCall {}).await.unwrap(), rig.domain(USDC).separator());
    assert_eq!(rig.usdc(payer().address).await, TEST_USDC.to::<u64>());
}

#[tokio::test]
async fn money_comes_from_the_faucet_alone() {
    let rig = Rig::new();
    let mint = || Usdc::mintCall { to: seller(), value: U256::from(5) };
    assert!(!succeeded(&rig.send(payer(), USDC, mint()).await));
    assert!(succeeded(&rig.send(TestAccount::faucet(), USDC, mint()).await));
    let supply = rig.call(USDC, Usdc::totalSupplyCall {}).await.unwrap();
    rig.chain.mint_usdc(seller(), U256::from(7));
    assert_eq!(rig.usdc(seller()).await, 12);
    assert_eq!(rig.call(USDC, Usdc::totalSupplyCall {}).await.unwrap(), supply + U256::from(7));
}

#[tokio::test]
async fn an_authorization_moves_money_once_and_says_so() {
    let rig = Rig::new();
    let words = rig.authorization(payer().address, seller(), 1_500, 1);
    let bring = rig.bring(payer(), &words);
    let receipt = rig.send(facilitator(), USDC, bring.clone()).await;
    assert!(succeeded(&receipt), "{receipt}");
    assert_eq!(rig.usdc(seller()).await, 1_500);
    let topics: Vec<&str> =
        receipt["logs"].as_array().unwrap().iter().map(|log| log["topics"][0].as_str().unwrap()).collect();
    let expected =
        [Usdc::AuthorizationUsed::SIGNATURE_HASH, Usdc::Transfer::SIGNATURE_HASH].map(|hash| hash.to_string());
    assert_eq!(topics, expected);
    let state = Usdc::authorizationStateCall { authorizer: words.from, nonce: words.nonce };
    assert!(rig.call(USDC, state).await.unwrap());
    assert!(!succeeded(&rig.send(facilitator(), USDC, bring.clone()).await));
    let refused = rig.call(USDC, bring).await.err().unwrap();
    assert_eq!(refused.message, "execution reverted: FiatTokenV2: authorization is used or canceled");
    assert_eq!(rig.usdc(seller()).await, 1_500);
}

#[tokio::test]
async fn both_forms_of_a_signature_are_taken() {
    let rig = Rig::new();
    let words = rig.authorization(payer().address, seller(), 3, 1);
    let signature = rig.sign_for(payer(), USDC, &words);
    let call = Usdc::transferWithAuthorization_0Call {
        from: words.from,
        to: words.to,
        value: words.value,
        validAfter: words.validAfter,
        validBefore: words.validBefore,
        nonce: words.nonce,
        v: signature[64],
        r: B256::from_slice(&signature[..32]),
        s: B256::from_slice(&signature[32..64]),
    };
    assert!(succeeded(&rig.send(facilitator(), USDC, call).await));
    assert_eq!(rig.usdc(seller()).await, 3);
}

#[tokio::test]
async fn what_an_authorization_does_not_cover_is_refused() {
    let rig = Rig::new();
    let good = || rig.authorization(payer().address, seller(), 10, 1);
    let now = U256::from(rig.chain.now());
    let refused = async |words, signer| {
        let call = rig.bring(signer, &words);
        rig.call(USDC, call).await.err().unwrap().message
    };
    let mut early = good();
    early.validAfter = now + U256::from(1_000);
    assert!(refused(early, payer()).await.ends_with("FiatTokenV2: authorization is not yet valid"));
    let mut late = good();
    late.validBefore = now - U256::from(1);
    assert!(refused(late, payer()).await.ends_with("FiatTokenV2: authorization is expired"));
    assert!(refused(good(), facilitator()).await.ends_with("FiatTokenV2: invalid signature"));
    let mut much = good();
    much.value = TEST_USDC + U256::from(1);
    assert!(refused(much, payer()).await.ends_with("ERC20: transfer amount exceeds balance"));
    let signature = rig.sign_for(payer(), USDC, &good());
    let mut other = good();
    other.to = Address::repeat_byte(9);
    let call = transfer_call(&other, signature);
    assert!(rig.call(USDC, call).await.err().unwrap().message.ends_with("FiatTokenV2: invalid signature"));
}

#[tokio::test]
async fn the_twin_of_a_signature_is_refused() {
    let rig = Rig::new();
    let words = rig.authorization(payer().address, seller(), 10, 1);
    let signature = rig.sign_for(payer(), USDC, &words);
    let order = U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
    let s = order - U256::from_be_slice(&signature[32..64]);
    let mut twin = signature.to_vec();
    twin[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    twin[64] = 55 - twin[64];
    let refused = rig.call(USDC, transfer_call(&words, twin.into())).await.err().unwrap();
    assert_eq!(refused.message, "execution reverted: ECRecover: invalid signature 's' value");
    let short = rig.call(USDC, transfer_call(&words, Bytes::from(vec![1; 64]))).await.err().unwrap();
    assert_eq!(short.message, "execution reverted: ECRecover: invalid signature length");
}

#[tokio::test]
async fn an_authorization_to_receive_is_brought_by_the_payee() {
    let rig = Rig::new();
    let words = rig.authorization(payer().address, facilitator().address, 10, 1);
    let receive = ReceiveWithAuthorization {
        from: words.from,
        to: words.to,
        value: words.value,
        validAfter: words.validAfter,
        validBefore: words.validBefore,
        nonce: words.nonce,
    };
    let call = Usdc::receiveWithAuthorizationCall {
        from: words.from,
        to: words.to,
        value: words.value,
        validAfter: words.validAfter,
        validBefore: words.validBefore,
        nonce: words.nonce,
        signature: rig.sign_for(payer(), USDC, &receive),
    };
    assert!(!succeeded(&rig.send(payer(), USDC, call.clone()).await));
    assert!(succeeded(&rig.send(facilitator(), USDC, call).await));
}

#[tokio::test]
async fn a_cancelled_authorization_moves_nothing() {
    let rig = Rig::new();
    let words = rig.authorization(payer().address, seller(), 10, 1);
    let cancel = CancelAuthorization { authorizer: words.from, nonce: words.nonce };
    let signature = rig.sign_for(payer(), USDC, &cancel);
    let call = Usdc::cancelAuthorizationCall { authorizer: words.from, nonce: words.nonce, signature };
    assert!(succeeded(&rig.send(facilitator(), USDC, call).await));
    assert!(!succeeded(&rig.send(facilitator(), USDC, rig.bring(payer(), &words)).await));
    assert_eq!(rig.usdc(seller()).await, 0);
}

#[tokio::test]
async fn a_permit_gives_an_allowance_once() {
    let rig = Rig::new();
    let (owner, deadline) = (payer().address, U256::from(rig.chain.now() + 60));
    let permit = Permit { owner, spender: PERMIT2, value: U256::from(99), nonce: U256::ZERO, deadline };
    let signature = rig.sign_for(payer(), USDC, &permit);
    let call = Usdc::permitCall { owner, spender: PERMIT2, value: permit.value, deadline, signature };
    assert!(succeeded(&rig.send(facilitator(), USDC, call.clone()).await));
    let allowance = Usdc::allowanceCall { owner, spender: PERMIT2 };
    assert_eq!(rig.call(USDC, allowance).await.unwrap(), U256::from(99));
    assert_eq!(rig.call(USDC, Usdc::noncesCall { account: owner }).await.unwrap(), U256::ONE);
    assert!(rig.call(USDC, call).await.err().unwrap().message.ends_with("EIP2612: invalid signature"));
}

#[tokio::test]
async fn bad_tokens_are_bad_in_one_way_each() {
    let rig = Rig::new();
    let moved = async |token: Contract, at: u8| {
        let address = Address::repeat_byte(at);
        rig.chain.install_token(token, address);
        rig.chain.mint_token(address, payer().address, U256::from(1_000));
        let words = rig.authorization(payer().address, seller(), 1_000, 1);
        let call = transfer_call(&words, rig.sign_for(payer(), address, &words));
        let receipt = rig.send(facilitator(), address, call.clone()).await;
        assert!(succeeded(&receipt), "{token:?}: {receipt}");
        let again = succeeded(&rig.send(facilitator(), address, call).await);
        let to = receipt["logs"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .find(|log| log["topics"].as_array().unwrap().len() == 3 && log["data"] != "0x");
        let payee = to.map(|log| log["topics"][2].as_str().unwrap().to_owned());
        (rig.token(address, seller()).await, again, payee)
    };
    let word = |address: Address| Some(address.into_word().to_string());
    assert_eq!(moved(Contract::FeeToken, 0xa1).await, (990, false, word(Address::repeat_byte(0xa1))));
    assert_eq!(moved(Contract::FalseToken, 0xa2).await, (0, false, None));
    assert_eq!(moved(Contract::SilentToken, 0xa3).await, (1_000, false, word(seller())));
    assert_eq!(moved(Contract::NoopToken, 0xa4).await, (1_000, true, word(seller())));
    assert_eq!(moved(Contract::LyingToken, 0xa5).await, (1, false, word(seller())));
    assert_eq!(moved(Contract::WrongLogToken, 0xa6).await, (1_000, false, word(Address::repeat_byte(0xa6))));
}

#[tokio::test]
async fn a_silent_token_returns_no_data() {
    let rig = Rig::new();
    let token = Address::repeat_byte(0xa3);
    rig.chain.install_token(Contract::SilentToken, token);
    rig.chain.mint_token(token, payer().address, U256::from(5));
    let data = Bytes::from(Usdc::transferCall { to: seller(), value: U256::from(5) }.abi_encode());
    let answer = rig.ask("eth_call", json!([{ "from": payer().address, "to": token, "data": data }, "latest"])).await;
    assert_eq!(answer.unwrap(), "0x");
}

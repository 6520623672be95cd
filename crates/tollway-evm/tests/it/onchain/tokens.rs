//! EIP-3009 on a real token, and on tokens that misbehave.

use alloy_primitives::{Address, U256};
use serde_json::json;
use tollway_devnet::{Contract, Fault, MULTICALL3, TestAccount, USDC};
use tollway_evm::verify::{NotVerified, Proof, gas};

use super::scene::{Scene, buyer, offer, seller};

#[tokio::test]
async fn what_is_verified_settles_as_it_says_and_then_no_more() {
    let scene = Scene::new();
    let request = scene.pays(buyer(), &offer(USDC, None), 1).await;
    let verified = scene.verify(&request).await.unwrap();
    assert!(matches!(verified.proof, Proof::Eoa(_)));
    assert!(scene.settle(&verified).await);
    assert_eq!(scene.usdc(seller()).await, U256::from(1000));
    assert_eq!(scene.reason(&request).await, "invalid_exact_evm_nonce_already_used");
    assert!(!scene.settle(&verified).await);
    // Another signature over the same nonce is the same payment.
    let mut dearer = offer(USDC, None);
    dearer.amount = tollway_protocol::Amount::new(2000);
    let again = scene.pays(buyer(), &dearer, 1).await;
    assert_eq!(scene.reason(&again).await, "invalid_exact_evm_nonce_already_used");
}

#[tokio::test]
async fn each_cause_of_a_failing_transfer_has_its_reason() {
    let scene = Scene::new();
    let mut other = offer(USDC, None);
    let rename = |offer: &mut tollway_protocol::PaymentRequirements, key: &str, value: &str| {
        offer.extra.as_mut().unwrap().insert(key.to_owned(), json!(value));
    };
    rename(&mut other, "version", "3");
    let version = scene.pays(buyer(), &other, 1).await;
    assert_eq!(scene.reason(&version).await, "invalid_exact_evm_token_version_mismatch");
    rename(&mut other, "name", "USD Coin");
    let name = scene.pays(buyer(), &other, 1).await;
    assert_eq!(scene.reason(&name).await, "invalid_exact_evm_token_name_mismatch");
    let poor = scene.pays(TestAccount::new(77), &offer(USDC, None), 1).await;
    assert_eq!(scene.reason(&poor).await, "invalid_exact_evm_insufficient_balance");
    let no_token = scene.pays(buyer(), &offer(MULTICALL3, None), 1).await;
    assert_eq!(scene.reason(&no_token).await, "invalid_exact_evm_eip3009_not_supported");
    let nothing = scene.pays(buyer(), &offer(Address::repeat_byte(5), None), 1).await;
    assert_eq!(scene.reason(&nothing).await, "asset_not_deployed_contract");
    // Everything is as it should be, and the transfer fails all the same: the token pays nobody at itself.
    let good = scene.pays(buyer(), &offer(USDC, None), 1).await;
    scene.chain.advance_time(3600);
    let late = scene.verifier.verify(&good, scene.chain.now() - 3600).await;
    let Err(NotVerified::Refused(refused)) = late else { panic!("{late:?}") };
    assert_eq!(refused.reason.code(), "invalid_exact_evm_transaction_simulation_failed");
    assert!(refused.message.contains("expired"), "{}", refused.message);
}

#[tokio::test]
async fn threat_20_a_token_that_says_no_by_a_word_is_refused() {
    let scene = Scene::new();
    let token = Address::repeat_byte(0x77);
    scene.chain.install_token(Contract::FalseToken, token);
    scene.chain.mint_token(token, buyer().address, U256::from(5000));
    scene.allow(token, 1000).await;
    let request = scene.pays(buyer(), &offer(token, Some("permit2")), 1).await;
    assert_eq!(scene.reason(&request).await, "permit2_simulation_failed");
}

#[tokio::test]
async fn threat_54_a_node_that_fails_is_neither_yes_nor_no() {
    let scene = Scene::new();
    let request = scene.pays(buyer(), &offer(USDC, None), 1).await;
    // What the asset is was asked before, so that each question here is about the payer or the payment.
    assert!(scene.verify(&request).await.is_ok());
    let error = || Fault::Error { code: -32_603, message: "no".to_owned() };
    for method in ["eth_call", "eth_getCode"] {
        for fault in [error(), Fault::Garbage, Fault::DropConnection, Fault::Status(502)] {
            for _ in 0..8 {
                scene.chain.fail_next(method, fault.clone());
            }
            let answer = scene.verify(&request).await;
            assert!(matches!(answer, Err(NotVerified::Unavailable(_))), "{method} {fault:?}: {answer:?}");
            scene.chain.clear_faults();
        }
    }
    assert!(scene.verify(&request).await.is_ok());
}

#[tokio::test]
async fn the_gas_bounds_leave_room_for_honest_payments() {
    let scene = Scene::new();
    for number in 0..3 {
        let request = scene.pays(buyer(), &offer(USDC, None), number).await;
        let call = scene.verify(&request).await.unwrap().call();
        let (settled, used) = scene.send(TestAccount::new(9), call.to, call.data, call.gas).await;
        assert!(settled && call.gas == gas::TRANSFER && used < gas::TRANSFER * 2 / 3, "{used}");
    }
}

#[tokio::test]
async fn a_hundred_verifications_at_once_are_a_few_questions() {
    let scene = Scene::new();
    let mut requests = Vec::new();
    // Of eight payers: what is asked of each is asked together too.
    for number in 0..100 {
        let payer = TestAccount::new(u32::try_from(number % 8).unwrap() + 1);
        requests.push(scene.pays(payer, &offer(USDC, None), number).await);
    }
    let before = scene.rpc.requests();
    let answers = futures_util::future::join_all(requests.iter().map(|request| scene.verify(request))).await;
    assert!(answers.iter().all(Result::is_ok));
    let asked = scene.rpc.requests() - before;
    assert!(asked < 30, "{asked} requests for 100 payments");
}

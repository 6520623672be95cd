//! The proxies of Permit2, and many calls in one transaction.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall as _, sol};
use tempo_contracts::Multicall3;
use tollway_devnet::{EXACT_PROXY, MULTICALL3, PERMIT2, UPTO_PROXY, USDC};

use crate::rig::{Permit, Rig, Usdc, facilitator, payer, selector, seller, succeeded};

sol! {
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct Permit2612 {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    interface Exact {
        struct Witness {
            address to;
            uint256 validAfter;
        }

        struct PermitWitnessTransferFrom {
            TokenPermissions permitted;
            address spender;
            uint256 nonce;
            uint256 deadline;
            Witness witness;
        }

        function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature) external;
        function settleWithPermit(Permit2612 permit2612, PermitTransferFrom permit, address owner, Witness witness, bytes signature) external;
    }

    interface Upto {
        struct Witness {
            address to;
            address facilitator;
            uint256 validAfter;
        }

        struct PermitWitnessTransferFrom {
            TokenPermissions permitted;
            address spender;
            uint256 nonce;
            uint256 deadline;
            Witness witness;
        }

        function settle(PermitTransferFrom permit, uint256 amount, address owner, Witness witness, bytes signature) external;
    }
}

impl Rig {
    async fn allow_permit2(&self) {
        let approve = Usdc::approveCall { spender: PERMIT2, value: U256::MAX };
        assert!(succeeded(&self.send(payer(), USDC, approve).await));
    }

    fn permit(&self, amount: u64, nonce: u64) -> PermitTransferFrom {
        PermitTransferFrom {
            permitted: TokenPermissions { token: USDC, amount: U256::from(amount) },
            nonce: U256::from(nonce),
            deadline: U256::from(self.chain.now() + 600),
        }
    }

    fn exact(&self, permit: PermitTransferFrom, witness: Exact::Witness) -> Exact::settleCall {
        let words = Exact::PermitWitnessTransferFrom {
            permitted: permit.permitted.clone(),
            spender: EXACT_PROXY,
            nonce: permit.nonce,
            deadline: permit.deadline,
            witness: witness.clone(),
        };
        let signature = self.sign_for(payer(), PERMIT2, &words);
        Exact::settleCall { permit, owner: payer().address, witness, signature }
    }

    /// An exact payment together with the permit that gives Permit2 its allowance.
    fn sponsored(&self, amount: u64, permitted: u64) -> Exact::settleWithPermitCall {
        let settle = self.exact(self.permit(amount, 9), Exact::Witness { to: seller(), validAfter: U256::ZERO });
        let deadline = settle.permit.deadline;
        let value = U256::from(permitted);
        let permit = Permit { owner: payer().address, spender: PERMIT2, value, nonce: U256::ZERO, deadline };
        let signature = self.sign_for(payer(), USDC, &permit);
        let permit2612 = Permit2612 {
            value,
            deadline,
            r: signature[..32].try_into().unwrap(),
            s: signature[32..64].try_into().unwrap(),
            v: signature[64],
        };
        let Exact::settleCall { permit, owner, witness, signature } = settle;
        Exact::settleWithPermitCall { permit2612, permit, owner, witness, signature }
    }
}

#[tokio::test]
async fn an_exact_payment_goes_to_whom_the_payer_named() {
    let rig = Rig::new();
    rig.allow_permit2().await;
    let settle = rig.exact(rig.permit(2_500, 1), Exact::Witness { to: seller(), validAfter: U256::ZERO });
    let mut stolen = settle.clone();
    stolen.witness.to = facilitator().address;
    let refused = rig.call(EXACT_PROXY, stolen).await.err().unwrap();
    assert_eq!(refused.data, selector("InvalidSigner()"));
    assert!(succeeded(&rig.send(facilitator(), EXACT_PROXY, settle.clone()).await));
    assert_eq!(rig.usdc(seller()).await, 2_500);
    let refused = rig.call(EXACT_PROXY, settle).await.err().unwrap();
    assert_eq!((refused.code, refused.data), (3, selector("InvalidNonce()").into()));
}

#[tokio::test]
async fn each_refusal_of_the_exact_proxy_has_its_error() {
    let rig = Rig::new();
    rig.allow_permit2().await;
    let witness = || Exact::Witness { to: seller(), validAfter: U256::ZERO };
    let refused = async |call: Exact::settleCall| rig.call(EXACT_PROXY, call).await.err().unwrap().data;
    assert_eq!(refused(rig.exact(rig.permit(0, 1), witness())).await, selector("InvalidAmount()"));
    let nobody = Exact::Witness { to: Address::ZERO, ..witness() };
    assert_eq!(refused(rig.exact(rig.permit(1, 1), nobody)).await, selector("InvalidDestination()"));
    let mut ownerless = rig.exact(rig.permit(1, 1), witness());
    ownerless.owner = Address::ZERO;
    assert_eq!(refused(ownerless).await, selector("InvalidOwner()"));
    let early = Exact::Witness { validAfter: U256::from(rig.chain.now() + 600), ..witness() };
    assert_eq!(refused(rig.exact(rig.permit(1, 1), early)).await, selector("PaymentTooEarly()"));
}

#[tokio::test]
async fn a_payment_brings_its_own_allowance() {
    let rig = Rig::new();
    let mismatched = rig.call(EXACT_PROXY, rig.sponsored(40, 41)).await.err().unwrap();
    assert_eq!(mismatched.data, selector("Permit2612AmountMismatch()"));
    assert!(succeeded(&rig.send(facilitator(), EXACT_PROXY, rig.sponsored(40, 40)).await));
    assert_eq!(rig.usdc(seller()).await, 40);
}

#[tokio::test]
async fn a_permit_that_another_has_brought_is_no_reason_to_fail() {
    let rig = Rig::new();
    let settle = rig.sponsored(40, 40);
    let permit = &settle.permit2612;
    let signature = [permit.r.as_slice(), permit.s.as_slice(), &[permit.v]].concat();
    let ahead = Usdc::permitCall {
        owner: payer().address,
        spender: PERMIT2,
        value: permit.value,
        deadline: permit.deadline,
        signature: Bytes::from(signature),
    };
    assert!(succeeded(&rig.send(seller_friend(), USDC, ahead).await));
    assert!(succeeded(&rig.send(facilitator(), EXACT_PROXY, settle).await));
    assert_eq!(rig.usdc(seller()).await, 40);
}

fn seller_friend() -> tollway_devnet::TestAccount {
    tollway_devnet::TestAccount::new(5)
}

#[tokio::test]
async fn an_upto_payment_moves_less_and_by_its_facilitator_only() {
    let rig = Rig::new();
    rig.allow_permit2().await;
    let permit = rig.permit(1_000, 1);
    let witness = Upto::Witness { to: seller(), facilitator: facilitator().address, validAfter: U256::ZERO };
    let words = Upto::PermitWitnessTransferFrom {
        permitted: permit.permitted.clone(),
        spender: UPTO_PROXY,
        nonce: permit.nonce,
        deadline: permit.deadline,
        witness: witness.clone(),
    };
    let signature = rig.sign_for(payer(), PERMIT2, &words);
    let settle = |amount: u64| Upto::settleCall {
        permit: permit.clone(),
        amount: U256::from(amount),
        owner: payer().address,
        witness: witness.clone(),
        signature: signature.clone(),
    };
    let refused = rig.call(UPTO_PROXY, settle(300)).await.err().unwrap();
    assert_eq!(refused.data, selector("UnauthorizedFacilitator()"));
    let refused = rig.call(UPTO_PROXY, settle(1_001)).await.err().unwrap();
    assert_eq!(refused.data, selector("AmountExceedsPermitted()"));
    assert!(succeeded(&rig.send(facilitator(), UPTO_PROXY, settle(300)).await));
    assert_eq!(rig.usdc(seller()).await, 300);
}

#[tokio::test]
async fn many_payments_go_in_one_transaction_and_fail_alone() {
    let rig = Rig::new();
    let mut calls = Vec::new();
    for nonce in 1..=5 {
        let words = rig.authorization(payer().address, seller(), 10, nonce % 5);
        let data = rig.bring(payer(), &words).abi_encode();
        calls.push(Multicall3::Call3 { target: USDC, allowFailure: true, callData: data.into() });
    }
    let again = calls[0].clone();
    calls.push(again);
    let receipt = rig.send(facilitator(), MULTICALL3, Multicall3::aggregate3Call { calls }).await;
    assert!(succeeded(&receipt), "{receipt}");
    assert_eq!(receipt["logs"].as_array().unwrap().len(), 10, "the sixth was used before");
    assert_eq!(rig.usdc(seller()).await, 50);
}

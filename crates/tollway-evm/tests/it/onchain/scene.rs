//! A chain, a verifier that asks it, and payments that change one thing.

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use serde_json::{Map, Value, json};
use tollway_devnet::{Devnet, DevnetConfig, TestAccount, USDC};
use tollway_evm::asset::{asset_of, network_of};
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::client::{ExactWallet, LocalSigner, Order, Signer, Version};
use tollway_evm::payload::ExactPayload;
use tollway_evm::typed_data::{TokenDomain, permit2};
use tollway_evm::verify::{NotVerified, Verified, Verifier, VerifierOptions};
use tollway_protocol::{FacilitatorRequest, PaymentPayload, PaymentRequirements};

sol! {
    function approve(address spender, uint256 amount) returns (bool);
}

pub(super) struct Scene {
    pub(super) chain: Devnet,
    pub(super) rpc: Rpc,
    pub(super) verifier: Verifier,
}

/// The buyer's account, with money from genesis on.
pub(super) fn buyer() -> TestAccount {
    TestAccount::new(1)
}

pub(super) fn seller() -> Address {
    Address::repeat_byte(0xaa)
}

pub(super) fn signer(account: TestAccount) -> LocalSigner {
    LocalSigner::new(account.key.0.into()).unwrap()
}

/// An offer of 1,000 units of an asset.
pub(super) fn offer(asset: Address, method: Option<&str>) -> PaymentRequirements {
    let mut extra = json!({"name": "USDC", "version": "2"});
    if let Some(method) = method {
        extra["assetTransferMethod"] = json!(method);
    }
    let offer = json!({"scheme": "exact", "network": "eip155:84532", "amount": "1000", "asset": asset_of(asset),
        "payTo": seller(), "maxTimeoutSeconds": 60, "extra": extra});
    serde_json::from_value(offer).unwrap()
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(VerifierOptions { transaction_approvals: true, ..VerifierOptions::default() })
    }

    pub(super) fn with(options: VerifierOptions) -> Self {
        let chain = Devnet::start(DevnetConfig::default()).unwrap();
        let rpc = Rpc::new(RpcConfig::new(84_532, vec![chain.url()])).unwrap();
        let verifier = Verifier::new(network_of(84_532), Arc::new(rpc.clone()), options).unwrap();
        Self { chain, rpc, verifier }
    }

    /// A payment by an account's key for this offer; `number` makes its nonce.
    pub(super) async fn pays(&self, by: TestAccount, offer: &PaymentRequirements, number: u64) -> FacilitatorRequest {
        self.pays_with(by, offer, number, None).await
    }

    pub(super) async fn pays_with(
        &self,
        by: TestAccount,
        offer: &PaymentRequirements,
        number: u64,
        extensions: Option<&Map<String, Value>>,
    ) -> FacilitatorRequest {
        let nonce = keccak256(number.to_be_bytes());
        let order = Order { requirements: offer, extensions, version: Version::V2, now: self.chain.now(), nonce };
        let signer = signer(by);
        let mut wallet = ExactWallet::new(&signer);
        if extensions.is_some() {
            wallet = wallet.on(84_532, &self.rpc);
        }
        let signed = wallet.pay(&order).await.unwrap();
        let mut payload = PaymentPayload::new(offer.clone(), signed.payload.to_map());
        payload.extensions = signed.extensions;
        FacilitatorRequest::new(payload, offer.clone())
    }

    /// The same payment from another account, signed by `by`, its signature as `wrap` makes it.
    pub(super) async fn pays_from(
        &self,
        from: Address,
        by: TestAccount,
        offer: &PaymentRequirements,
        wrap: impl FnOnce(Bytes) -> Bytes,
    ) -> FacilitatorRequest {
        let mut request = self.pays(by, offer, 1).await;
        let domain = TokenDomain {
            name: "USDC",
            version: "2",
            chain_id: 84_532,
            contract: offer.asset.as_str().parse().unwrap(),
        };
        let mut payload = ExactPayload::from_map(&request.payment_payload.payload).unwrap();
        let digest = match &mut payload {
            ExactPayload::Eip3009(payload) => {
                payload.authorization.from = from;
                domain.transfer(&payload.authorization)
            }
            ExactPayload::Permit2(payload) => {
                payload.authorization.from = from;
                permit2(84_532, &payload.authorization)
            }
        };
        let signature = wrap(signer(by).sign_digest(digest).await.unwrap().to_bytes());
        match &mut payload {
            ExactPayload::Eip3009(payload) => payload.signature = signature,
            ExactPayload::Permit2(payload) => payload.signature = signature,
        }
        request.payment_payload.payload = payload.to_map();
        request
    }

    pub(super) async fn verify(&self, request: &FacilitatorRequest) -> Result<Verified, NotVerified> {
        self.verifier.verify(request, self.chain.now()).await
    }

    pub(super) async fn reason(&self, request: &FacilitatorRequest) -> &'static str {
        match self.verify(request).await {
            Err(NotVerified::Refused(refused)) => refused.reason.code(),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a transaction and says whether it succeeded, and what gas it took.
    pub(super) async fn send(&self, by: TestAccount, to: Address, data: Bytes, gas_limit: u64) -> (bool, u64) {
        let transaction = TxEip1559 {
            chain_id: 84_532,
            nonce: self.rpc.pending_count(by.address).await.unwrap(),
            gas_limit,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(to),
            input: data,
            ..TxEip1559::default()
        };
        let signature = signer(by).sign_digest(transaction.signature_hash()).await.unwrap();
        let signature = Signature::from_scalars_and_parity(signature.r(), signature.s(), signature.v() == 28);
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        self.broadcast(&signed.encoded_2718(), *signed.tx_hash()).await
    }

    pub(super) async fn broadcast(&self, raw: &[u8], hash: B256) -> (bool, u64) {
        self.rpc.broadcast(raw, hash).await;
        let receipt = self.rpc.receipt(hash).await.unwrap().unwrap();
        (receipt.succeeded, receipt.gas_used)
    }

    /// Lets Permit2 move so much of the buyer's.
    pub(super) async fn allow(&self, token: Address, amount: u64) {
        let data = approveCall { spender: tollway_evm::PERMIT2, amount: U256::from(amount) }.abi_encode();
        assert!(self.send(buyer(), token, data.into(), 100_000).await.0);
    }

    /// Sends what a verified payment says, within the gas it says.
    pub(super) async fn settle(&self, verified: &Verified) -> bool {
        let facilitator = TestAccount::new(9);
        if let Some(deployment) = verified.deployment() {
            assert!(self.send(facilitator, deployment.to, deployment.data, deployment.gas).await.0);
        }
        let call = verified.call();
        self.send(facilitator, call.to, call.data, call.gas).await.0
    }

    pub(super) async fn usdc(&self, account: Address) -> U256 {
        crate::settle::rig::balance_of(&self.rpc, USDC, account).await
    }
}

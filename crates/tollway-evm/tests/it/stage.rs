//! A buyer, an offer, a fake chain and a verifier, for tests that change one thing.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use tollway_evm::asset::network_of;
use tollway_evm::chain::ChainReader;
use tollway_evm::client::{ExactWallet, LocalSigner, Order, Signer as _, Version};
use tollway_evm::verify::{NotVerified, Verified, Verifier, VerifierOptions};
use tollway_protocol::{FacilitatorRequest, PaymentPayload, PaymentRequirements};

use crate::fake::Fake;

pub(crate) const NOW: u64 = 1_740_672_089;
pub(crate) const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
pub(crate) const PAY_TO: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
pub(crate) const FACTORY: Address = Address::repeat_byte(0xfa);

pub(crate) struct Stage {
    pub(crate) signer: LocalSigner,
    pub(crate) chain: Arc<Fake>,
    pub(crate) verifier: Verifier,
}

pub(crate) fn offer(method: Option<&str>) -> PaymentRequirements {
    let mut offer = json!({"scheme": "exact", "network": "eip155:84532", "amount": "10000", "asset": USDC,
        "payTo": PAY_TO, "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"}});
    if let Some(method) = method {
        offer["extra"]["assetTransferMethod"] = json!(method);
    }
    serde_json::from_value(offer).unwrap()
}

pub(crate) fn signer() -> LocalSigner {
    LocalSigner::new([7; 32].into()).unwrap()
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(VerifierOptions { factories: vec![FACTORY], ..VerifierOptions::default() })
    }

    pub(crate) fn with(options: VerifierOptions) -> Self {
        let chain = Arc::new(Fake::new(USDC.parse().unwrap()));
        let reader: Arc<dyn ChainReader> = chain.clone();
        Self { signer: signer(), verifier: Verifier::new(network_of(84532), reader, options).unwrap(), chain }
    }

    pub(crate) fn payer(&self) -> Address {
        self.signer.address()
    }

    /// A good payment for an offer by this method.
    pub(crate) async fn request(&self, method: Option<&str>) -> FacilitatorRequest {
        let offer = offer(method);
        let order = Order {
            requirements: &offer,
            extensions: None,
            version: Version::V2,
            now: NOW,
            nonce: B256::repeat_byte(0x11),
        };
        let signed = ExactWallet::new(&self.signer).pay(&order).await.unwrap();
        FacilitatorRequest::new(PaymentPayload::new(offer.clone(), signed.payload.to_map()), offer)
    }

    /// A good payment whose JSON was changed afterwards.
    pub(crate) async fn changed(&self, method: Option<&str>, change: impl FnOnce(&mut Value)) -> FacilitatorRequest {
        let mut value = serde_json::to_value(self.request(method).await).unwrap();
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    pub(crate) async fn verify(&self, request: &FacilitatorRequest) -> Result<Verified, NotVerified> {
        self.verifier.verify(request, NOW).await
    }

    /// The reason a payment is refused for.
    pub(crate) async fn reason(&self, request: &FacilitatorRequest) -> &'static str {
        match self.verify(request).await {
            Err(NotVerified::Refused(refused)) => {
                let fit = |c: char| c == ' ' || c.is_ascii_graphic();
                assert!(refused.message.chars().all(fit) && refused.message.len() < 300, "{}", refused.message);
                refused.reason.code()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The payload's authorization, whichever it is.
pub(crate) fn authorization(request: &mut Value) -> &mut Value {
    let payload = &mut request["paymentPayload"]["payload"];
    let name = if payload.get("authorization").is_some() { "authorization" } else { "permit2Authorization" };
    &mut payload[name]
}

//! The buyer's wallet as its engine sees it: [`tollway_core`]'s port, over a key and any chains that
//! may be asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use async_trait::async_trait;
use tollway_core::buyer::exact::Signed;
use tollway_core::buyer::exact::{SignedPayment, SigningOrder, Wallet};
use tollway_protocol::{PaymentPayload, PaymentRequirements, Reason, Refusal, v1};

use super::{ClientError, ExactWallet, OfferFault, Order, Signer, Terms, Version};
use crate::abi::{PERMIT2, Permit2, Token};
use crate::asset::chain_id;
use crate::chain::{Call, CallOutcome, ChainReader};
use crate::payload::ExactPayload;
use crate::payload::fields::address;

/// Gas for reading one word of a contract.
const READ_GAS: u64 = 100_000;

/// A key that pays by the exact scheme on EVM chains.
pub struct EvmWallet {
    signer: Arc<dyn Signer>,
    chains: BTreeMap<u64, Arc<dyn ChainReader>>,
}

impl EvmWallet {
    /// A wallet that asks no chain: it cannot bring approvals, nor look up what became of a payment.
    #[must_use]
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        Self { signer, chains: BTreeMap::new() }
    }

    /// Asks this chain where that helps.
    #[must_use]
    pub fn asking(mut self, chain_id: u64, chain: Arc<dyn ChainReader>) -> Self {
        self.chains.insert(chain_id, chain);
        self
    }

    async fn used(&self, signed: &Signed) -> Option<bool> {
        let chain = self.chains.get(&chain_id(&signed.network)?)?;
        let payload = payload(signed)?;
        let (call, bit) = question(&payload, signed)?;
        let outcomes = chain.calls(vec![call]).await.ok()?;
        let Some(CallOutcome::Returned(word)) = outcomes.first() else { return None };
        let word = U256::abi_decode(word).ok()?;
        Some(bit.map_or(!word.is_zero(), |bit| word.bit(bit)))
    }
}

#[async_trait]
impl Wallet for EvmWallet {
    fn payer(&self) -> String {
        self.signer.address().to_checksum(None)
    }

    fn can_sign(&self, requirements: &PaymentRequirements) -> Result<(), Refusal> {
        let order = Order { requirements, extensions: None, version: Version::V2, now: 0, nonce: B256::ZERO };
        Terms::read(&order).map(drop).map_err(fault)
    }

    async fn sign(&self, order: SigningOrder<'_>) -> Result<SignedPayment, Refusal> {
        let version = if order.version == 1 { Version::V1 } else { Version::V2 };
        let (requirements, extensions) = (order.requirements, order.extensions);
        let asked = Order { requirements, extensions, version, now: order.now, nonce: B256::from(order.nonce) };
        let wallet = ExactWallet::new(self.signer.as_ref());
        let chain = chain_id(&requirements.network).and_then(|id| self.chains.get_key_value(&id));
        let wallet = match chain {
            Some((id, chain)) => wallet.on(*id, chain.as_ref()),
            None => wallet,
        };
        let signed = wallet.pay(&asked).await.map_err(refusal)?;
        Ok(SignedPayment {
            id: signed.id,
            payload: signed.payload.to_map(),
            extensions: signed.extensions,
            expires: signed.valid_before,
        })
    }

    async fn was_used(&self, signed: &Signed) -> Option<bool> {
        self.used(signed).await
    }
}

/// What was signed, read back from the header it was sent in.
fn payload(signed: &Signed) -> Option<ExactPayload> {
    let map = match signed.version {
        1 => v1::PaymentPayload::decode(&signed.header).ok()?.payload,
        _ => PaymentPayload::decode(&signed.header).ok()?.payload,
    };
    ExactPayload::from_map(&map).ok()
}

/// The call that tells whether a payment was used, and the bit of its answer that says so.
fn question(payload: &ExactPayload, signed: &Signed) -> Option<(Call, Option<usize>)> {
    let (authorizer, nonce) = (payload.payer(), payload.nonce());
    match payload {
        ExactPayload::Eip3009(_) => {
            let data = Token::authorizationStateCall { authorizer, nonce }.abi_encode();
            let to = address(signed.asset.as_str())?;
            Some((Call { to, data: Bytes::from(data), gas: READ_GAS }, None))
        }
        ExactPayload::Permit2(_) => {
            // Nonces are bits of words: the last byte says which bit, the others which word.
            let nonce: U256 = nonce.into();
            let data = Permit2::nonceBitmapCall { owner: authorizer, word: nonce >> 8 }.abi_encode();
            Some((Call { to: PERMIT2, data: Bytes::from(data), gas: READ_GAS }, Some(usize::from(nonce.byte(0)))))
        }
    }
}

fn fault(fault: OfferFault) -> Refusal {
    let reason = match fault {
        OfferFault::Scheme | OfferFault::Method => Reason::UnsupportedScheme,
        OfferFault::Network | OfferFault::OtherNetwork => Reason::UnsupportedNetwork,
        OfferFault::Asset | OfferFault::PayTo | OfferFault::Domain | OfferFault::Time => {
            Reason::InvalidPaymentRequirements
        }
    };
    Refusal::new(reason, fault.to_string())
}

fn refusal(error: ClientError) -> Refusal {
    match error {
        ClientError::Offer(offer) => fault(offer),
        ClientError::AllowanceRequired => Refusal::new(Reason::InsufficientFunds, error.to_string()),
        ClientError::Signer(_) | ClientError::Chain(_) => {
            Refusal::new(Reason::UnexpectedVerifyError, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use serde_json::json;
    use tollway_ledger::Fingerprint;
    use zeroize::Zeroizing;

    use super::*;
    use crate::chain::ChainError;
    use crate::client::LocalSigner;

    /// Answers every call with one word, and keeps what it was asked.
    struct Word(U256, Mutex<Vec<Call>>);

    #[async_trait]
    impl ChainReader for Word {
        async fn calls(&self, calls: Vec<Call>) -> Result<Vec<CallOutcome>, ChainError> {
            let answers = calls.iter().map(|_| CallOutcome::Returned(self.0.abi_encode().into())).collect();
            self.1.lock().extend(calls);
            Ok(answers)
        }

        async fn code(&self, _: alloy_primitives::Address) -> Result<Bytes, ChainError> {
            Ok(Bytes::new())
        }
    }

    fn signer() -> Arc<dyn Signer> {
        Arc::new(LocalSigner::new(Zeroizing::new([7; 32])).unwrap())
    }

    fn requirements(method: &str) -> PaymentRequirements {
        serde_json::from_value(json!({"scheme": "exact", "network": "eip155:84532", "amount": "1000",
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "maxTimeoutSeconds": 60,
            "payTo": "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
            "extra": {"name": "USDC", "version": "2", "assetTransferMethod": method}}))
        .unwrap()
    }

    fn order(requirements: &PaymentRequirements, version: u8) -> SigningOrder<'_> {
        SigningOrder { requirements, extensions: None, version, now: 1_795_348_800, nonce: [0xfe; 32] }
    }

    /// The payment as a purse keeps it.
    async fn kept(wallet: &EvmWallet, method: &str, version: u8) -> Signed {
        let requirements = requirements(method);
        let signed = wallet.sign(order(&requirements, version)).await.unwrap();
        let header = match version {
            1 => v1::PaymentPayload::answering(&requirements, signed.payload).unwrap().encode(),
            _ => PaymentPayload::new(requirements.clone(), signed.payload).encode(),
        };
        Signed {
            at: 1_795_348_800,
            payment: signed.id,
            purchase: Fingerprint::of("GET", "https://shop.example/", ""),
            host: "shop.example".to_owned(),
            method: "GET".to_owned(),
            url: "https://shop.example/".to_owned(),
            network: requirements.network,
            asset: requirements.asset,
            amount: requirements.amount,
            price: requirements.amount,
            pay_to: requirements.pay_to,
            payer: wallet.payer(),
            expires: signed.expires,
            version,
            header,
            commitment: None,
        }
    }

    #[tokio::test]
    async fn the_chain_says_whether_a_payment_was_used() {
        for version in [1, 2] {
            for (word, used) in [(U256::ZERO, false), (U256::from(1), true)] {
                let chain = Arc::new(Word(word, Mutex::default()));
                let wallet = EvmWallet::new(signer()).asking(84_532, chain.clone());
                let signed = kept(&wallet, "eip3009", version).await;
                assert_eq!(wallet.was_used(&signed).await, Some(used));
                let asked = chain.1.lock()[0].clone();
                let call = Token::authorizationStateCall::abi_decode(&asked.data).unwrap();
                assert_eq!((call.nonce, call.authorizer.to_checksum(None)), (B256::from([0xfe; 32]), wallet.payer()));
            }
        }
    }

    #[tokio::test]
    async fn a_permit2_nonce_is_one_bit_of_a_word() {
        let bit: U256 = U256::from(1) << 0xfe;
        // Signed without a chain, so that no allowance is asked for.
        let signed = kept(&EvmWallet::new(signer()), "permit2", 2).await;
        for (word, used) in [(bit, true), (!bit, false)] {
            let chain = Arc::new(Word(word, Mutex::default()));
            let wallet = EvmWallet::new(signer()).asking(84_532, chain);
            assert_eq!(wallet.was_used(&signed).await, Some(used));
        }
        assert_eq!(EvmWallet::new(signer()).was_used(&signed).await, None);
    }

    #[test]
    fn what_cannot_be_signed_is_said_before() {
        let wallet = EvmWallet::new(signer());
        assert!(wallet.can_sign(&requirements("eip3009")).is_ok());
        let reason = |change: fn(&mut PaymentRequirements)| {
            let mut offer = requirements("eip3009");
            change(&mut offer);
            wallet.can_sign(&offer).unwrap_err().reason
        };
        assert_eq!(
            reason(|offer| offer.network = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1".parse().unwrap()),
            Reason::UnsupportedNetwork
        );
        assert_eq!(reason(|offer| offer.pay_to = "shop.example".to_owned()), Reason::InvalidPaymentRequirements);
        assert_eq!(reason(|offer| offer.extra = None), Reason::InvalidPaymentRequirements);
    }
}

//! The buyer's side of `exact`: from an offer that was approved to a signed payment.
//!
//! What is signed is built here from the offer's fields, never taken from it as a message. Nothing is
//! signed for an offer that does not hold together, and nothing that would not settle.

mod approval;
mod purse;
mod signer;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Map, Value};
use tollway_ledger::PaymentId;
use tollway_protocol::PaymentRequirements;

use crate::abi::EXACT_PROXY;
use crate::asset::{Method, chain_id};
use crate::chain::{ChainError, ChainReader};
use crate::payload::fields::address_with_checksum;
use crate::payload::{Eip3009Authorization, Eip3009Payload, ExactPayload, Permit2Authorization, Permit2Payload};
use crate::typed_data::{self, TokenDomain};

pub use purse::EvmWallet;
pub use signer::{LocalSigner, NotAKey, SignError, Signer};

use crate::gas_sponsoring::AccountState;

/// The longest an authorization is made to hold, whatever an offer asks for: what is signed can be
/// used until it ends.
pub const LONGEST: u64 = 86_400;
/// How far back a version 1 authorization begins: sellers of that time compare with clocks that lag.
const V1_BEGINS_EARLIER: u64 = 600;

/// Which version of x402 the payment will travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// 1
    V1,
    /// 2
    V2,
}

/// What to sign a payment for.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The offer; one of version 1 after [`tollway_protocol::v1`] has turned it into version 2.
    pub requirements: &'a PaymentRequirements,
    /// The extensions of the demand the offer came with.
    pub extensions: Option<&'a Map<String, Value>>,
    /// The version of the demand.
    pub version: Version,
    /// Unix seconds.
    pub now: u64,
    /// 32 random bytes.
    pub nonce: B256,
}

/// A signed payment.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedPayment {
    /// The scheme's part.
    pub payload: ExactPayload,
    /// The extensions to send: those of the demand, with an approval where one was needed.
    pub extensions: Option<Map<String, Value>>,
    /// It can be used before this instant, in Unix seconds.
    pub valid_before: u64,
    /// Its name in every book.
    pub id: PaymentId,
}

/// Why no payment was signed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The offer is not one this client can pay.
    #[error("the offer cannot be paid: {0}")]
    Offer(#[from] OfferFault),
    /// Permit2 may not move the asset yet, and the seller takes no approval along with a payment.
    #[error("the wallet has to allow Permit2 to move the asset first")]
    AllowanceRequired,
    /// The key's holder signed nothing.
    #[error(transparent)]
    Signer(#[from] SignError),
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// What is wrong with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferFault {
    /// Its scheme is not `exact`.
    #[error("the scheme is not exact")]
    Scheme,
    /// Its network is no EVM chain.
    #[error("the network is no EVM chain")]
    Network,
    /// Its network is another than the one of the chain this wallet asks.
    #[error("the network is another than the wallet's")]
    OtherNetwork,
    /// It names a way to move the asset that is not spoken here.
    #[error("the way to move the asset is not known")]
    Method,
    /// Its asset is not an address, or an address with a wrong checksum.
    #[error("the asset is not an address")]
    Asset,
    /// Its recipient is not an address, has a wrong checksum, or is nobody.
    #[error("payTo is not an address")]
    PayTo,
    /// It does not say the token's name and version.
    #[error("the name or version of the token is missing")]
    Domain,
    /// It would end after the end of time.
    #[error("the time it has to hold does not fit")]
    Time,
}

/// A payer's wallet: its key, and a chain to ask where an approval may be needed.
pub struct ExactWallet<'a> {
    signer: &'a dyn Signer,
    chain: Option<(u64, &'a dyn ChainReader)>,
    account: Option<AccountState>,
}

/// An offer whose fields have been read.
struct Terms<'a> {
    chain_id: u64,
    asset: Address,
    pay_to: Address,
    amount: U256,
    method: Method,
    domain: Option<TokenDomain<'a>>,
    valid_after: u64,
    valid_before: u64,
}

impl<'a> ExactWallet<'a> {
    /// A wallet that asks no chain. Its Permit2 payments bring no approval.
    #[must_use]
    pub const fn new(signer: &'a dyn Signer) -> Self {
        Self { signer, chain: None, account: None }
    }

    /// Asks the chain with this id whether a Permit2 payment needs an approval, and pays there only.
    #[must_use]
    pub const fn on(self, chain_id: u64, chain: &'a dyn ChainReader) -> Self {
        Self { chain: Some((chain_id, chain)), ..self }
    }

    /// Writes approvals by transaction from this state of the payer's account, instead of asking the chain for it.
    #[must_use]
    pub const fn approving_from(self, account: AccountState) -> Self {
        Self { account: Some(account), ..self }
    }

    /// Signs one payment.
    ///
    /// # Errors
    /// Nothing was signed, and why.
    pub async fn pay(&self, order: &Order<'_>) -> Result<SignedPayment, ClientError> {
        let terms = Terms::read(order)?;
        if self.chain.is_some_and(|(id, _)| id != terms.chain_id) {
            return Err(OfferFault::OtherNetwork.into());
        }
        let (payload, extensions) = match terms.method {
            Method::Eip3009 => (self.authorize(order, &terms).await?, order.extensions.cloned()),
            Method::Permit2 => {
                let extensions = self.approve(order, &terms).await?;
                (self.permit(order, &terms).await?, extensions)
            }
        };
        let id = payload.payment_id(&order.requirements.network, terms.asset);
        Ok(SignedPayment { payload, extensions, valid_before: terms.valid_before, id })
    }

    async fn authorize(&self, order: &Order<'_>, terms: &Terms<'_>) -> Result<ExactPayload, ClientError> {
        let authorization = Eip3009Authorization {
            from: self.signer.address(),
            to: terms.pay_to,
            value: terms.amount,
            valid_after: U256::from(terms.valid_after),
            valid_before: U256::from(terms.valid_before),
            nonce: order.nonce,
            rest: Map::new(),
        };
        let domain = terms.domain.as_ref().ok_or(OfferFault::Domain)?;
        let signature = self.sign(domain.transfer(&authorization)).await?;
        Ok(ExactPayload::Eip3009(Eip3009Payload { signature, authorization, rest: Map::new() }))
    }

    async fn permit(&self, order: &Order<'_>, terms: &Terms<'_>) -> Result<ExactPayload, ClientError> {
        let authorization = Permit2Authorization {
            from: self.signer.address(),
            token: terms.asset,
            amount: terms.amount,
            spender: EXACT_PROXY,
            nonce: order.nonce.into(),
            deadline: U256::from(terms.valid_before),
            to: terms.pay_to,
            valid_after: U256::from(terms.valid_after),
            rest: Map::new(),
            permitted_rest: Map::new(),
            witness_rest: Map::new(),
        };
        let signature = self.sign(typed_data::permit2(terms.chain_id, &authorization)).await?;
        Ok(ExactPayload::Permit2(Permit2Payload { signature, authorization, rest: Map::new() }))
    }

    /// A signature, after a check that it is ours: another process may hold another key.
    async fn sign(&self, digest: B256) -> Result<Bytes, ClientError> {
        let signature = self.signer.sign_digest(digest).await?;
        signature.prove(digest, self.signer.address()).map_err(SignError::from)?;
        Ok(signature.to_bytes())
    }
}

impl<'a> Terms<'a> {
    fn read(order: &Order<'a>) -> Result<Self, OfferFault> {
        let offer = order.requirements;
        if offer.scheme != "exact" {
            return Err(OfferFault::Scheme);
        }
        let chain_id = chain_id(&offer.network).ok_or(OfferFault::Network)?;
        let method = Method::of_extra(offer.extra.as_ref()).ok_or(OfferFault::Method)?;
        let asset = address_with_checksum(offer.asset.as_str()).ok_or(OfferFault::Asset)?;
        let pay_to = address_with_checksum(&offer.pay_to).ok_or(OfferFault::PayTo)?;
        if pay_to.is_zero() {
            return Err(OfferFault::PayTo);
        }
        let text = |key| offer.extra(key).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
        let domain = text("name").zip(text("version")).map(|(name, version)| TokenDomain {
            name,
            version,
            chain_id,
            contract: asset,
        });
        if domain.is_none() && method == Method::Eip3009 {
            return Err(OfferFault::Domain);
        }
        let holds = offer.max_timeout_seconds.get().min(LONGEST);
        let valid_before = order.now.checked_add(holds).ok_or(OfferFault::Time)?;
        let valid_after = match order.version {
            Version::V1 => order.now.saturating_sub(V1_BEGINS_EARLIER),
            Version::V2 => 0,
        };
        let amount = U256::from(offer.amount.get());
        Ok(Self { chain_id, asset, pay_to, amount, method, domain, valid_after, valid_before })
    }
}

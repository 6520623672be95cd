//! Whether an `exact` payment would settle now, judged for one network (x402 exact EVM, `/verify`).
//!
//! Checks stand in the order of the reference, whose reasons they give. What a payment refutes by
//! itself is refused without a question to the chain, except that only the chain knows whether a
//! signature that is not the payer's key's may still be the payer's code's.

mod case;
mod contracts;
mod diagnosis;
mod revert;
mod simulate;
mod verified;

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use futures_util::future;
use parking_lot::Mutex;
use tollway_protocol::response::Attachments;
use tollway_protocol::{FacilitatorRequest, Network, VerifyResponse};

use crate::abi::EXACT_PROXY;
use crate::asset::chain_id;
use crate::chain::{Call, CallOutcome, ChainError, ChainReader};
use crate::reason::ExactReason;
use crate::signature::{EoaProof, EoaSignature, Route, SignatureError};

use case::Case;
use contracts::Contracts;

pub use verified::{Proof, TokenSignature, Transfer, Transfer3009, TransferPermit2, Verified, gas};

/// What a verifier lets pass beyond plain payments by accounts with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierOptions {
    /// The only assets that are moved; `None` moves any.
    pub assets: Option<Vec<Address>>,
    /// Factories that may be called to deploy a payer's wallet (ERC-6492). None by default: such a
    /// call does whatever the factory does.
    pub factories: Vec<Address>,
    /// Whether payments may bring an EIP-2612 approval.
    pub permit_approvals: bool,
    /// Whether payments may bring an approval transaction, which the facilitator sends.
    pub transaction_approvals: bool,
    /// Wei that a payer is given to pay for such a transaction, at most.
    pub approval_gas: u128,
}

impl Default for VerifierOptions {
    fn default() -> Self {
        let (assets, factories) = (None, Vec::new());
        Self { assets, factories, permit_approvals: true, transaction_approvals: false, approval_gas: 0 }
    }
}

/// Verifies payments on one network.
pub struct Verifier {
    network: Network,
    chain_id: u64,
    chain: Arc<dyn ChainReader>,
    options: VerifierOptions,
    contracts: Mutex<Contracts>,
}

/// Why there is no [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// The payment would not settle.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The chain could not be asked: nothing is known about the payment.
    #[error("the chain cannot be asked: {0}")]
    Unavailable(#[from] ChainError),
}

/// A payment that would not settle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refused {
    /// Why.
    pub reason: ExactReason,
    /// The same for people, printable and short.
    pub message: String,
    /// Who would have paid, if the payload says it.
    pub payer: Option<Address>,
}

/// The network is no EVM chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the network is no EVM chain")]
pub struct NotAChain;

impl Refused {
    fn because(reason: ExactReason, payer: Option<Address>) -> Self {
        Self { reason, message: reason.meaning().to_owned(), payer }
    }

    /// The answer on the wire.
    #[must_use]
    pub fn response(&self) -> VerifyResponse {
        VerifyResponse::Invalid {
            reason: Some(self.reason.code().to_owned()),
            message: Some(self.message.clone()),
            payer: self.payer.map(|payer| payer.to_checksum(None)),
            attachments: Attachments::default(),
        }
    }
}

/// The payer's own key proved it, if it did: asked first, because it costs no question.
type Key = Result<(EoaSignature, EoaProof), SignatureError>;

impl Verifier {
    /// A verifier for one EVM network.
    ///
    /// # Errors
    /// [`NotAChain`].
    pub fn new(network: Network, chain: Arc<dyn ChainReader>, options: VerifierOptions) -> Result<Self, NotAChain> {
        let chain_id = chain_id(&network).ok_or(NotAChain)?;
        Ok(Self { network, chain_id, chain, options, contracts: Mutex::default() })
    }

    /// The network it verifies on.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Verifies a payment against the seller's own requirements at `now`, in Unix seconds.
    ///
    /// # Errors
    /// The payment is refused, or the chain could not be asked.
    pub async fn verify(&self, request: &FacilitatorRequest, now: u64) -> Result<Verified, NotVerified> {
        let case = Case::read(request, (&self.network, self.chain_id), &self.options, now)?;
        let key = case.key();
        if let Err(reason) = case.terms(now) {
            return Err(self.refuse_by_terms(&case, &key, reason).await);
        }
        let (code, asset, proxy, optimistic) = future::join4(
            self.chain.code(case.payer()),
            self.is_contract(case.asset, now),
            self.has_proxy(&case, now),
            self.simulate_for_key(&case, &key),
        )
        .await;
        let (code, asset, proxy) = (code?, asset?, proxy?);
        let route = Route::choose(case.payload.signature(), &code, &self.options.factories)
            .and_then(|route| check_key(route, &key))
            .map_err(|error| case.refuse_signature(error));
        // Permit2 is checked asset first, EIP-3009 signature first.
        if case.is_permit2() && !asset {
            return Err(case.refuse(ExactReason::AssetNotDeployed).into());
        }
        let route = route?;
        // A call to where there is no code succeeds, and moves nothing.
        if !proxy {
            return Err(case.refuse(ExactReason::Permit2ProxyNotDeployed).into());
        }
        if !asset && !matches!(route, Route::Code(_)) {
            return Err(case.refuse(ExactReason::AssetNotDeployed).into());
        }
        let verified = self.simulate(&case, route, &key, optimistic).await?;
        if asset { Ok(verified) } else { Err(case.refuse(ExactReason::AssetNotDeployed).into()) }
    }

    /// What to call the refusal of a payment whose terms are wrong: a wrong signature is named first.
    async fn refuse_by_terms(&self, case: &Case<'_>, key: &Key, reason: ExactReason) -> NotVerified {
        if key.is_ok() || case.is_permit2() {
            return case.refuse(reason).into();
        }
        let code = match self.chain.code(case.payer()).await {
            Ok(code) => code,
            Err(error) => return error.into(),
        };
        let route = Route::choose(case.payload.signature(), &code, &self.options.factories)
            .and_then(|route| check_key(route, key));
        match route {
            Ok(_) => case.refuse(reason).into(),
            Err(error) => case.refuse_signature(error).into(),
        }
    }

    /// Whether there is what settles the payment, where that is not the asset itself.
    async fn has_proxy(&self, case: &Case<'_>, now: u64) -> Result<bool, ChainError> {
        if case.is_permit2() { self.is_contract(EXACT_PROXY, now).await } else { Ok(true) }
    }

    async fn is_contract(&self, asset: Address, now: u64) -> Result<bool, ChainError> {
        if self.contracts.lock().holds(asset, now) {
            return Ok(true);
        }
        let there = !self.chain.code(asset).await?.is_empty();
        if there {
            self.contracts.lock().remember(asset, now);
        }
        Ok(there)
    }

    /// Asks several things at once; each question has its answer or there is none.
    async fn ask(&self, calls: Vec<Call>) -> Result<Vec<CallOutcome>, ChainError> {
        let asked = calls.len();
        let answers = self.chain.calls(calls).await?;
        if answers.len() == asked {
            return Ok(answers);
        }
        Err(ChainError::Malformed { detail: format!("{} answers to {asked} calls", answers.len()) })
    }
}

/// Where only the key may prove the signature, it has to have done so.
fn check_key(route: Route, key: &Key) -> Result<Route, SignatureError> {
    match (&route, key) {
        (Route::Key(_), Err(error)) => Err(*error),
        _ => Ok(route),
    }
}

/// An answer of no bytes: what an address without code returns.
const NOTHING: Bytes = Bytes::new();

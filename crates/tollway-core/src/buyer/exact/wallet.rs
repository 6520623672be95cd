//! The port to a wallet: what can be signed, and signing it.

use async_trait::async_trait;
use serde_json::{Map, Value};
use tollway_ledger::PaymentId;
use tollway_protocol::{PaymentRequirements, Refusal};

use super::purse::Signed;

/// Signs payments of the exact scheme on the networks it knows.
#[async_trait]
pub trait Wallet: Send + Sync {
    /// The payer, as the network writes it.
    fn payer(&self) -> String;

    /// Whether this wallet could sign for these requirements.
    ///
    /// # Errors
    /// `unsupported_scheme`, `invalid_network` or `invalid_payment_requirements`.
    fn can_sign(&self, requirements: &PaymentRequirements) -> Result<(), Refusal>;

    /// Signs one payment.
    ///
    /// # Errors
    /// The reasons of [`can_sign`](Self::can_sign); or a dependency's, where the network had to be
    /// asked and did not answer.
    async fn sign(&self, order: SigningOrder<'_>) -> Result<SignedPayment, Refusal>;

    /// Whether a payment that is past its end was used, as the network says; `None` where it cannot
    /// be asked.
    async fn was_used(&self, signed: &Signed) -> Option<bool> {
        let _ = signed;
        None
    }
}

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct SigningOrder<'a> {
    /// The requirements that were chosen and approved.
    pub requirements: &'a PaymentRequirements,
    /// The extensions the seller offers beside them.
    pub extensions: Option<&'a Map<String, Value>>,
    /// The version of x402 in which the seller asked: 1 or 2.
    pub version: u8,
    /// Unix seconds.
    pub now: u64,
    /// Unpredictable bytes, used once.
    pub nonce: [u8; 32],
}

/// A signed payment.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedPayment {
    /// Its id.
    pub id: PaymentId,
    /// The scheme's part of the payment message.
    pub payload: Map<String, Value>,
    /// The extensions to send: the seller's as they came, with what the wallet adds (gas sponsoring).
    pub extensions: Option<Map<String, Value>>,
    /// Unix second after which the network refuses it.
    pub expires: u64,
}

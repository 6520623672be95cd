//! The port to whoever verifies and settles payments that need a chain (x402 v2, `/verify` and
//! `/settle`). In this process, on another machine, or several with failover: a seller cannot tell.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tollway_protocol::{
    Amount, FacilitatorRequest, Network, Reason, Refusal, SettleResponse, SupportedResponse, VerifyResponse,
};

/// Verifies and settles payments.
///
/// "No" is an answer (`VerifyResponse::Invalid`, `SettleResponse::Failed`); an `Err` means that
/// there was none. After an `Err` from [`settle`](Self::settle) the payment may have settled all
/// the same, unless [`FacilitatorError::nothing_was_sent`] says otherwise.
#[async_trait]
pub trait Facilitator: Send + Sync {
    /// What is spoken: schemes, networks, extensions, signers.
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError>;

    /// Whether the payment would settle now, under the seller's own requirements.
    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError>;

    /// Settles the payment, or says what became of it when it was sent before. Asking again with the
    /// same payment never pays twice. A transfer that was sent and is not seen yet is
    /// `Failed` with the reason `settlement_pending` and the transaction.
    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError>;

    /// What is known of a payment that was given here to be settled, by its id or by its transfer.
    /// A facilitator that keeps no record knows of none.
    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        let _ = payment;
        Ok(None)
    }

    /// The most that settling one payment on this network may cost in gas now, in the chain's atomic
    /// unit (wei). Zero where settling costs the facilitator nothing.
    async fn gas_ceiling(&self, network: &Network) -> Result<u128, FacilitatorError> {
        let _ = network;
        Ok(0)
    }

    /// Whether payments can be settled now.
    async fn ready(&self) -> Result<(), FacilitatorError> {
        self.supported().await.map(drop)
    }
}

/// What became of a payment that was given to a facilitator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentStatus {
    /// The payment's id.
    pub payment: String,
    /// Where it is.
    pub state: PaymentState,
    /// Where it settles.
    pub network: Network,
    /// Who pays.
    pub payer: String,
    /// How much, in atomic units.
    pub amount: Amount,
    /// The transfer, as soon as one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it cost in gas: this payment's share of its transfer, in the chain's atomic unit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "decimal")]
    pub gas: Option<u128>,
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentState {
    /// Taken on; nothing was sent yet.
    Claimed,
    /// Sent, and not seen yet.
    Pending,
    /// Paid.
    Settled,
    /// Not paid, and never will be by this payment.
    Failed,
    /// Sent, and lost from sight: it is being looked for.
    Unknown,
}

/// Serde for an optional 128-bit number as decimal text, which every JSON reader holds exactly.
mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[allow(clippy::ref_option, reason = "the shape that serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &Option<u128>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => serializer.collect_str(number),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u128>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// Why a facilitator gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FacilitatorError {
    /// It could not be reached: not a byte of the request was sent.
    #[error("the facilitator cannot be reached: {detail}")]
    Unreachable {
        /// For the log.
        detail: String,
    },
    /// It did not answer in time, or the connection broke off.
    #[error("the facilitator did not answer: {detail}")]
    NoAnswer {
        /// For the log.
        detail: String,
    },
    /// It answered with something that is no answer: a status, a body, a contradiction.
    #[error("the facilitator's answer cannot be used: {detail}")]
    Malformed {
        /// For the log; never for the wire.
        detail: String,
    },
    /// It refuses to work for us now: a rate or a gas budget is used up, or our key is not known.
    #[error("the facilitator refuses to work: {detail}")]
    Declined {
        /// For the log.
        detail: String,
    },
}

impl FacilitatorError {
    /// Whether it is certain that no payment was sent.
    #[must_use]
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Declined { .. })
    }

    /// The refusal of a verification that got no answer. Its text names no internals.
    #[must_use]
    pub fn while_verifying(&self) -> Refusal {
        Refusal::new(Reason::UnexpectedVerifyError, "the payment could not be verified now")
    }
}

//! The port to whoever verifies and settles payments that need a chain (x402 v2, `/verify` and
//! `/settle`). In this process, on another machine, or several with failover: a seller cannot tell.

use async_trait::async_trait;
use tollway_protocol::{FacilitatorRequest, Reason, Refusal, SettleResponse, SupportedResponse, VerifyResponse};

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

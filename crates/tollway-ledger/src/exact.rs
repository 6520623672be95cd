//! Sales by the exact scheme, as the seller's books keep them: a payment is claimed for one request
//! before its handler runs, and ends settled, failed or released; until then it is not known.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tollway_protocol::{Amount, Asset, Network, Refusal, Scale};

use crate::books::BooksError;
use crate::id::{AgentId, Fingerprint, PaymentId, Sequence};
use crate::period::Period;
use crate::sale::{Delivery, Posting};

/// Longest signed payment the books keep, in bytes of JSON.
pub const PAYMENT_MAX_BYTES: usize = 32 << 10;
/// Longest identifier of a purchase, in bytes.
pub const IDENTIFIER_MAX_BYTES: usize = 128;
/// Longest payer, payTo, rule, method, offer id, transfer and reference, in bytes.
pub const NAME_MAX_BYTES: usize = 256;
/// Longest target URI, in bytes.
pub const TEXT_MAX_BYTES: usize = 16 << 10;
/// Longest name of a rail, in bytes.
pub const RAIL_MAX_BYTES: usize = 128;
/// So many bytes of a reason are kept.
pub const REASON_MAX_BYTES: usize = 256;

/// When the money moves (x402 v2, payment flows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentFlow {
    /// Verify, run the handler, settle, release the answer.
    Authorization,
    /// Settle, then run the handler.
    Upfront,
}

/// One request and the signed payment for it, ready to be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExactSale {
    /// The payment.
    pub id: PaymentId,
    /// The request it is claimed for.
    pub fingerprint: Fingerprint,
    /// Who pays, as the network writes it.
    pub payer: String,
    /// Where it settles.
    pub network: Network,
    /// In what.
    pub asset: Asset,
    /// Decimal digits of the asset's atomic unit.
    pub scale: Scale,
    /// How much, in atomic units of `asset`.
    pub amount: Amount,
    /// To whom.
    pub pay_to: String,
    /// The pricing rule that decided; revenue is booked under it.
    pub rule: String,
    /// Request method.
    pub method: String,
    /// Target URI.
    pub url: String,
    /// Id of the seller's offer, if one was named.
    pub offer: Option<String>,
    /// Unix second after which the chain refuses the payment.
    pub expires: u64,
    /// When the money moves.
    pub flow: PaymentFlow,
    /// The client's own id for this purchase (`payment-identifier`), if it sent one.
    pub identifier: Option<String>,
    /// The signed payment as JSON: what a facilitator is sent, and the evidence of the line.
    pub payment: String,
}

/// The lives of an exact payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExactState {
    /// Claimed for its request; nothing was asked of a facilitator yet.
    Claimed,
    /// Handed to a facilitator, with no final answer: neither paid nor unpaid.
    Unknown,
    /// Paid, on the chain.
    Settled,
    /// Will never be paid: the facilitator or the chain refused.
    Failed,
    /// Given back before anything was sent: the handler failed.
    Released,
    /// Paid before the handler ran, and the handler failed: the seller owes it back.
    RefundOwed,
}

/// What the books know of an exact payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExactRecord {
    /// What was claimed.
    pub sale: ExactSale,
    /// Where in its life it is.
    pub state: ExactState,
    /// The transfer on the chain, as soon as one is known.
    pub transaction: Option<String>,
    /// Why it failed, as the facilitator said.
    pub reason: Option<String>,
    /// What was known of the answer.
    pub delivery: Delivery,
    /// Unix second of the claim.
    pub claimed_at: u64,
    /// The entry of the claim: its place is what [`ExactBooks::exact_list`] goes on after.
    pub claim: Posting,
    /// The entry of its present state.
    pub posting: Posting,
}

/// The answer to a wish to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExactClaim {
    /// Run the handler. Durable: nobody else gets this answer for this payment.
    Claimed(Posting),
    /// The books know this payment for this very request.
    Known(Box<ExactRecord>),
    /// Not for this request: `replay_mismatch` (another request), `identifier_conflict` (the same
    /// identifier with another payment); `payment_too_large` or `malformed_payment` beyond the bounds
    /// of this module.
    Refused(Refusal),
}

/// How a claimed payment went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExactOutcome {
    /// It is with a facilitator; the transfer, if it is known already.
    Unknown {
        /// The transfer on the chain.
        transaction: Option<String>,
    },
    /// It settled.
    Settled {
        /// The transfer on the chain.
        transaction: String,
        /// What is known of the answer.
        delivery: Delivery,
    },
    /// It will not settle.
    Failed {
        /// As the facilitator said.
        reason: String,
        /// A reverted transfer still has an id.
        transaction: Option<String>,
    },
    /// Nothing was sent and nothing will be.
    Released,
    /// Settled, and the handler failed.
    RefundOwed {
        /// What became of the handler, for the buyer.
        reason: String,
    },
}

/// A payment of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillPayment {
    /// Whose statement.
    pub agent: AgentId,
    /// For which period.
    pub period: Period,
    /// What was paid off, in atomic units of the books' asset.
    pub amount: Amount,
    /// How: `exact` with its network, or `card`, `bank` and the like.
    pub rail: String,
    /// The transfer, the bank's reference: unique per rail. Where one transfer on a chain carries
    /// several payments, name the payment with it.
    pub reference: String,
}

/// What became of the payment of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BillOutcome {
    /// Recorded now; the payer's balance fell by its amount.
    Paid(Posting),
    /// This very payment was recorded before.
    Known(Posting),
    /// `not_found` (no such statement), `amount_mismatch` (not its sum), `bill_paid` (paid by another
    /// payment), `replay_mismatch` (the reference stands for another payment), `malformed_payment`
    /// (rail or reference beyond their bounds).
    Refused(Refusal),
}

/// The part of the books that exact payments need. One journal with the deferred sales; sums of
/// different assets are never added.
///
/// Every writing method is durable when it returns. An `Err` means nothing of it was kept, except
/// [`BooksError::Unavailable`] from a failing disk: look the payment up then.
#[async_trait]
pub trait ExactBooks: Send + Sync {
    /// Claims a payment for a request.
    async fn exact_claim(&self, sale: ExactSale, now: u64) -> Result<ExactClaim, BooksError>;

    /// Records how a payment went on. A state that is final (`Settled`, `Failed`, `Released`,
    /// `RefundOwed`) is never left, except from `Settled` to `RefundOwed`; the same outcome again
    /// changes nothing and returns its entry.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `not_found`, or `invalid_transaction_state` for a step that no
    /// payment takes; `malformed_payment` if the transfer's name is empty or too long.
    async fn exact_outcome(&self, id: &PaymentId, outcome: ExactOutcome, now: u64) -> Result<Posting, BooksError>;

    /// What the books know of a payment.
    async fn exact_lookup(&self, id: &PaymentId) -> Result<Option<ExactRecord>, BooksError>;

    /// What the books know under a client's own identifier.
    async fn exact_by_identifier(&self, identifier: &str) -> Result<Option<ExactRecord>, BooksError>;

    /// Payments without a final state, oldest first, at most `limit`.
    async fn exact_open(&self, limit: usize) -> Result<Vec<ExactRecord>, BooksError>;

    /// Payments in the order of their claims after a place in the journal, at most `limit`.
    async fn exact_list(&self, after: Sequence, limit: usize) -> Result<Vec<ExactRecord>, BooksError>;

    /// Records that a statement was paid.
    async fn bill_paid(&self, payment: BillPayment, now: u64) -> Result<BillOutcome, BooksError>;

    /// The payment of a statement, if it was paid.
    async fn bill_payment(&self, agent: &AgentId, period: &Period) -> Result<Option<BillPayment>, BooksError>;
}

impl ExactState {
    /// Whether the payment stays so (but for a refund owed later).
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Claimed | Self::Unknown)
    }
}

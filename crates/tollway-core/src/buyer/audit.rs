//! The buyer's own log: what it promised, before it signed, and what came of it. With it a buyer
//! checks any bill without a file from the seller.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tollway_ledger::CommitmentId;
use tollway_protocol::{Amount, Asset, Dress, Refusal};

/// One line of the log (JSONL).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AuditLine {
    /// About to be signed.
    Promise {
        /// When, seconds since the epoch.
        at: u64,
        /// The commitment.
        id: CommitmentId,
        /// To whom.
        seller: String,
        /// Method of the request.
        method: String,
        /// Its URL.
        url: String,
        /// Most that may be charged, in atomic units.
        amount: Amount,
        /// In what.
        asset: Asset,
        /// Under which offer.
        offer: String,
        /// In which dress.
        dress: Dress,
    },
    /// Charged, with a receipt that was checked.
    Receipt {
        /// When.
        at: u64,
        /// The commitment.
        id: CommitmentId,
        /// What was charged.
        amount: Amount,
        /// When the seller posted it.
        posted_at: u64,
        /// Place in the seller's journal.
        sequence: Option<u64>,
        /// Head of the seller's journal.
        head: Option<String>,
        /// The body arrived with it.
        delivered: bool,
    },
    /// Not charged: the seller refused, or served nothing.
    Refused {
        /// When.
        at: u64,
        /// The commitment.
        id: CommitmentId,
        /// The reason's code, or a status.
        reason: String,
    },
    /// Sent, and nobody knows yet what came of it.
    Unknown {
        /// When.
        at: u64,
        /// The commitment.
        id: CommitmentId,
        /// What happened.
        detail: String,
    },
}

/// Where the log is written.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes a line; a promise is durable when this returns.
    ///
    /// # Errors
    /// `journal_unavailable`: nothing may be signed then.
    async fn write(&self, line: &AuditLine) -> Result<(), Refusal>;
}

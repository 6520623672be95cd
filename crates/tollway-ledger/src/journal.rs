//! The journal: every change of the books is one entry of a hash chain.
//!
//! An entry's `body` is canonical JSON (RFC 8785: keys sorted, no spaces) that holds, among its own
//! members, `at`, `kind` and `sequence`. Its hash is SHA-256 over the 32 bytes of the previous
//! entry's hash (zeros before the first) followed by the UTF-8 bytes of `body`. An export has one
//! line for each entry, `{"body":{...},"hash":"...","prev":"..."}`, hashes in base64url without
//! padding. In Python, with `line` parsed: `sha256(unb64(line["prev"]) + json.dumps(line["body"],
//! sort_keys=True, separators=(",",":"), ensure_ascii=False).encode()).digest() == unb64(line["hash"])`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{Hash, Sequence};

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place, counted from 1 without gaps.
    pub sequence: Sequence,
    /// When it was written, Unix seconds.
    pub at: u64,
    /// What it changed.
    pub kind: EntryKind,
    /// Canonical JSON.
    pub body: String,
    /// Hash of the entry before it.
    pub prev: Hash,
    /// Its own hash.
    pub hash: Hash,
}

/// What an entry changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// The books were opened: seller, asset, scale.
    Genesis,
    /// An agent's terms.
    Agent,
    /// An agent was blocked or unblocked.
    Block,
    /// A document was kept, by its hash.
    Document,
    /// A posted transfer with its evidence.
    Sale,
    /// A pending transfer with its evidence.
    Claim,
    /// A pending transfer was posted.
    SalePosted,
    /// A pending transfer was given up.
    Void,
    /// A pending transfer's window passed.
    Expire,
    /// A compensating transfer: the answer was cut.
    Undelivered,
    /// An answer was sent whole.
    Delivery,
    /// A statement, signed.
    Statement,
    /// The journal's head at a cut, signed.
    Checkpoint,
    /// An exact payment was claimed for its request, with its evidence.
    ExactClaim,
    /// An exact payment was handed to a facilitator.
    ExactUnknown,
    /// An exact payment settled: a posted transfer.
    ExactSettled,
    /// An exact payment will never settle.
    ExactFailed,
    /// An exact payment was given back before anything was sent.
    ExactReleased,
    /// A compensating transfer: a settled exact payment is owed back.
    RefundOwed,
    /// A statement was paid: a posted transfer.
    BillPaid,
    /// A payment opened a pass.
    PassOpened,
    /// A request was taken from a pass.
    PassUsed,
    /// A request was given back to its pass.
    PassReturned,
    /// A pass was ended by its seller.
    PassRevoked,
}

/// The text names no kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of journal entry")]
pub struct ParseEntryKindError;

impl Entry {
    /// The entry as one line of an export, without the line feed.
    #[must_use]
    pub fn export_line(&self) -> String {
        let Self { body, hash, prev, .. } = self;
        format!(r#"{{"body":{body},"hash":"{hash}","prev":"{prev}"}}"#)
    }
}

impl EntryKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Genesis,
        Self::Agent,
        Self::Block,
        Self::Document,
        Self::Sale,
        Self::Claim,
        Self::SalePosted,
        Self::Void,
        Self::Expire,
        Self::Undelivered,
        Self::Delivery,
        Self::Statement,
        Self::Checkpoint,
        Self::ExactClaim,
        Self::ExactUnknown,
        Self::ExactSettled,
        Self::ExactFailed,
        Self::ExactReleased,
        Self::RefundOwed,
        Self::BillPaid,
        Self::PassOpened,
        Self::PassUsed,
        Self::PassReturned,
        Self::PassRevoked,
    ];

    /// The stable name, as in `body`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Agent => "agent",
            Self::Block => "block",
            Self::Document => "document",
            Self::Sale => "sale",
            Self::Claim => "claim",
            Self::SalePosted => "sale_posted",
            Self::Void => "void",
            Self::Expire => "expire",
            Self::Undelivered => "undelivered",
            Self::Delivery => "delivery",
            Self::Statement => "statement",
            Self::Checkpoint => "checkpoint",
            Self::ExactClaim => "exact_claim",
            Self::ExactUnknown => "exact_unknown",
            Self::ExactSettled => "exact_settled",
            Self::ExactFailed => "exact_failed",
            Self::ExactReleased => "exact_released",
            Self::RefundOwed => "refund_owed",
            Self::BillPaid => "bill_paid",
            Self::PassOpened => "pass_opened",
            Self::PassUsed => "pass_used",
            Self::PassReturned => "pass_returned",
            Self::PassRevoked => "pass_revoked",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EntryKind {
    type Err = ParseEntryKindError;

    fn from_str(text: &str) -> Result<Self, ParseEntryKindError> {
        let named = |kind: &&Self| kind.as_str() == text;
        Self::ALL.iter().find(named).copied().ok_or(ParseEntryKindError)
    }
}

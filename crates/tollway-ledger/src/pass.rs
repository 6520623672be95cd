//! Passes: one payment opens a number of requests under one rule until a time. Each request within it is
//! an entry of the journal and moves no money.
//!
//! A request is taken from its pass before anything is served, durably, so that several gateways share
//! one count; it is given back when nothing was served.

use async_trait::async_trait;
use serde::Serialize;

use crate::books::BooksError;
use crate::id::{PassId, Sequence};
use crate::sale::Posting;

/// Most requests of one pass.
pub const REQUESTS_MAX: u32 = 1_000_000;

/// What a payment has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// The pass: named by the payment that opened it.
    pub id: PassId,
    /// Who paid, and alone may use it: an agent's URL, or an address as its network writes it.
    pub payer: String,
    /// The rule under which it is good.
    pub rule: String,
    /// How many requests, the one that was paid included.
    pub requests: u32,
    /// Unix second from which on it is void.
    pub ends: u64,
}

/// A pass as the books have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassRecord {
    /// What was opened.
    #[serde(flatten)]
    pub pass: Pass,
    /// Requests taken from it, the one that was paid included.
    pub used: u32,
    /// Whether the seller has taken it back.
    pub revoked: bool,
    /// When it was opened, Unix seconds.
    pub opened_at: u64,
    /// The entry that opened it: what [`PassBooks::passes`] goes on after.
    pub first: Sequence,
}

/// One request within a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassUse {
    /// Request method.
    pub method: String,
    /// Target URI.
    pub url: String,
    /// The nonce of the request's signature, where it was signed: good for one request.
    pub nonce: Option<PassNonce>,
}

/// The nonce of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassNonce {
    /// RFC 7638 thumbprint of the key.
    pub thumbprint: [u8; 32],
    /// As signed.
    pub nonce: String,
    /// Unix second after which the signature is void.
    pub expires: u64,
}

/// A request that was taken from a pass. It is served, or given back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request that was not served is given back"]
pub struct PassTaken {
    /// The pass, this request counted.
    pub record: PassRecord,
    /// The entry of this request.
    pub posting: Posting,
}

/// The part of the books that passes need.
///
/// Every writing method is durable when it returns.
#[async_trait]
pub trait PassBooks: Send + Sync {
    /// Opens a pass, its first request taken. The same pass again changes nothing.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `replay_mismatch` if the payment has opened another pass,
    /// `malformed_payment` for a payer, rule or count beyond their bounds.
    async fn pass_open(&self, pass: Pass, now: u64) -> Result<PassRecord, BooksError>;

    /// Takes a request from a pass.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `pass_unknown`, `pass_ended` (its time is over, its requests are taken,
    /// or it was revoked), `nonce_replayed`, `books_full`.
    async fn pass_take(&self, id: &PassId, used: PassUse, now: u64) -> Result<PassTaken, BooksError>;

    /// Gives a request back that was not served.
    ///
    /// # Errors
    /// What storage answers.
    async fn pass_return(&self, taken: PassTaken, now: u64) -> Result<(), BooksError>;

    /// Ends a pass before its time.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `pass_unknown`.
    async fn pass_revoke(&self, id: &PassId, now: u64) -> Result<PassRecord, BooksError>;

    /// A pass by its id.
    async fn pass(&self, id: &PassId) -> Result<Option<PassRecord>, BooksError>;

    /// The pass of a payer under a rule that can still be used at `now`; of several the one that ends first.
    async fn pass_of(&self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, BooksError>;

    /// Passes in the order in which they were opened after a place in the journal, at most `limit`.
    async fn passes(&self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, BooksError>;
}

impl PassRecord {
    /// Requests that are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.pass.requests.saturating_sub(self.used)
    }

    /// Whether a request may be taken at `now`.
    #[must_use]
    pub fn is_open(&self, now: u64) -> bool {
        !self.revoked && now < self.pass.ends && self.left() > 0
    }
}

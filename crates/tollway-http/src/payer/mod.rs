//! The payer: an HTTP client that pays. It signs every request as its agent, answers a 402 within
//! its budget, keeps a log before it signs, checks every receipt, and never signs twice for one
//! purchase: what was lost on the way is asked for again with the same bytes, or looked up.

mod ask;
mod buy;
mod journal;
mod receipt;
mod request;
mod seller_keys;

pub use journal::FileJournal;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tollway_core::buyer::Buyer;
use tollway_ledger::CommitmentId;
use tollway_protocol::{Amount, Refusal};
use tollway_signatures::PrivateKey;
use url::Url;

use request::Target;
use seller_keys::SellerKeys;

/// Fills a buffer with unpredictable bytes.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Who pays, and by which means it asks.
pub struct PayerParts {
    /// The HTTP client: without redirects, with a time limit.
    pub client: reqwest::Client,
    /// Budget, log, offers.
    pub buyer: Buyer,
    /// The key that signs.
    pub key: PrivateKey,
    /// Where the key is published: the signature agent's URL.
    pub agent: String,
    /// Randomness for nonces.
    pub entropy: Entropy,
    /// Longest answer read, in bytes.
    pub body_max: usize,
}

/// A client that pays.
pub struct Payer {
    parts: PayerParts,
    sellers: SellerKeys,
    open: Mutex<Vec<Open>>,
}

/// An answer, and what it cost.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// The charge, where there was one.
    pub charged: Option<Charged>,
}

/// A charge with a checked receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// The commitment.
    pub id: CommitmentId,
    /// Atomic units.
    pub amount: Amount,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The buyer's own rules or the seller's said no; nothing was charged.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// One payment may not cost as much; nothing was signed.
    #[error("the price {asked} is above the highest allowed")]
    TooDear {
        /// The price, in atomic units.
        asked: Amount,
    },
    /// No connection, or it broke off before anything was promised.
    #[error("the seller cannot be reached: {0}")]
    Unreachable(String),
    /// A promise was sent and nobody knows yet what came of it.
    #[error("the outcome of commitment {id} is not known: {detail}")]
    Unknown {
        /// The commitment.
        id: CommitmentId,
        /// What happened.
        detail: String,
    },
}

/// A promise of unknown outcome, to be looked up later.
struct Open {
    id: CommitmentId,
    origin: String,
}

impl Payer {
    /// A payer made of these parts.
    pub fn new(parts: PayerParts) -> Self {
        Self { parts, sellers: SellerKeys::default(), open: Mutex::default() }
    }

    /// The buyer's side: budget, log, offers.
    pub fn buyer(&self) -> &Buyer {
        &self.parts.buyer
    }

    /// Gets a resource, paying for it where it costs money and the budget allows.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn get(&self, url: &Url) -> Result<Answer, PayError> {
        let target = Target::of(url)?;
        let now = self.parts.buyer.clock.now();
        match self.parts.buyer.shelf.find(&target.origin, "GET", &target.decoded_path, now) {
            Some(offer) => self.buy(&target, offer).await,
            None => self.ask(&target).await,
        }
    }

    /// Gets a resource without ever paying: a demand comes back as the answer it is.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn get_unpaid(&self, url: &Url) -> Result<Answer, PayError> {
        let reply = self.ask_unpaid(&Target::of(url)?).await?;
        Ok(Answer { status: reply.status, headers: reply.headers, body: reply.body, charged: None })
    }

    /// Looks up every promise of unknown outcome once more; how many are still open.
    pub async fn resolve_open(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock());
        for Open { id, origin } in open {
            if self.look_up(&origin, id).await.is_none() {
                self.open.lock().push(Open { id, origin });
            }
        }
        self.open.lock().len()
    }
}

//! The payer: an HTTP client that pays. It signs every request as its agent, answers a 402 within
//! its budget, keeps a log before it signs, checks every receipt, and never signs twice for one
//! purchase: what was lost on the way is asked for again with the same bytes, or looked up.

mod ask;
mod buy;
pub mod exact;
mod journal;
mod order;
mod past;
mod receipt;
mod request;
mod seller_keys;
mod transport;

pub use journal::FileJournal;
pub use order::Order;
pub use past::{OpenPromise, Past};
pub use transport::{Outgoing, ServiceTransport, Transport};

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tollway_core::buyer::Buyer;
use tollway_ledger::CommitmentId;
use tollway_protocol::{Amount, Refusal};
use tollway_signatures::PrivateKey;
use url::Url;

use crate::dress::ReceiptFacts;
use buy::Looked;
use request::{Reply, Target};
use seller_keys::SellerKeys;

/// Sellers asked about open promises at once.
const SELLERS_AT_ONCE: usize = 8;

/// Fills a buffer with unpredictable bytes.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Who pays, and by which means it asks.
pub struct PayerParts {
    /// What sends requests, such as a `reqwest` client: without redirects, with a time limit.
    pub transport: Arc<dyn Transport>,
    /// Budget, log, offers.
    pub buyer: Buyer,
    /// The key that signs.
    pub key: Arc<PrivateKey>,
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
    /// The receipt of that charge, checked.
    pub receipt: Option<ReceiptFacts>,
    /// The fields of the request that was answered, without those that the HTTP client adds itself.
    pub sent: HeaderMap,
}

impl From<Reply> for Answer {
    /// An answer that cost nothing.
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, body, sent } = reply;
        Self { status, headers, body, charged: None, receipt: None, sent }
    }
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

/// Why there is no answer, and what it cost all the same: an answer can be lost after it was paid for.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct PayFailure {
    /// Why.
    #[source]
    pub error: PayError,
    /// A charge that the seller's books or its receipt state.
    pub charged: Option<Charged>,
}

impl PayFailure {
    fn charged(refusal: Refusal, charged: Charged) -> Self {
        Self { error: refusal.into(), charged: Some(charged) }
    }
}

impl<E: Into<PayError>> From<E> for PayFailure {
    fn from(error: E) -> Self {
        Self { error: error.into(), charged: None }
    }
}

/// A promise of unknown outcome, to be looked up later.
struct Open {
    id: CommitmentId,
    origin: String,
    /// Most that may be charged.
    amount: Amount,
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
        self.buy_order(&Order::get(url.clone())).await.map_err(|failure| failure.error)
    }

    /// Sends an order, paying for it where it costs money and the budget allows. An order of any method may be sent
    /// again when its answer is lost: the same bytes are never run twice where they are paid for. What is free is
    /// sent once.
    ///
    /// # Errors
    /// See [`PayError`]; the failure also says what was charged for an answer that was lost.
    pub async fn buy_order(&self, order: &Order) -> Result<Answer, PayFailure> {
        let target = Target::of_order(order)?;
        let now = self.parts.buyer.clock.now();
        let method = target.method.as_str();
        match self.parts.buyer.shelf.find(&target.origin, method, &target.decoded_path, now) {
            Some(offer) if method != "HEAD" => self.buy(&target, offer).await,
            _ => self.ask(&target).await,
        }
    }

    /// Gets a resource without ever paying: a demand comes back as the answer it is.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn get_unpaid(&self, url: &Url) -> Result<Answer, PayError> {
        let reply = self.ask_unpaid(&Target::of(url)?).await?;
        Ok(reply.into())
    }

    /// Takes over promises of earlier runs whose outcome is not known; [`Self::resolve_open`] looks them up. The budget
    /// does not hold money for them: whoever sets it takes [`Past::held`] off first.
    pub fn adopt(&self, promises: Vec<OpenPromise>) {
        let open = promises.into_iter().map(|OpenPromise { id, seller, amount }| Open { id, origin: seller, amount });
        self.open.lock().extend(open);
    }

    /// Looks up every promise of unknown outcome once more; how many are still open. A seller that does not answer
    /// is not asked again before the next call.
    pub async fn resolve_open(&self) -> usize {
        let mut sellers: BTreeMap<String, Vec<Open>> = BTreeMap::new();
        for open in std::mem::take(&mut *self.open.lock()) {
            sellers.entry(open.origin.clone()).or_default().push(open);
        }
        let asked = sellers.into_values().map(|open| self.resolve_of(open));
        let still: Vec<Vec<Open>> = futures_util::stream::iter(asked).buffer_unordered(SELLERS_AT_ONCE).collect().await;
        let mut open = self.open.lock();
        open.extend(still.into_iter().flatten());
        open.len()
    }

    /// Asks one seller.
    async fn resolve_of(&self, promises: Vec<Open>) -> Vec<Open> {
        let mut still = Vec::new();
        let mut silent = false;
        for open in promises {
            let looked = if silent { Looked::Silent } else { self.look_up(&open).await };
            silent |= matches!(looked, Looked::Silent);
            if matches!(looked, Looked::Open | Looked::Silent) {
                still.push(open);
            }
        }
        still
    }
}

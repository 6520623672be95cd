//! The port to the books: everything a seller's engine, a page or a tool asks of them.

use async_trait::async_trait;
use tollway_protocol::{Asset, Reason, Refusal, Scale};

use crate::account::{AccountView, AgentTerms};
use crate::document::{Document, DocumentKind};
use crate::exposure::Reservation;
use crate::id::{AgentId, CommitmentId, Hash, Sequence};
use crate::journal::Entry;
use crate::pass::PassBooks;
use crate::period::Period;
use crate::sale::{Delivery, DeliveryNote, Posting, Recorded, Sale};
use crate::statement::{Checkpoint, Line, Statement, StatementFilter};

/// Whose books, and what they count. One ledger holds one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The seller, by its public origin.
    pub seller: String,
    /// What is counted.
    pub asset: Asset,
    /// Decimal digits of the atomic unit.
    pub scale: Scale,
}

/// The answer to a wish to sell.
#[derive(Debug)]
pub enum Reserve {
    /// Serve, then post (or claim first, if the method is unsafe).
    Reserved(Reservation),
    /// The books know this commitment for this very request: answer from the record.
    Known(Box<Recorded>),
    /// The same commitment is being served right now by this process.
    InFlight,
    /// Do not serve.
    Refused(Refusal),
}

/// A durable pending transfer. Post or void it; left alone it expires with its signature, uncharged.
#[derive(Debug)]
#[must_use = "a claim is posted or voided, else the buyer's credit stays bound until it expires"]
pub struct Claim {
    id: CommitmentId,
    posting: Posting,
}

/// The answer to a posting.
#[derive(Debug)]
pub enum PostOutcome {
    /// Charged, durably.
    Posted(Posting),
    /// The books already knew this commitment for this request; nothing was charged now.
    Known(Box<Recorded>),
    /// Not charged: the books changed since the reserve.
    Refused(Refusal),
}

/// A closed period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseOutcome {
    /// Which period.
    pub period: Period,
    /// Where the journal was cut.
    pub cut: Sequence,
    /// One statement for each agent with lines not billed before.
    pub statements: Vec<Statement>,
    /// The signed head at the cut.
    pub checkpoint: Checkpoint,
    /// Whether an earlier call had closed it; the statements are those of that call.
    pub already_closed: bool,
}

/// Why the books gave no answer, or would not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// They cannot be reached, read or written.
    #[error("the books are not available: {detail}")]
    Unavailable {
        /// For the log.
        detail: String,
    },
    /// The disk is full. Nothing of the command was kept.
    #[error("the disk under the books is full")]
    DiskFull,
    /// Another process held the write lock for longer than we wait.
    #[error("another process holds the books")]
    Locked,
    /// The file is not books of ours: another program's, another seller's, or a newer version's.
    #[error("not these books: {detail}")]
    Foreign {
        /// For the log.
        detail: String,
    },
    /// As much as may wait is waiting.
    #[error("the books hold as much as they may")]
    Full,
    /// What was read contradicts itself.
    #[error("the books are damaged: {detail}")]
    Corrupt {
        /// For the log.
        detail: String,
    },
    /// The books answered, and the answer is no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Signs what closing a period produces. Implemented over the seller's key.
pub trait CheckpointSigner: Send + Sync {
    /// A compact JWS over exactly these bytes.
    fn sign(&self, payload: &[u8]) -> String;
    /// RFC 7638 thumbprint of the key, base64url.
    fn thumbprint(&self) -> String;
    /// The seller the key speaks for; must be the seller of the books.
    fn seller(&self) -> String;
}

/// The books of one seller in one asset.
///
/// `now` is Unix seconds everywhere. An `Err` from a writing method means that nothing of it was kept;
/// after [`BooksError::Unavailable`] look the commitment up, because the disk may have failed in the
/// commit itself.
#[async_trait]
pub trait Books: PassBooks {
    /// Whose books, and what they count.
    fn ledger(&self) -> &Ledger;

    /// What the books know of a commitment.
    async fn lookup(&self, id: &CommitmentId) -> Result<Option<Recorded>, BooksError>;

    /// Holds credit, commitment and nonce for a sale, in memory.
    ///
    /// Answers in this order: known (or `replay_mismatch` if known for another request), in flight,
    /// `asset_mismatch`, `nonce_replayed`, `agent_not_registered`, `blocked`, `over_credit`,
    /// `over_daily_budget`, `books_full`.
    async fn reserve(&self, sale: Sale, now: u64) -> Result<Reserve, BooksError>;

    /// Makes the reserve a durable pending transfer, before an unsafe handler runs.
    ///
    /// # Errors
    ///
    /// [`BooksError::Refused`] if the books changed since the reserve; `replay_pending` if the
    /// commitment was written by another process meanwhile. Then do not run the handler.
    async fn claim(&self, reservation: Reservation, now: u64) -> Result<Claim, BooksError>;

    /// Charges a reserved sale: one durable write, which checks everything again.
    async fn post(&self, reservation: Reservation, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError>;

    /// Charges a claimed sale. Limits are not asked again: the claim has counted against them.
    async fn post_claim(&self, claim: Claim, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError>;

    /// Gives a claim up: nothing was served, nothing is charged.
    async fn void_claim(&self, claim: Claim, now: u64) -> Result<(), BooksError>;

    /// Gives a reserve up. The same as dropping it.
    fn release(&self, reservation: Reservation) {
        drop(reservation);
    }

    /// Records how the answer ended. `complete: false` takes the charge back, once. Only the first
    /// note of a sale counts; later ones change nothing.
    ///
    /// # Errors
    ///
    /// [`BooksError::Refused`] with `not_found` if the commitment was never charged.
    async fn delivery_note(&self, id: &CommitmentId, note: DeliveryNote, now: u64) -> Result<(), BooksError>;

    /// Expires claims whose signature ended more than the skew ago; how many.
    async fn expire_claims(&self, now: u64) -> Result<u64, BooksError>;

    /// Opens an account or changes its terms.
    async fn agent_put(&self, terms: AgentTerms, now: u64) -> Result<(), BooksError>;

    /// Blocks or unblocks an agent.
    ///
    /// # Errors
    ///
    /// [`BooksError::Refused`] with `agent_not_registered` without an account.
    async fn agent_block(&self, agent: &AgentId, blocked: bool, now: u64) -> Result<(), BooksError>;

    /// Every account, by agent, with the spending of the UTC day of `now`.
    async fn agents(&self, now: u64) -> Result<Vec<AccountView>, BooksError>;

    /// One account, with the spending of the UTC day of `now`.
    async fn account(&self, agent: &AgentId, now: u64) -> Result<Option<AccountView>, BooksError>;

    /// Keeps a document. The same body under the same name again changes nothing.
    ///
    /// # Errors
    ///
    /// [`BooksError::Refused`] with `replay_mismatch` if another body stands under that name, with
    /// `body_too_large` above [`DOCUMENT_MAX_BYTES`](crate::document::DOCUMENT_MAX_BYTES).
    async fn document_put(&self, kind: DocumentKind, id: &str, body: Vec<u8>, now: u64) -> Result<Hash, BooksError>;

    /// One document.
    async fn document(&self, kind: DocumentKind, id: &str) -> Result<Option<Document>, BooksError>;

    /// The documents of a kind first seen at or after `since`, oldest first.
    async fn documents(&self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, BooksError>;

    /// Closes a period: one signed statement for each agent with unbilled lines, and a signed
    /// checkpoint, in one durable write. Closing again returns what the first call wrote.
    ///
    /// # Errors
    ///
    /// [`BooksError::Refused`] with `period_open` before the period's end, with `not_yours` if the
    /// signer speaks for another seller.
    async fn close(&self, period: Period, now: u64, signer: &dyn CheckpointSigner) -> Result<CloseOutcome, BooksError>;

    /// The statement of an agent for a period.
    async fn statement(&self, agent: &AgentId, period: &Period) -> Result<Option<Statement>, BooksError>;

    /// Statements in the order they were written.
    async fn statements(&self, filter: StatementFilter) -> Result<Vec<Statement>, BooksError>;

    /// Lines of a statement after a place in the journal, at most `limit`, in order.
    async fn lines(&self, statement: &Statement, after: Sequence, limit: usize) -> Result<Vec<Line>, BooksError>;

    /// Journal entries from a place on, at most `limit`, in order.
    async fn entries(&self, from: Sequence, limit: usize) -> Result<Vec<Entry>, BooksError>;

    /// The last place of the journal and its hash.
    async fn head(&self) -> Result<(Sequence, Hash), BooksError>;
}

impl Claim {
    /// The claim that the entry `posting` has made durable.
    pub fn assertion(id: CommitmentId, posting: Posting) -> Self {
        Self { id, posting }
    }

    /// The commitment.
    #[must_use]
    pub fn id(&self) -> &CommitmentId {
        &self.id
    }

    /// The entry that made it durable.
    #[must_use]
    pub fn posting(&self) -> Posting {
        self.posting
    }
}

impl BooksError {
    /// The wire code of this error.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unavailable { .. } => Reason::BooksUnavailable,
            Self::DiskFull => Reason::BooksDiskFull,
            Self::Locked => Reason::BooksLocked,
            Self::Foreign { .. } => Reason::BooksForeign,
            Self::Full => Reason::BooksFull,
            Self::Corrupt { .. } => Reason::Internal,
            Self::Refused(refusal) => refusal.reason,
        }
    }
}

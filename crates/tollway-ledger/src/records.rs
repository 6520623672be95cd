//! The port to storage: what [`apply`](crate::apply::apply) reads and writes inside one transaction.

use tollway_protocol::Amount;

use crate::account::Account;
use crate::books::{BooksError, Ledger};
use crate::document::{Document, DocumentKind};
use crate::id::{AgentId, CommitmentId, Fingerprint, Hash, Sequence};
use crate::journal::Entry;
use crate::period::Period;
use crate::sale::SaleState;
use crate::statement::{Statement, StatementFilter};

mod passes;
mod payments;

pub use passes::PassRecords;
pub use payments::{BillRow, PaymentRecords, PaymentRow};

/// What storage answers when it cannot answer; the transaction is then given up whole.
pub type RecordsError = BooksError;

/// One commitment's row. What was sold stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentRow {
    /// The commitment.
    pub id: CommitmentId,
    /// The request it was made for.
    pub fingerprint: Fingerprint,
    /// Where in its life it is.
    pub state: SaleState,
    /// Who pays.
    pub agent: AgentId,
    /// What was promised.
    pub amount: Amount,
    /// Unix second after which the signature is void.
    pub expires: u64,
    /// The `sale` or `claim` entry.
    pub first: Sequence,
    /// The `sale` or `sale_posted` entry.
    pub posted: Option<Sequence>,
    /// When `first` was written: the day the amount was counted against the budget.
    pub at: u64,
    /// Whether the end of the answer was recorded.
    pub noted: bool,
}

/// Under what an entry is found again, beside its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index<'a> {
    /// Under its place only.
    Place,
    /// A line of this agent.
    Line(&'a AgentId),
    /// This agent's statement for this period.
    Statement(&'a AgentId, Period),
    /// The checkpoint that closed this period.
    Checkpoint(Period),
}

/// What one transaction over the books can read and write.
///
/// Rows come back exactly as they were put. Writes are kept all together, or none of them.
pub trait Records: PassRecords + PaymentRecords {
    /// Whose books these are.
    fn ledger(&self) -> &Ledger;

    /// The last place of the journal and its hash; zeros before the first entry.
    fn head(&mut self) -> Result<(Sequence, Hash), RecordsError>;
    /// Appends an entry at the place after [`Records::head`].
    fn append(&mut self, entry: &Entry, index: Index<'_>) -> Result<(), RecordsError>;
    /// The entry at a place.
    fn entry(&mut self, at: Sequence) -> Result<Option<Entry>, RecordsError>;
    /// Entries from a place on, at most `limit`, in order.
    fn entries(&mut self, from: Sequence, limit: usize) -> Result<Vec<Entry>, RecordsError>;
    /// Entries indexed as lines (of one agent, or of all), `after < place <= to`, at most `limit`, in order.
    fn lines(
        &mut self,
        agent: Option<&AgentId>,
        after: Sequence,
        to: Sequence,
        limit: usize,
    ) -> Result<Vec<Entry>, RecordsError>;
    /// The first line after a place that was written at or after the Unix second `at`.
    fn first_line(&mut self, after: Sequence, at: u64) -> Result<Option<Sequence>, RecordsError>;

    /// A commitment's row.
    fn commitment(&mut self, id: &CommitmentId) -> Result<Option<CommitmentRow>, RecordsError>;
    /// Inserts or replaces a commitment's row.
    fn put_commitment(&mut self, row: &CommitmentRow) -> Result<(), RecordsError>;
    /// Pending commitments with `expires` below `before`, at most `limit`.
    fn ended_claims(&mut self, before: u64, limit: usize) -> Result<Vec<CommitmentRow>, RecordsError>;

    /// An agent's row.
    fn account(&mut self, agent: &AgentId) -> Result<Option<Account>, RecordsError>;
    /// Inserts or replaces an agent's row.
    fn put_account(&mut self, account: &Account) -> Result<(), RecordsError>;
    /// Every agent's row, by agent.
    fn accounts(&mut self) -> Result<Vec<Account>, RecordsError>;

    /// Whether a nonce is used and live at `now`.
    fn nonce_used(&mut self, key: &Hash, now: u64) -> Result<bool, RecordsError>;
    /// Remembers a nonce until its bucket ends.
    fn put_nonce(&mut self, key: &Hash, bucket: u64) -> Result<(), RecordsError>;
    /// How many remembered nonces are live at `now`.
    fn nonces(&mut self, now: u64) -> Result<u64, RecordsError>;
    /// How many nonces may be remembered.
    fn nonce_capacity(&self) -> u64;
    /// Drops nonces whose bucket ended before `now`, as many as one transaction should.
    fn drop_nonces(&mut self, now: u64) -> Result<(), RecordsError>;

    /// A document.
    fn document(&mut self, kind: DocumentKind, id: &str) -> Result<Option<Document>, RecordsError>;
    /// Inserts a document.
    fn put_document(&mut self, document: &Document) -> Result<(), RecordsError>;
    /// Documents of a kind first seen at or after `since`, oldest first.
    fn documents(&mut self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, RecordsError>;

    /// Place of the checkpoint that closed a period.
    fn closed(&mut self, period: &Period) -> Result<Option<Sequence>, RecordsError>;
    /// Place of the newest checkpoint.
    fn last_checkpoint(&mut self) -> Result<Option<Sequence>, RecordsError>;
    /// An agent's newest statement.
    fn last_statement(&mut self, agent: &AgentId) -> Result<Option<Statement>, RecordsError>;
    /// Statements in the order they were written, each with its payment.
    fn statements(&mut self, filter: &StatementFilter) -> Result<Vec<Statement>, RecordsError>;
}

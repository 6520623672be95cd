//! Books that fail to order, in front of real ones.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tollway_ledger::{
    AccountView, AgentId, AgentTerms, Books, BooksError, CheckpointSigner, Claim, CloseOutcome, CommitmentId, Delivery,
    DeliveryNote, Document, DocumentKind, Entry, Hash, Ledger, Line, Pass, PassBooks, PassId, PassRecord, PassTaken,
    PassUse, Period, PostOutcome, Recorded, Reservation, Reserve, Sale, Sequence, Statement, StatementFilter,
};
use tollway_store::SqliteBooks;

/// Passes every call on, but for those that were told to fail.
pub(crate) struct FaultyBooks {
    real: Arc<SqliteBooks>,
    fault: Mutex<Option<(&'static str, BooksError)>>,
}

impl FaultyBooks {
    pub(crate) fn over(real: Arc<SqliteBooks>) -> Self {
        Self { real, fault: Mutex::default() }
    }

    /// From now on this call answers that error; `*` is every call.
    pub(crate) fn fail(&self, call: &'static str, error: BooksError) {
        *self.fault.lock() = Some((call, error));
    }

    pub(crate) fn mend(&self) {
        *self.fault.lock() = None;
    }

    fn ask(&self, call: &str) -> Result<(), BooksError> {
        match &*self.fault.lock() {
            Some((named, error)) if *named == call || *named == "*" => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl PassBooks for FaultyBooks {
    async fn pass_open(&self, pass: Pass, now: u64) -> Result<PassRecord, BooksError> {
        self.ask("pass_open")?;
        self.real.pass_open(pass, now).await
    }

    async fn pass_take(&self, id: &PassId, used: PassUse, now: u64) -> Result<PassTaken, BooksError> {
        self.ask("pass_take")?;
        self.real.pass_take(id, used, now).await
    }

    async fn pass_return(&self, taken: PassTaken, now: u64) -> Result<(), BooksError> {
        self.ask("pass_return")?;
        self.real.pass_return(taken, now).await
    }

    async fn pass_revoke(&self, id: &PassId, now: u64) -> Result<PassRecord, BooksError> {
        self.ask("pass_revoke")?;
        self.real.pass_revoke(id, now).await
    }

    async fn pass(&self, id: &PassId) -> Result<Option<PassRecord>, BooksError> {
        self.ask("pass")?;
        self.real.pass(id).await
    }

    async fn pass_of(&self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, BooksError> {
        self.ask("pass_of")?;
        self.real.pass_of(payer, rule, now).await
    }

    async fn passes(&self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, BooksError> {
        self.ask("passes")?;
        self.real.passes(after, limit).await
    }
}

#[async_trait]
impl Books for FaultyBooks {
    fn ledger(&self) -> &Ledger {
        self.real.ledger()
    }

    async fn lookup(&self, id: &CommitmentId) -> Result<Option<Recorded>, BooksError> {
        self.ask("lookup")?;
        self.real.lookup(id).await
    }

    async fn reserve(&self, sale: Sale, now: u64) -> Result<Reserve, BooksError> {
        self.ask("reserve")?;
        self.real.reserve(sale, now).await
    }

    async fn claim(&self, reservation: Reservation, now: u64) -> Result<Claim, BooksError> {
        self.ask("claim")?;
        self.real.claim(reservation, now).await
    }

    async fn post(&self, reservation: Reservation, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError> {
        self.ask("post")?;
        self.real.post(reservation, delivery, now).await
    }

    async fn post_claim(&self, claim: Claim, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError> {
        self.ask("post_claim")?;
        self.real.post_claim(claim, delivery, now).await
    }

    async fn void_claim(&self, claim: Claim, now: u64) -> Result<(), BooksError> {
        self.ask("void_claim")?;
        self.real.void_claim(claim, now).await
    }

    async fn delivery_note(&self, id: &CommitmentId, note: DeliveryNote, now: u64) -> Result<(), BooksError> {
        self.ask("delivery_note")?;
        self.real.delivery_note(id, note, now).await
    }

    async fn expire_claims(&self, now: u64) -> Result<u64, BooksError> {
        self.ask("expire_claims")?;
        self.real.expire_claims(now).await
    }

    async fn agent_put(&self, terms: AgentTerms, now: u64) -> Result<(), BooksError> {
        self.ask("agent_put")?;
        self.real.agent_put(terms, now).await
    }

    async fn agent_block(&self, agent: &AgentId, blocked: bool, now: u64) -> Result<(), BooksError> {
        self.ask("agent_block")?;
        self.real.agent_block(agent, blocked, now).await
    }

    async fn agents(&self, now: u64) -> Result<Vec<AccountView>, BooksError> {
        self.ask("agents")?;
        self.real.agents(now).await
    }

    async fn account(&self, agent: &AgentId, now: u64) -> Result<Option<AccountView>, BooksError> {
        self.ask("account")?;
        self.real.account(agent, now).await
    }

    async fn document_put(&self, kind: DocumentKind, id: &str, body: Vec<u8>, now: u64) -> Result<Hash, BooksError> {
        self.ask("document_put")?;
        self.real.document_put(kind, id, body, now).await
    }

    async fn document(&self, kind: DocumentKind, id: &str) -> Result<Option<Document>, BooksError> {
        self.ask("document")?;
        self.real.document(kind, id).await
    }

    async fn documents(&self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, BooksError> {
        self.ask("documents")?;
        self.real.documents(kind, since).await
    }

    async fn close(&self, period: Period, now: u64, signer: &dyn CheckpointSigner) -> Result<CloseOutcome, BooksError> {
        self.ask("close")?;
        self.real.close(period, now, signer).await
    }

    async fn statement(&self, agent: &AgentId, period: &Period) -> Result<Option<Statement>, BooksError> {
        self.ask("statement")?;
        self.real.statement(agent, period).await
    }

    async fn statements(&self, filter: StatementFilter) -> Result<Vec<Statement>, BooksError> {
        self.ask("statements")?;
        self.real.statements(filter).await
    }

    async fn lines(&self, statement: &Statement, after: Sequence, limit: usize) -> Result<Vec<Line>, BooksError> {
        self.ask("lines")?;
        self.real.lines(statement, after, limit).await
    }

    async fn entries(&self, from: Sequence, limit: usize) -> Result<Vec<Entry>, BooksError> {
        self.ask("entries")?;
        self.real.entries(from, limit).await
    }

    async fn head(&self) -> Result<(Sequence, Hash), BooksError> {
        self.ask("head")?;
        self.real.head().await
    }
}

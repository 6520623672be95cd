//! Books in memory: the plainest implementation of [`Records`] and [`Books`], for tests and trials.
//!
//! Nothing survives the process, so no seller should run on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::account::{Account, AccountView, AgentTerms};
use crate::apply::{Command, Outcome, apply};
use crate::books::{
    Books, BooksError, CheckpointSigner, Claim, CloseOutcome, Ledger, PostOutcome, Reserve,
};
use crate::closing::{Closing, plan_close};
use crate::document::{Document, DocumentKind};
use crate::exposure::{ExposureTable, Reservation};
use crate::id::{AgentId, CommitmentId, Hash, Sequence};
use crate::journal::Entry;
use crate::nonce::Nonces;
use crate::period::Period;
use crate::read::{glance, lines, lookup};
use crate::records::{CommitmentRow, Index, Records, RecordsError};
use crate::reserving::{claimed, done, posted, reserve, unexpected};
use crate::sale::{Delivery, DeliveryNote, Recorded, Sale, SaleState};
use crate::statement::{Line, Statement, StatementFilter};

/// Books in memory.
#[derive(Debug)]
pub struct MemoryBooks {
    ledger: Ledger,
    records: Mutex<MemoryRecords>,
    table: Arc<ExposureTable>,
}

/// Records in memory.
#[derive(Debug, Clone)]
pub struct MemoryRecords {
    ledger: Ledger,
    nonce_capacity: u64,
    journal: Vec<Entry>,
    lines: Vec<(Sequence, AgentId)>,
    statements: Vec<Statement>,
    checkpoints: Vec<(Period, Sequence)>,
    commitments: HashMap<CommitmentId, CommitmentRow>,
    accounts: BTreeMap<AgentId, Account>,
    nonces: Nonces,
    documents: Vec<Document>,
}

impl MemoryBooks {
    /// Empty books that remember at most `nonce_capacity` live nonces.
    #[must_use]
    pub fn new(ledger: Ledger, nonce_capacity: u64) -> Self {
        Self {
            records: Mutex::new(MemoryRecords::new(ledger.clone(), nonce_capacity)),
            table: ExposureTable::new(nonce_capacity),
            ledger,
        }
    }

    /// What is in flight.
    #[must_use]
    pub fn exposure(&self) -> &Arc<ExposureTable> {
        &self.table
    }

    fn records(&self) -> MutexGuard<'_, MemoryRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a command and lets the table know, as one step for every other caller.
    fn run(
        &self,
        agent: Option<&AgentId>,
        reservation: Option<Reservation>,
        command: Command<'_>,
        now: u64,
    ) -> Result<Outcome, BooksError> {
        let mut records = self.records();
        let outcome = apply(&mut *records, command, now)?;
        let mut table = self.table.lock();
        if let Some(agent) = agent
            && let Some(account) = records.accounts.get(agent)
        {
            table.refresh(account);
        }
        let kept = matches!(outcome, Outcome::Posted(_) | Outcome::Claimed(_));
        match reservation {
            Some(reservation) if kept => table.settle(reservation),
            other => {
                // Releasing takes the table's lock.
                drop(table);
                drop(other);
            }
        }
        Ok(outcome)
    }

    fn agent_of(&self, id: &CommitmentId) -> Option<AgentId> {
        let records = self.records();
        records.commitments.get(id).map(|row| row.agent.clone())
    }
}

#[async_trait]
impl Books for MemoryBooks {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    async fn lookup(&self, id: &CommitmentId) -> Result<Option<Recorded>, BooksError> {
        lookup(&mut *self.records(), id)
    }

    async fn reserve(&self, sale: Sale, now: u64) -> Result<Reserve, BooksError> {
        reserve(&self.table, &self.ledger, sale, now, |sale| {
            glance(&mut *self.records(), sale, now)
        })
    }

    async fn claim(&self, reservation: Reservation, now: u64) -> Result<Claim, BooksError> {
        let sale = reservation.sale().clone();
        let command = Command::Claim(&sale);
        claimed(
            self.run(Some(&sale.agent), Some(reservation), command, now)?,
            sale.id,
        )
    }

    async fn post(
        &self,
        reservation: Reservation,
        delivery: Delivery,
        now: u64,
    ) -> Result<PostOutcome, BooksError> {
        let sale = reservation.sale().clone();
        let command = Command::Post(&sale, &delivery);
        posted(self.run(Some(&sale.agent), Some(reservation), command, now)?)
    }

    async fn post_claim(
        &self,
        claim: Claim,
        delivery: Delivery,
        now: u64,
    ) -> Result<PostOutcome, BooksError> {
        let agent = self.agent_of(claim.id());
        let command = Command::PostClaim(claim.id(), &delivery);
        posted(self.run(agent.as_ref(), None, command, now)?)
    }

    async fn void_claim(&self, claim: Claim, now: u64) -> Result<(), BooksError> {
        let agent = self.agent_of(claim.id());
        done(self.run(agent.as_ref(), None, Command::VoidClaim(claim.id()), now)?)
    }

    async fn delivery_note(
        &self,
        id: &CommitmentId,
        note: DeliveryNote,
        now: u64,
    ) -> Result<(), BooksError> {
        let agent = self.agent_of(id);
        done(self.run(agent.as_ref(), None, Command::Note(id, note), now)?)
    }

    async fn expire_claims(&self, now: u64) -> Result<u64, BooksError> {
        let mut ended = 0;
        loop {
            match self.run(None, None, Command::ExpireClaims, now)? {
                Outcome::Expired(0) => return Ok(ended),
                Outcome::Expired(count) => ended += count,
                other => return Err(unexpected(&other)),
            }
        }
    }

    async fn agent_put(&self, terms: AgentTerms, now: u64) -> Result<(), BooksError> {
        done(self.run(Some(&terms.agent), None, Command::PutAgent(&terms), now)?)
    }

    async fn agent_block(
        &self,
        agent: &AgentId,
        blocked: bool,
        now: u64,
    ) -> Result<(), BooksError> {
        done(self.run(Some(agent), None, Command::BlockAgent(agent, blocked), now)?)
    }

    async fn agents(&self, now: u64) -> Result<Vec<AccountView>, BooksError> {
        let accounts = self.records().accounts()?;
        let view = |account: &Account| account.view(self.table.reserved(&account.terms.agent), now);
        Ok(accounts.iter().map(view).collect())
    }

    async fn account(&self, agent: &AgentId, now: u64) -> Result<Option<AccountView>, BooksError> {
        let account = self.records().account(agent)?;
        Ok(account.map(|account| account.view(self.table.reserved(agent), now)))
    }

    async fn document_put(
        &self,
        kind: DocumentKind,
        id: &str,
        body: Vec<u8>,
        now: u64,
    ) -> Result<Hash, BooksError> {
        match self.run(None, None, Command::PutDocument(kind, id, &body), now)? {
            Outcome::Kept(hash) => Ok(hash),
            Outcome::Refused(refusal) => Err(refusal.into()),
            other => Err(unexpected(&other)),
        }
    }

    async fn document(&self, kind: DocumentKind, id: &str) -> Result<Option<Document>, BooksError> {
        self.records().document(kind, id)
    }

    async fn documents(&self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, BooksError> {
        self.records().documents(kind, since)
    }

    async fn close(
        &self,
        period: Period,
        now: u64,
        signer: &dyn CheckpointSigner,
    ) -> Result<CloseOutcome, BooksError> {
        loop {
            let plan = match plan_close(&mut *self.records(), period, now)? {
                Closing::Already(outcome) => return Ok(*outcome),
                Closing::Planned(plan) => plan,
            };
            let signed = plan.sign(signer)?;
            match self.run(None, None, Command::Close(&signed), now)? {
                Outcome::Closed(outcome) => return Ok(*outcome),
                Outcome::Stale => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    async fn statement(
        &self,
        agent: &AgentId,
        period: &Period,
    ) -> Result<Option<Statement>, BooksError> {
        let filter = StatementFilter {
            agent: Some(agent.clone()),
            period: Some(*period),
        };
        Ok(self.records().statements(&filter)?.into_iter().next())
    }

    async fn statements(&self, filter: StatementFilter) -> Result<Vec<Statement>, BooksError> {
        self.records().statements(&filter)
    }

    async fn lines(
        &self,
        statement: &Statement,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Line>, BooksError> {
        lines(&mut *self.records(), statement, after, limit)
    }

    async fn entries(&self, from: Sequence, limit: usize) -> Result<Vec<Entry>, BooksError> {
        self.records().entries(from, limit)
    }

    async fn head(&self) -> Result<(Sequence, Hash), BooksError> {
        self.records().head()
    }
}

impl MemoryRecords {
    /// Empty records.
    #[must_use]
    pub fn new(ledger: Ledger, nonce_capacity: u64) -> Self {
        Self {
            ledger,
            nonce_capacity,
            journal: Vec::new(),
            lines: Vec::new(),
            statements: Vec::new(),
            checkpoints: Vec::new(),
            commitments: HashMap::new(),
            accounts: BTreeMap::new(),
            nonces: Nonces::default(),
            documents: Vec::new(),
        }
    }

    fn at(&self, place: Sequence) -> Option<&Entry> {
        let index = usize::try_from(place.get().checked_sub(1)?).ok()?;
        self.journal.get(index)
    }
}

impl Records for MemoryRecords {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn head(&mut self) -> Result<(Sequence, Hash), RecordsError> {
        let last = self.journal.last();
        Ok(last.map_or((Sequence::ZERO, Hash::ZERO), |entry| {
            (entry.sequence, entry.hash)
        }))
    }

    fn append(&mut self, entry: &Entry, index: Index<'_>) -> Result<(), RecordsError> {
        self.journal.push(entry.clone());
        match index {
            Index::Place => {}
            Index::Line(agent) => self.lines.push((entry.sequence, agent.clone())),
            Index::Statement(..) => self.statements.push(Statement::from_entry(entry)?),
            Index::Checkpoint(period) => self.checkpoints.push((period, entry.sequence)),
        }
        Ok(())
    }

    fn entry(&mut self, at: Sequence) -> Result<Option<Entry>, RecordsError> {
        Ok(self.at(at).cloned())
    }

    fn entries(&mut self, from: Sequence, limit: usize) -> Result<Vec<Entry>, RecordsError> {
        let from = usize::try_from(from.get().saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(self
            .journal
            .iter()
            .skip(from)
            .take(limit)
            .cloned()
            .collect())
    }

    fn lines(
        &mut self,
        agent: Option<&AgentId>,
        after: Sequence,
        to: Sequence,
        limit: usize,
    ) -> Result<Vec<Entry>, RecordsError> {
        let start = self.lines.partition_point(|(place, _)| *place <= after);
        let lines = self.lines[start..]
            .iter()
            .take_while(|(place, _)| *place <= to);
        let asked = lines
            .filter(|(_, of)| agent.is_none_or(|agent| agent == of))
            .take(limit);
        Ok(asked
            .filter_map(|(place, _)| self.at(*place).cloned())
            .collect())
    }

    fn first_line(&mut self, after: Sequence, at: u64) -> Result<Option<Sequence>, RecordsError> {
        let start = self.lines.partition_point(|(place, _)| *place <= after);
        let late = |place: &Sequence| self.at(*place).is_some_and(|entry| entry.at >= at);
        Ok(self.lines[start..]
            .iter()
            .map(|(place, _)| *place)
            .find(late))
    }

    fn commitment(&mut self, id: &CommitmentId) -> Result<Option<CommitmentRow>, RecordsError> {
        Ok(self.commitments.get(id).cloned())
    }

    fn put_commitment(&mut self, row: &CommitmentRow) -> Result<(), RecordsError> {
        self.commitments.insert(row.id, row.clone());
        Ok(())
    }

    fn ended_claims(
        &mut self,
        before: u64,
        limit: usize,
    ) -> Result<Vec<CommitmentRow>, RecordsError> {
        let rows = self.commitments.values();
        let ended = |row: &&CommitmentRow| row.state == SaleState::Pending && row.expires < before;
        let mut rows: Vec<_> = rows.filter(ended).cloned().collect();
        rows.sort_by_key(|row| (row.expires, row.id));
        rows.truncate(limit);
        Ok(rows)
    }

    fn account(&mut self, agent: &AgentId) -> Result<Option<Account>, RecordsError> {
        Ok(self.accounts.get(agent).cloned())
    }

    fn put_account(&mut self, account: &Account) -> Result<(), RecordsError> {
        self.accounts
            .insert(account.terms.agent.clone(), account.clone());
        Ok(())
    }

    fn accounts(&mut self) -> Result<Vec<Account>, RecordsError> {
        Ok(self.accounts.values().cloned().collect())
    }

    fn nonce_used(&mut self, key: &Hash, now: u64) -> Result<bool, RecordsError> {
        Ok(self.nonces.contains(key, now))
    }

    fn put_nonce(&mut self, key: &Hash, bucket: u64) -> Result<(), RecordsError> {
        self.nonces.insert(*key, bucket);
        Ok(())
    }

    fn nonces(&mut self, now: u64) -> Result<u64, RecordsError> {
        Ok(self.nonces.live(now))
    }

    fn nonce_capacity(&self) -> u64 {
        self.nonce_capacity
    }

    fn drop_nonces(&mut self, now: u64) -> Result<(), RecordsError> {
        self.nonces.drop_ended(now);
        Ok(())
    }

    fn document(&mut self, kind: DocumentKind, id: &str) -> Result<Option<Document>, RecordsError> {
        let named = |document: &&Document| document.kind == kind && document.id == id;
        Ok(self.documents.iter().find(named).cloned())
    }

    fn put_document(&mut self, document: &Document) -> Result<(), RecordsError> {
        self.documents.push(document.clone());
        Ok(())
    }

    fn documents(&mut self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, RecordsError> {
        let asked = |document: &&Document| document.kind == kind && document.at >= since;
        Ok(self.documents.iter().filter(asked).cloned().collect())
    }

    fn closed(&mut self, period: &Period) -> Result<Option<Sequence>, RecordsError> {
        let mut closes = self.checkpoints.iter();
        Ok(closes.find(|(of, _)| of == period).map(|(_, place)| *place))
    }

    fn last_checkpoint(&mut self) -> Result<Option<Sequence>, RecordsError> {
        Ok(self.checkpoints.last().map(|(_, place)| *place))
    }

    fn last_statement(&mut self, agent: &AgentId) -> Result<Option<Statement>, RecordsError> {
        let mut newest = self.statements.iter().rev();
        Ok(newest.find(|statement| statement.agent == *agent).cloned())
    }

    fn statements(&mut self, filter: &StatementFilter) -> Result<Vec<Statement>, RecordsError> {
        let statements = self.statements.iter();
        Ok(statements
            .filter(|statement| filter.admits(statement))
            .cloned()
            .collect())
    }
}

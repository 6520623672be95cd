//! Books in memory: the plainest implementation of [`Records`] and [`Books`], for tests and trials.
//!
//! Nothing survives the process, so no seller should run on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::account::{Account, AccountView, AgentTerms};
use crate::apply::{Command, Outcome, apply};
use crate::books::{Books, BooksError, CheckpointSigner, Claim, CloseOutcome, Ledger, PostOutcome, Reserve};
use crate::closing::{Closing, plan_close};
use crate::document::{Document, DocumentKind};
use crate::exposure::{ExposureTable, Reservation};
use crate::id::{AgentId, CommitmentId, Hash, Sequence};
use crate::journal::Entry;
use crate::period::Period;
use crate::read::{glance, lines, lookup};
use crate::records::Records;
use crate::reserving::{claimed, done, posted, reserve, unexpected};
use crate::sale::{Delivery, DeliveryNote, Recorded, Sale};
use crate::statement::{Line, Statement, StatementFilter};

mod exact;
mod passes;
mod payments;
mod records;

pub use records::MemoryRecords;

/// Books in memory.
#[derive(Debug)]
pub struct MemoryBooks {
    ledger: Ledger,
    records: Mutex<MemoryRecords>,
    table: Arc<ExposureTable>,
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
        let (head, nonces) = (records.head()?.0, records.nonces(now)?);
        let mut table = self.table.lock();
        table.refresh_nonces(head, nonces);
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
        reserve(&self.table, &self.ledger, sale, now, |sale| glance(&mut *self.records(), sale, now))
    }

    async fn claim(&self, reservation: Reservation, now: u64) -> Result<Claim, BooksError> {
        let sale = reservation.sale().clone();
        let command = Command::Claim(&sale);
        claimed(self.run(Some(&sale.agent), Some(reservation), command, now)?, sale.id)
    }

    async fn post(&self, reservation: Reservation, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError> {
        let sale = reservation.sale().clone();
        let command = Command::Post(&sale, &delivery);
        posted(self.run(Some(&sale.agent), Some(reservation), command, now)?)
    }

    async fn post_claim(&self, claim: Claim, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError> {
        let agent = self.agent_of(claim.id());
        let command = Command::PostClaim(claim.id(), &delivery);
        posted(self.run(agent.as_ref(), None, command, now)?)
    }

    async fn void_claim(&self, claim: Claim, now: u64) -> Result<(), BooksError> {
        let agent = self.agent_of(claim.id());
        done(self.run(agent.as_ref(), None, Command::VoidClaim(claim.id()), now)?)
    }

    async fn delivery_note(&self, id: &CommitmentId, note: DeliveryNote, now: u64) -> Result<(), BooksError> {
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

    async fn agent_block(&self, agent: &AgentId, blocked: bool, now: u64) -> Result<(), BooksError> {
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

    async fn document_put(&self, kind: DocumentKind, id: &str, body: Vec<u8>, now: u64) -> Result<Hash, BooksError> {
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

    async fn close(&self, period: Period, now: u64, signer: &dyn CheckpointSigner) -> Result<CloseOutcome, BooksError> {
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

    async fn statement(&self, agent: &AgentId, period: &Period) -> Result<Option<Statement>, BooksError> {
        let filter = StatementFilter { agent: Some(agent.clone()), period: Some(*period) };
        Ok(self.records().statements(&filter)?.into_iter().next())
    }

    async fn statements(&self, filter: StatementFilter) -> Result<Vec<Statement>, BooksError> {
        self.records().statements(&filter)
    }

    async fn lines(&self, statement: &Statement, after: Sequence, limit: usize) -> Result<Vec<Line>, BooksError> {
        lines(&mut *self.records(), statement, after, limit)
    }

    async fn entries(&self, from: Sequence, limit: usize) -> Result<Vec<Entry>, BooksError> {
        self.records().entries(from, limit)
    }

    async fn head(&self) -> Result<(Sequence, Hash), BooksError> {
        self.records().head()
    }
}

//! Records in memory: vectors and maps, searched plainly.

use std::collections::{BTreeMap, HashMap};

use crate::account::Account;
use crate::books::Ledger;
use crate::document::{Document, DocumentKind};
use crate::id::{AgentId, CommitmentId, Hash, PaymentId, Sequence};
use crate::journal::Entry;
use crate::nonce::Nonces;
use crate::pass::PassRecord;
use crate::period::Period;
use crate::records::{BillRow, CommitmentRow, Index, PaymentRow, Records, RecordsError};
use crate::sale::SaleState;
use crate::statement::{Statement, StatementFilter};

/// Records in memory.
#[derive(Debug, Clone)]
pub struct MemoryRecords {
    ledger: Ledger,
    nonce_capacity: u64,
    journal: Vec<Entry>,
    lines: Vec<(Sequence, AgentId)>,
    statements: Vec<Statement>,
    checkpoints: Vec<(Period, Sequence)>,
    pub(super) commitments: HashMap<CommitmentId, CommitmentRow>,
    pub(super) accounts: BTreeMap<AgentId, Account>,
    nonces: Nonces,
    documents: Vec<Document>,
    pub(super) payments: BTreeMap<Sequence, PaymentRow>,
    pub(super) payment_places: HashMap<PaymentId, Sequence>,
    pub(super) bills: Vec<BillRow>,
    pub(super) passes: BTreeMap<Sequence, PassRecord>,
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
            payments: BTreeMap::new(),
            payment_places: HashMap::new(),
            bills: Vec::new(),
            passes: BTreeMap::new(),
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
        Ok(last.map_or((Sequence::ZERO, Hash::ZERO), |entry| (entry.sequence, entry.hash)))
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
        Ok(self.journal.iter().skip(from).take(limit).cloned().collect())
    }

    fn lines(
        &mut self,
        agent: Option<&AgentId>,
        after: Sequence,
        to: Sequence,
        limit: usize,
    ) -> Result<Vec<Entry>, RecordsError> {
        let start = self.lines.partition_point(|(place, _)| *place <= after);
        let lines = self.lines[start..].iter().take_while(|(place, _)| *place <= to);
        let asked = lines.filter(|(_, of)| agent.is_none_or(|agent| agent == of)).take(limit);
        Ok(asked.filter_map(|(place, _)| self.at(*place).cloned()).collect())
    }

    fn first_line(&mut self, after: Sequence, at: u64) -> Result<Option<Sequence>, RecordsError> {
        let start = self.lines.partition_point(|(place, _)| *place <= after);
        let late = |place: &Sequence| self.at(*place).is_some_and(|entry| entry.at >= at);
        Ok(self.lines[start..].iter().map(|(place, _)| *place).find(late))
    }

    fn commitment(&mut self, id: &CommitmentId) -> Result<Option<CommitmentRow>, RecordsError> {
        Ok(self.commitments.get(id).cloned())
    }

    fn put_commitment(&mut self, row: &CommitmentRow) -> Result<(), RecordsError> {
        self.commitments.insert(row.id, row.clone());
        Ok(())
    }

    fn ended_claims(&mut self, before: u64, limit: usize) -> Result<Vec<CommitmentRow>, RecordsError> {
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
        self.accounts.insert(account.terms.agent.clone(), account.clone());
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
        let paid = |statement: &Statement| {
            let mut bills = self.bills.iter();
            bills.find(|bill| bill.statement == statement.sequence).map(|bill| bill.payment.clone())
        };
        let admitted = statements.filter(|statement| filter.admits(statement));
        Ok(admitted.map(|statement| Statement { paid: paid(statement), ..statement.clone() }).collect())
    }
}

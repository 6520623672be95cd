//! The one thread that writes: it takes all that wait into one transaction and one fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tollway_ledger::closing::SignedClose;
use tollway_ledger::{
    Account, AgentId, AgentTerms, BillPayment, BooksError, Command, CommitmentId, Delivery, DeliveryNote, DocumentKind,
    ExactOutcome, ExactSale, ExposureTable, Ledger, Outcome, Pass, PassId, PassUse, PaymentId, Records, Reservation,
    Sequence, apply,
};

use crate::failure::failure;
use crate::records::SqliteRecords;
use crate::schema::limit_pages;

/// Most commands in one transaction.
const BATCH_MAX: usize = 512;
/// So many sales under way, beside those that wait, make it worth to gather.
const SIBLINGS: usize = 8;

/// What the writer is asked to do. Reserves travel with it: who waits may leave.
pub(crate) enum Task {
    Post(Reservation, Delivery),
    Claim(Reservation),
    PostClaim(CommitmentId, Delivery),
    VoidClaim(CommitmentId),
    Note(CommitmentId, DeliveryNote),
    ExpireClaims,
    PutAgent(AgentTerms),
    BlockAgent(AgentId, bool),
    PutDocument(DocumentKind, String, Vec<u8>),
    Close(Box<SignedClose>),
    ExactClaim(Box<ExactSale>),
    ExactOutcome(PaymentId, ExactOutcome),
    PayBill(BillPayment),
    OpenPass(Pass),
    UsePass(PassId, PassUse),
    ReturnPass(PassId, Sequence),
    RevokePass(PassId),
    LimitPages(u32),
}

pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) now: u64,
    pub(crate) reply: oneshot::Sender<Result<Outcome, BooksError>>,
}

/// What the writer has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) postings: AtomicU64,
}

/// What a transaction came to.
struct Committed {
    outcomes: Vec<Outcome>,
    accounts: Vec<Account>,
    head: Sequence,
    nonces: u64,
}

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) ledger: Ledger,
    pub(crate) nonce_capacity: u64,
    pub(crate) table: Arc<ExposureTable>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) gather_wait: Duration,
}

/// Takes what waits already.
fn drain(queue: &mut mpsc::Receiver<Job>, batch: &mut Vec<Job>) {
    while batch.len() < BATCH_MAX {
        match queue.try_recv() {
            Ok(job) => batch.push(job),
            Err(_) => break,
        }
    }
}

impl Writer {
    /// Works until every sender is gone and the queue is empty.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = vec![first];
            drain(&mut queue, &mut batch);
            // Sales that are reserved are about to be posted: a moment's patience lets one fsync carry
            // them all. A sale that is alone never waits.
            if self.table.lock().in_flight() >= batch.len() + SIBLINGS {
                std::thread::sleep(self.gather_wait);
                drain(&mut queue, &mut batch);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Job>) {
        let holders: Vec<AgentId> = batch.iter().filter_map(holder).collect();
        match self.commit(&batch, &holders) {
            Ok(committed) => self.answer(batch, committed, &holders),
            Err(error) => {
                for job in batch {
                    drop(job.task);
                    // Who asked may have left; the answer is then of no use to anyone.
                    let _ = job.reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Everything or nothing of a batch. While the commit is under way, the table knows of it; after
    /// a failed one it is told here, after a made one in [`Writer::answer`].
    fn commit(&mut self, batch: &[Job], holders: &[AgentId]) -> Result<Committed, BooksError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let mut records = SqliteRecords::new(&transaction, &self.ledger, self.nonce_capacity);
        let mut outcomes = Vec::with_capacity(batch.len());
        for job in batch {
            let outcome = match command(&job.task) {
                Some(command) => apply(&mut records, command, job.now)?,
                None => housekeep(&transaction, &job.task)?,
            };
            outcomes.push(outcome);
        }
        let now = batch.iter().map(|job| job.now).max().unwrap_or(0);
        let (head, nonces) = (records.head()?.0, records.nonces(now)?);
        let accounts = records.flush()?;
        self.table.lock().begin_commit(holders.iter());
        if let Err(error) = transaction.commit() {
            self.table.lock().end_commit(holders.iter());
            return Err(failure(error));
        }
        Ok(Committed { outcomes, accounts, head, nonces })
    }

    fn answer(&self, batch: Vec<Job>, committed: Committed, holders: &[AgentId]) {
        let Committed { outcomes, accounts, head, nonces } = committed;
        let postings = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Posted(_)));
        let postings = u64::try_from(postings.count()).unwrap_or(u64::MAX);
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        self.counters.postings.fetch_add(postings, Ordering::Relaxed);
        let mut answers = Vec::with_capacity(batch.len());
        let mut released = Vec::new();
        {
            // One lock for the whole batch: nobody sees a reserve gone and its charge not yet there.
            let mut table = self.table.lock();
            table.end_commit(holders.iter());
            table.refresh_nonces(head, nonces);
            for account in &accounts {
                table.refresh(account);
            }
            for (job, outcome) in batch.into_iter().zip(outcomes) {
                match job.task {
                    Task::Post(reservation, _) | Task::Claim(reservation) => match outcome {
                        Outcome::Posted(_) | Outcome::Claimed(_) => table.settle(reservation),
                        _ => released.push(reservation),
                    },
                    _ => {}
                }
                answers.push((job.reply, outcome));
            }
        }
        // Releasing takes the table's lock, and comes before the answer: who hears "no" may try again.
        drop(released);
        for (reply, outcome) in answers {
            // Who asked may have left; the books keep what was done.
            let _ = reply.send(Ok(outcome));
        }
    }
}

fn command(task: &Task) -> Option<Command<'_>> {
    Some(match task {
        Task::Post(reservation, delivery) => Command::Post(reservation.sale(), delivery),
        Task::Claim(reservation) => Command::Claim(reservation.sale()),
        Task::PostClaim(id, delivery) => Command::PostClaim(id, delivery),
        Task::VoidClaim(id) => Command::VoidClaim(id),
        Task::Note(id, note) => Command::Note(id, *note),
        Task::ExpireClaims => Command::ExpireClaims,
        Task::PutAgent(terms) => Command::PutAgent(terms),
        Task::BlockAgent(agent, blocked) => Command::BlockAgent(agent, *blocked),
        Task::PutDocument(kind, id, body) => Command::PutDocument(*kind, id, body),
        Task::Close(close) => Command::Close(close),
        Task::ExactClaim(sale) => Command::ExactClaim(sale),
        Task::ExactOutcome(id, outcome) => Command::ExactOutcome(id, outcome),
        Task::PayBill(payment) => Command::PayBill(payment),
        Task::OpenPass(pass) => Command::OpenPass(pass),
        Task::UsePass(id, used) => Command::UsePass(id, used),
        Task::ReturnPass(id, taken) => Command::ReturnPass(id, *taken),
        Task::RevokePass(id) => Command::RevokePass(id),
        Task::LimitPages(_) => return None,
    })
}

/// What is no command of the ledger.
fn housekeep(connection: &Connection, task: &Task) -> Result<Outcome, BooksError> {
    if let Task::LimitPages(pages) = task {
        limit_pages(connection, *pages)?;
    }
    Ok(Outcome::Done)
}

fn holder(job: &Job) -> Option<AgentId> {
    match &job.task {
        Task::Post(reservation, _) | Task::Claim(reservation) => Some(reservation.sale().agent.clone()),
        _ => None,
    }
}

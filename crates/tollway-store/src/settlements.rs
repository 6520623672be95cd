//! A facilitator's books in a SQLite file: one writer thread, one fsync for all that wait.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tollway_ledger::{
    Attempt, BooksError, ClaimAnswer, PaymentId, SettlementClaim, SettlementOutcome, SettlementRecord, Settlements,
    SignerAddress, TransactionHash,
};
use tollway_protocol::Network;

mod rows;
mod schema;
mod writer;

use writer::{Done, Job, Task, Writer};

/// How many commands may wait for the writer before callers wait to hand theirs in.
const QUEUE: usize = 4_096;

/// A facilitator's books in one SQLite file.
///
/// Dropping it finishes what was handed in and closes the file.
#[derive(Debug)]
pub struct SqliteSettlements {
    reader: Mutex<Connection>,
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteSettlements {
    /// Opens the books; makes them if there is no file yet. Waits up to `busy_wait` for another
    /// process that is writing.
    ///
    /// # Errors
    ///
    /// [`BooksError::Foreign`] if the file is another program's or a newer version's;
    /// [`BooksError::Locked`] or [`BooksError::Unavailable`] if it cannot be opened durably.
    pub fn open(path: impl AsRef<Path>, busy_wait: Duration) -> Result<Self, BooksError> {
        let connection = schema::open(path.as_ref(), busy_wait)?;
        let reader = crate::schema::open_reader(path.as_ref(), busy_wait)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("settlements-writer".to_owned())
            .spawn(move || Writer { connection }.run(jobs))
            .map_err(|error| BooksError::Unavailable { detail: error.to_string() })?;
        Ok(Self { reader: Mutex::new(reader), queue: Some(queue), thread: Some(thread) })
    }

    async fn run(&self, task: Task, now: u64) -> Result<Done, BooksError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job { task, now, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> BooksError {
    BooksError::Unavailable { detail: "the thread that writes has stopped".to_owned() }
}

impl Drop for SqliteSettlements {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to say; SQLite has rolled its batch back.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Settlements for SqliteSettlements {
    async fn claim(&self, claim: SettlementClaim, now: u64) -> Result<ClaimAnswer, BooksError> {
        claim.check()?;
        match self.run(Task::Claim(Box::new(claim)), now).await? {
            Done::Answered(answer) => Ok(answer),
            Done::Written => Err(stopped()),
        }
    }

    async fn release(&self, id: &PaymentId, now: u64) -> Result<(), BooksError> {
        self.run(Task::Release(*id), now).await.map(drop)
    }

    async fn attempt(&self, attempt: Attempt, now: u64) -> Result<(), BooksError> {
        attempt.check()?;
        self.run(Task::Attempt(Box::new(attempt)), now).await.map(drop)
    }

    async fn outcomes(&self, outcomes: Vec<(PaymentId, SettlementOutcome)>, now: u64) -> Result<(), BooksError> {
        self.run(Task::Outcomes(outcomes), now).await.map(drop)
    }

    async fn close(&self, network: &Network, signer: SignerAddress, nonce: u64, gwei: u64) -> Result<(), BooksError> {
        self.run(Task::Close { network: network.clone(), signer, nonce, gwei }, 0).await.map(drop)
    }

    async fn lookup(&self, id: &PaymentId) -> Result<Option<SettlementRecord>, BooksError> {
        rows::record(&self.reader.lock(), id)
    }

    async fn by_transaction(&self, transaction: &TransactionHash) -> Result<Vec<SettlementRecord>, BooksError> {
        rows::by_transaction(&self.reader.lock(), transaction)
    }

    async fn open(
        &self,
        network: &Network,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<SettlementRecord>, BooksError> {
        rows::open(&self.reader.lock(), network, after, limit)
    }

    async fn attempts(&self, network: &Network, signer: SignerAddress) -> Result<Vec<Attempt>, BooksError> {
        rows::attempts(&self.reader.lock(), network, signer, None)
    }

    async fn spent(&self, network: &Network, day: u64) -> Result<u64, BooksError> {
        rows::spent(&self.reader.lock(), network, day)
    }
}

//! The port of the ledger, over a file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tollway_ledger::closing::{Closing, plan_close};
use tollway_ledger::read::{glance, lines, lookup};
use tollway_ledger::reserving::{claimed, done, posted, reserve, unexpected};
use tollway_ledger::{
    AccountView, AgentId, AgentTerms, Books, BooksError, CheckpointSigner, Claim, CloseOutcome, CommitmentId, Delivery,
    DeliveryNote, Document, DocumentKind, Entry, ExposureTable, Hash, Ledger, Line, Outcome, Period, PostOutcome,
    Recorded, Reservation, Reserve, Sale, Sequence, Statement, StatementFilter,
};
use tollway_protocol::{Asset, Scale};

use crate::options::OpenOptions;
use crate::readers::Readers;
use crate::schema;
use crate::writer::{Counters, Job, Task, Writer};

mod exact;
mod moves;
mod passes;

/// The books of one seller in one SQLite file.
///
/// Dropping it finishes what was handed in and closes the file. If the disk itself fails in the very
/// moment of a commit, the answer is `Unavailable` and only a look-up after reopening tells whether
/// the commit stands; in every other case an error means that nothing was kept.
#[derive(Debug)]
pub struct SqliteBooks {
    ledger: Ledger,
    readers: Arc<Readers>,
    table: Arc<ExposureTable>,
    counters: Arc<Counters>,
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteBooks {
    /// Opens the books of a seller; makes them if there is no file yet.
    ///
    /// # Errors
    ///
    /// [`BooksError::Foreign`] if the file is another program's, another seller's, in another asset
    /// or of a newer version; [`BooksError::Locked`] if another process is writing for longer than
    /// `busy_wait`; [`BooksError::Unavailable`] if it cannot be opened or would not be durable.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, BooksError> {
        let ledger = options.ledger();
        Self::start(path.as_ref(), Some(&ledger), &options)
    }

    /// Opens books that exist, whoever the seller is.
    ///
    /// # Errors
    ///
    /// As [`SqliteBooks::open`]; [`BooksError::Unavailable`] if there is no such file.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, BooksError> {
        let options = OpenOptions::new("", Asset::usd(), Scale::MICRO);
        Self::start(path.as_ref(), None, &options)
    }

    /// How many transactions were committed since opening. One carries every command that waited.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.counters.batches.load(Ordering::Relaxed)
    }

    /// How many sales were charged since opening.
    #[must_use]
    pub fn postings(&self) -> u64 {
        self.counters.postings.load(Ordering::Relaxed)
    }

    /// What is in flight in this process.
    #[must_use]
    pub fn exposure(&self) -> &Arc<ExposureTable> {
        &self.table
    }

    /// Sets the most pages (of 4 KiB) the file may grow to; beyond, the books answer as on a full disk.
    ///
    /// # Errors
    ///
    /// What the writer answers.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), BooksError> {
        done(self.run(Task::LimitPages(pages), 0).await?)
    }

    fn start(path: &Path, ledger: Option<&Ledger>, options: &OpenOptions) -> Result<Self, BooksError> {
        let (connection, ledger) = schema::open(path, ledger, options.busy_wait)?;
        if let Some(pages) = options.max_pages {
            schema::limit_pages(&connection, pages)?;
        }
        let table = ExposureTable::new(options.nonce_capacity);
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            connection,
            ledger: ledger.clone(),
            nonce_capacity: options.nonce_capacity,
            table: Arc::clone(&table),
            counters: Arc::clone(&counters),
            gather_wait: options.gather_wait,
        };
        let (queue, jobs) = mpsc::channel(options.queue.max(1));
        let thread = std::thread::Builder::new()
            .name("books-writer".to_owned())
            .spawn(move || writer.run(jobs))
            .map_err(|error| BooksError::Unavailable { detail: error.to_string() })?;
        let path = path.to_owned();
        let (busy_wait, nonces) = (options.busy_wait, options.nonce_capacity);
        Ok(Self {
            readers: Arc::new(Readers::new(path, busy_wait, ledger.clone(), nonces)),
            ledger,
            table,
            counters,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Plans on a thread of its own: it reads every line of the period.
    async fn plan(&self, period: Period, now: u64) -> Result<Closing, BooksError> {
        let (reply, answer) = oneshot::channel();
        let readers = Arc::clone(&self.readers);
        std::thread::Builder::new()
            .name("books-close".to_owned())
            .spawn(move || {
                // Who asked may have left; a plan changes nothing.
                let _ = reply.send(readers.read(|records| plan_close(records, period, now)));
            })
            .map_err(|error| BooksError::Unavailable { detail: error.to_string() })?;
        answer.await.map_err(|_| stopped())?
    }

    async fn run(&self, task: Task, now: u64) -> Result<Outcome, BooksError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job { task, now, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> BooksError {
    BooksError::Unavailable { detail: "the thread that answers has stopped".to_owned() }
}

impl Drop for SqliteBooks {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to say; SQLite has rolled its batch back.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Books for SqliteBooks {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    async fn lookup(&self, id: &CommitmentId) -> Result<Option<Recorded>, BooksError> {
        self.readers.read(|records| lookup(records, id))
    }

    async fn reserve(&self, sale: Sale, now: u64) -> Result<Reserve, BooksError> {
        reserve(&self.table, &self.ledger, sale, now, |sale| self.readers.read(|records| glance(records, sale, now)))
    }

    async fn claim(&self, reservation: Reservation, now: u64) -> Result<Claim, BooksError> {
        let id = reservation.sale().id;
        claimed(self.run(Task::Claim(reservation), now).await?, id)
    }

    async fn post(&self, reservation: Reservation, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError> {
        posted(self.run(Task::Post(reservation, delivery), now).await?)
    }

    async fn post_claim(&self, claim: Claim, delivery: Delivery, now: u64) -> Result<PostOutcome, BooksError> {
        posted(self.run(Task::PostClaim(*claim.id(), delivery), now).await?)
    }

    async fn void_claim(&self, claim: Claim, now: u64) -> Result<(), BooksError> {
        done(self.run(Task::VoidClaim(*claim.id()), now).await?)
    }

    async fn delivery_note(&self, id: &CommitmentId, note: DeliveryNote, now: u64) -> Result<(), BooksError> {
        done(self.run(Task::Note(*id, note), now).await?)
    }

    async fn expire_claims(&self, now: u64) -> Result<u64, BooksError> {
        let mut ended = 0;
        loop {
            match self.run(Task::ExpireClaims, now).await? {
                Outcome::Expired(0) => return Ok(ended),
                Outcome::Expired(count) => ended += count,
                other => return Err(unexpected(&other)),
            }
        }
    }

    async fn agent_put(&self, terms: AgentTerms, now: u64) -> Result<(), BooksError> {
        done(self.run(Task::PutAgent(terms), now).await?)
    }

    async fn agent_block(&self, agent: &AgentId, blocked: bool, now: u64) -> Result<(), BooksError> {
        done(self.run(Task::BlockAgent(agent.clone(), blocked), now).await?)
    }

    async fn agents(&self, now: u64) -> Result<Vec<AccountView>, BooksError> {
        let accounts = self.readers.read(|records| records.accounts())?;
        let views = accounts.iter().map(|account| {
            let reserved = self.table.reserved(&account.terms.agent);
            account.view(reserved, now)
        });
        Ok(views.collect())
    }

    async fn account(&self, agent: &AgentId, now: u64) -> Result<Option<AccountView>, BooksError> {
        let account = self.readers.read(|records| records.account(agent))?;
        Ok(account.map(|account| account.view(self.table.reserved(agent), now)))
    }

    async fn document_put(&self, kind: DocumentKind, id: &str, body: Vec<u8>, now: u64) -> Result<Hash, BooksError> {
        // Most puts repeat what is there: those need no write.
        let hash = Hash::of(&body);
        let known = self.readers.read(|records| records.document(kind, id))?;
        if known.is_some_and(|document| document.hash == hash) {
            return Ok(hash);
        }
        match self.run(Task::PutDocument(kind, id.to_owned(), body), now).await? {
            Outcome::Kept(hash) => Ok(hash),
            Outcome::Refused(refusal) => Err(refusal.into()),
            other => Err(unexpected(&other)),
        }
    }

    async fn document(&self, kind: DocumentKind, id: &str) -> Result<Option<Document>, BooksError> {
        self.readers.read(|records| records.document(kind, id))
    }

    async fn documents(&self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, BooksError> {
        self.readers.read(|records| records.documents(kind, since))
    }

    async fn close(&self, period: Period, now: u64, signer: &dyn CheckpointSigner) -> Result<CloseOutcome, BooksError> {
        loop {
            let plan = match self.plan(period, now).await? {
                Closing::Already(outcome) => return Ok(*outcome),
                Closing::Planned(plan) => plan,
            };
            let signed = Box::new(plan.sign(signer)?);
            match self.run(Task::Close(signed), now).await? {
                Outcome::Closed(outcome) => return Ok(*outcome),
                Outcome::Stale => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    async fn statement(&self, agent: &AgentId, period: &Period) -> Result<Option<Statement>, BooksError> {
        let filter = StatementFilter { agent: Some(agent.clone()), period: Some(*period) };
        let statements = self.readers.read(|records| records.statements(&filter))?;
        Ok(statements.into_iter().next())
    }

    async fn statements(&self, filter: StatementFilter) -> Result<Vec<Statement>, BooksError> {
        self.readers.read(|records| records.statements(&filter))
    }

    async fn lines(&self, statement: &Statement, after: Sequence, limit: usize) -> Result<Vec<Line>, BooksError> {
        self.readers.read(|records| lines(records, statement, after, limit))
    }

    async fn entries(&self, from: Sequence, limit: usize) -> Result<Vec<Entry>, BooksError> {
        self.readers.read(|records| records.entries(from, limit))
    }

    async fn head(&self) -> Result<(Sequence, Hash), BooksError> {
        self.readers.read(|records| records.head())
    }
}

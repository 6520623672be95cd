//! A process that settles is killed between every two steps; the next one on its books pays once.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::U256;
use async_trait::async_trait;
use tollway_core::clock::SystemClock;
use tollway_devnet::Mining;
use tollway_evm::settle::{SettleConfig, SettlePorts, Settler};
use tollway_ledger::{
    Attempt, BooksError, ClaimAnswer, PaymentId, SettlementClaim, SettlementOutcome, SettlementRecord, Settlements,
    SignerAddress, TransactionHash,
};
use tollway_protocol::Network;

use super::rig::{Stage, config, network, open_books, pay_to, payment, rpc, signers, transaction};

const CHILD: &str = "TOLLWAY_CRASH_SETTLER";
/// Before and after each of claim, attempt, outcome and close.
const STEPS: usize = 8;

pub(super) fn final_at_once() -> SettleConfig {
    SettleConfig { finality: 1, ..config() }
}

/// The test is its own child: started with a place in its environment, it settles until it halts.
#[test]
fn threat_50_killed_between_every_two_steps_it_pays_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Ok(place) = std::env::var(CHILD) {
        runtime.block_on(settle_and_halt(&place));
        return;
    }
    runtime.block_on(async {
        let stage = Stage::new(Mining::Instant);
        for step in 0..=STEPS {
            let word = kill_at(&stage, step);
            assert_eq!(word, if step < STEPS { "halted" } else { "done" });
            let settler = stage.settler(1, final_at_once()).await;
            let order = payment(u64::try_from(step).unwrap());
            transaction(&settler.settle(order).await.unwrap());
            assert_eq!(stage.balance(pay_to()).await, U256::from(1_000 * (step + 1)));
            assert_eq!(stage.books.open(&network(), None, 10).await.unwrap(), []);
            until_closed(&*stage.books, settler.signers()[0].into_array(), || 0).await;
        }
    });
}

/// Starts a child, waits until it halts at a step, and kills it.
fn kill_at(stage: &Stage, step: usize) -> String {
    let place = format!("{} {} {step}", stage.chain.url(), stage.path().display());
    killed("settle::crash::threat_50_killed_between_every_two_steps_it_pays_once", (CHILD, &place))
}

/// Runs a test of this binary as a child until it says a word, and kills it.
pub(super) fn killed(test: &str, (variable, place): (&str, &str)) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let word = lines.filter_map(|line| line.strip_prefix("child ").map(str::to_owned)).next().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    word
}

async fn settle_and_halt(place: &str) {
    let mut place = place.split(' ');
    let (url, path) = (place.next().unwrap(), place.next().unwrap());
    let step: usize = place.next().unwrap().parse().unwrap();
    let books = Arc::new(Halting::at(path, step));
    let ports = SettlePorts { rpc: rpc(url), books: Arc::clone(&books) as _, clock: Arc::new(SystemClock) };
    let settler = Settler::start(network(), ports, signers(1), final_at_once()).await.unwrap();
    transaction(&settler.settle(payment(u64::try_from(step).unwrap())).await.unwrap());
    let signer = settler.signers()[0].into_array();
    until_closed(&*books, signer, || books.closing()).await;
    say("done");
}

pub(super) fn say(word: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("\nchild {word}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// Books that halt before or after a write, for ever.
pub(super) struct Halting {
    books: Arc<tollway_store::SqliteSettlements>,
    left: AtomicUsize,
    /// Closings that are under way.
    closing: AtomicUsize,
}

/// Waits until nothing of a signer is open.
pub(super) async fn until_closed(books: &dyn Settlements, signer: SignerAddress, closing: impl Fn() -> usize) {
    while !books.attempts(&network(), signer).await.unwrap().is_empty() || closing() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Halting {
    /// Books at `path` that halt at the write of this number.
    pub(super) fn at(path: &str, step: usize) -> Self {
        Self { books: open_books(path.into()), left: AtomicUsize::new(step), closing: AtomicUsize::new(0) }
    }

    /// How many closings are under way.
    pub(super) fn closing(&self) -> usize {
        self.closing.load(Ordering::SeqCst)
    }

    async fn step(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            say("halted");
            std::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, write: impl Future<Output = T>) -> T {
        self.step().await;
        let done = write.await;
        self.step().await;
        done
    }
}

#[async_trait]
impl Settlements for Halting {
    async fn claim(&self, claim: SettlementClaim, now: u64) -> Result<ClaimAnswer, BooksError> {
        self.around(self.books.claim(claim, now)).await
    }

    async fn release(&self, id: &PaymentId, now: u64) -> Result<(), BooksError> {
        self.books.release(id, now).await
    }

    async fn attempt(&self, attempt: Attempt, now: u64) -> Result<(), BooksError> {
        self.around(self.books.attempt(attempt, now)).await
    }

    async fn outcomes(&self, outcomes: Vec<(PaymentId, SettlementOutcome)>, now: u64) -> Result<(), BooksError> {
        self.around(self.books.outcomes(outcomes, now)).await
    }

    async fn close(&self, network: &Network, signer: SignerAddress, nonce: u64, gwei: u64) -> Result<(), BooksError> {
        self.closing.fetch_add(1, Ordering::SeqCst);
        let done = self.around(self.books.close(network, signer, nonce, gwei)).await;
        self.closing.fetch_sub(1, Ordering::SeqCst);
        done
    }

    async fn lookup(&self, id: &PaymentId) -> Result<Option<SettlementRecord>, BooksError> {
        self.books.lookup(id).await
    }

    async fn by_transaction(&self, transaction: &TransactionHash) -> Result<Vec<SettlementRecord>, BooksError> {
        self.books.by_transaction(transaction).await
    }

    async fn open(
        &self,
        network: &Network,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<SettlementRecord>, BooksError> {
        self.books.open(network, after, limit).await
    }

    async fn attempts(&self, network: &Network, signer: SignerAddress) -> Result<Vec<Attempt>, BooksError> {
        self.books.attempts(network, signer).await
    }

    async fn spent(&self, network: &Network, day: u64) -> Result<u64, BooksError> {
        self.books.spent(network, day).await
    }
}

//! Settlement that holds (x402 v2, `/settle`): a verified payment is claimed durably, sent once, and
//! its outcome read from the chain, whatever dies in between.
//!
//! An order is claimed in the books, gathered with others (`dispatch`), put into a transaction by
//! one of the signers (`lane`: account nonces, fees, repeats), and decided by the events of the
//! block that took it (`outcome`). Every transaction is written down before it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tollway_core::clock::Clock;
use tollway_ledger::{
    BooksError, ClaimAnswer, PaymentId, SettlementRecord, SettlementState, Settlements, TransactionHash,
};
use tollway_protocol::Network;

use crate::chain::ChainError;
use crate::chain::rpc::Rpc;
use crate::client::Signer;

mod approvals;
mod dispatch;
mod fees;
mod flights;
mod heads;
mod inquiry;
mod lane;
mod order;
mod outcome;
mod recover;
#[cfg(test)]
pub(crate) mod testing;
mod transaction;

pub use fees::{FeePolicy, Quote, TooDear};
pub use order::{Authorization, Order, OwnTransaction, Step, digest};
pub use transaction::OVERHEAD_GAS;

use flights::{Boarding, Flights, Progress};
use heads::Tip;

/// An authorization must hold for so many more seconds when it is sent.
pub const LEAST_LEFT: u64 = 6;

/// The reasons with which settlement fails, in the words of the reference.
pub mod reasons {
    /// It reverted.
    pub const TRANSACTION_FAILED: &str = "invalid_exact_evm_transaction_failed";
    /// It was carried out, and the money did not move as signed.
    pub const TRANSFER_MISMATCH: &str = "invalid_exact_evm_transfer_event_mismatch";
    /// The authorization was used, or is claimed for another payload.
    pub const NONCE_USED: &str = "invalid_exact_evm_nonce_already_used";
    /// It ended before it could be sent.
    pub const EXPIRED: &str = "invalid_exact_evm_payload_authorization_valid_before";
    /// The same of a Permit2 payment.
    pub const PERMIT2_EXPIRED: &str = "permit2_deadline_expired";
    /// The payer's approval was carried out, and Permit2 may not move the amount.
    pub const APPROVAL_FAILED: &str = "erc20_approval_tx_failed";
    /// The payer's approval cannot come into a block.
    pub const APPROVAL_REFUSED: &str = "erc20_approval_broadcast_failed";
    /// With the approval in place it would fail.
    pub const SIMULATION_FAILED: &str = "permit2_simulation_failed";
    /// It was sent and is not decided.
    pub const PENDING: &str = "settlement_pending";
}

/// How settlement works on one network.
#[derive(Debug, Clone)]
pub struct SettleConfig {
    /// Blocks that must stand, the transaction's own included, before an outcome is told.
    pub confirmations: u64,
    /// Blocks after which no outcome is looked at again.
    pub finality: u64,
    /// How long a caller waits for an outcome before it hears that it is pending.
    pub window: Duration,
    /// How long orders are gathered into one transaction, while others are under way.
    pub gather: Duration,
    /// Most orders in one transaction.
    pub batch: usize,
    /// Most gas of one transaction.
    pub batch_gas: u64,
    /// Most undecided transactions of one signer.
    pub in_flight: usize,
    /// Most orders under way.
    pub orders: usize,
    /// After so long without a block that takes it, a transaction is sent again.
    pub resend: Duration,
    /// After so long it is replaced by one that offers more.
    pub bump: Duration,
    /// After so long a used account nonce without a known transaction counts as lost.
    pub lost: Duration,
    /// Shortest time between two looks at the chain.
    pub poll_least: Duration,
    /// Longest time between two looks at the chain.
    pub poll_most: Duration,
    /// What gas may cost.
    pub fees: FeePolicy,
    /// What payers are given to pay for their approvals.
    pub approval_gas: ApprovalGas,
}

/// What payers are given to pay for their own approval transactions; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApprovalGas {
    /// Most wei for one payment.
    pub most: u128,
    /// No payer is given anything on a day (UTC) on which this network has cost so many gwei, fees
    /// included.
    pub daily_gwei: u64,
}

impl Default for SettleConfig {
    /// For a chain with blocks every 2 s: one confirmation, 50 ms of gathering, 100 orders in a
    /// transaction, 30 s until an order is pending.
    fn default() -> Self {
        Self {
            confirmations: 1,
            finality: 12,
            window: Duration::from_secs(30),
            gather: Duration::from_millis(50),
            batch: 100,
            batch_gas: 15_000_000,
            in_flight: 16,
            orders: 10_000,
            resend: Duration::from_secs(6),
            bump: Duration::from_secs(12),
            lost: Duration::from_secs(30),
            poll_least: Duration::from_millis(100),
            poll_most: Duration::from_secs(1),
            fees: FeePolicy::default(),
            approval_gas: ApprovalGas::default(),
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The money has moved.
    Settled {
        /// By this transaction.
        transaction: B256,
        /// In the block of this number.
        block: u64,
    },
    /// It will not settle.
    Failed {
        /// One of [`reasons`].
        reason: String,
        /// The transaction in which it failed, if it came so far.
        transaction: Option<B256>,
    },
    /// It was sent, and is not decided. Ask again with the same payment.
    Pending {
        /// The newest transaction.
        transaction: B256,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// Nothing was sent and nothing will be: too much is under way, or gas costs too much.
    #[error("declined: {detail}")]
    Declined {
        /// For the log.
        detail: String,
    },
    /// It is claimed and could not be sent yet; it will be, while it holds.
    #[error("claimed, and not sent yet")]
    NotSent,
    /// The books cannot be asked or written.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The order cannot be kept.
    #[error("the order cannot be kept: {detail}")]
    Malformed {
        /// For the log.
        detail: String,
    },
}

/// Settles orders on one network. Dropping it stops all work at once; what it was doing is resolved
/// when the next one starts on the same books.
#[derive(Debug)]
pub struct Settler {
    context: Arc<Context>,
    orders: mpsc::Sender<PaymentId>,
    signers: Vec<Address>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

/// What all parts of a settler share.
pub(crate) struct Context {
    pub(crate) rpc: Rpc,
    pub(crate) network: Network,
    pub(crate) books: Arc<dyn Settlements>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: SettleConfig,
    flights: Flights,
    lanes: Vec<LaneState>,
    /// Told when a lane has room again.
    room: Notify,
    /// Told when there is something to look for on the chain.
    wake: Arc<Notify>,
}

/// What others see of a lane.
#[derive(Debug, Default)]
pub(crate) struct LaneState {
    /// Transactions that are not decided, and those that wait to be made.
    load: AtomicUsize,
    /// Transactions that are not final.
    open: AtomicUsize,
    /// Its signer cannot pay fees.
    dry: AtomicBool,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("network", &self.network).finish_non_exhaustive()
    }
}

impl Context {
    fn is_idle(&self) -> bool {
        self.flights.len() == 0 && self.lanes.iter().all(|lane| lane.open.load(Ordering::Relaxed) == 0)
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }
}

/// The ports of a settler: chain, books and clock.
pub struct SettlePorts {
    /// The chain.
    pub rpc: Rpc,
    /// The facilitator's books.
    pub books: Arc<dyn Settlements>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Settler {
    /// Starts: takes up whatever the books hold as undecided, then takes orders.
    ///
    /// # Errors
    /// [`ChainError`] if the chain does not tell the signers' account nonces; it is asked again by
    /// whoever starts again.
    pub async fn start(
        network: Network,
        ports: SettlePorts,
        keys: Vec<Arc<dyn Signer>>,
        config: SettleConfig,
    ) -> Result<Self, StartError> {
        let signers: Vec<_> = keys.iter().map(|key| key.address()).collect();
        let (tips, tip) = watch::channel(Tip::default());
        let wake = Arc::new(Notify::new());
        let context = Arc::new(Context {
            flights: Flights::new(config.orders),
            lanes: keys.iter().map(|_| LaneState::default()).collect(),
            rpc: ports.rpc,
            books: ports.books,
            clock: ports.clock,
            network,
            config,
            room: Notify::new(),
            wake: Arc::clone(&wake),
        });
        let (orders, queue) = mpsc::channel(context.config.orders.max(1).saturating_mul(2));
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::new();
        let mut carried = std::collections::HashSet::new();
        for (index, key) in keys.into_iter().enumerate() {
            let (jobs, work) = mpsc::channel(context.config.in_flight.max(1));
            let mut lane = lane::Lane::open(Arc::clone(&context), index, key, orders.clone()).await?;
            carried.extend(lane.adopted());
            tasks.spawn(lane.run(work, tip.clone()));
            lanes.push(jobs);
        }
        tasks.spawn(heads::run(Arc::clone(&context), tips, wake));
        let approvals = approvals::Approvals::new(Arc::clone(&context), orders.clone(), tip);
        tasks.spawn(dispatch::run(Arc::clone(&context), queue, lanes, approvals));
        let left = recover::orphans(&context, &carried).await?;
        for order in left {
            let id = order.id;
            context.flights.take_up(&Arc::new(order));
            // A queue that is full takes the rest at the next start.
            if orders.try_send(id).is_err() {
                context.flights.forget(&id);
            }
        }
        Ok(Self { context, orders, signers, _tasks: tasks })
    }

    /// The accounts that send transactions.
    #[must_use]
    pub fn signers(&self) -> &[Address] {
        &self.signers
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.context.network
    }

    /// Whether anything could be sent now.
    ///
    /// # Errors
    /// [`SettleError::Declined`] if no signer can pay fees, or as much as may be is under way.
    pub fn ready(&self) -> Result<(), SettleError> {
        let declined = |detail: &str| Err(SettleError::Declined { detail: detail.to_owned() });
        if self.context.lanes.iter().all(|lane| lane.dry.load(Ordering::Relaxed)) {
            return declined("no signer can pay for gas");
        }
        if self.context.flights.len() >= self.context.config.orders {
            return declined("too many payments are under way");
        }
        Ok(())
    }

    /// What is known of a payment, if the same payload was ever claimed here.
    ///
    /// # Errors
    /// [`SettleError::Books`].
    pub async fn known(&self, id: &PaymentId) -> Result<Option<SettlementRecord>, SettleError> {
        Ok(self.context.books.lookup(id).await?)
    }

    /// Payments whose newest transaction is this one.
    ///
    /// # Errors
    /// [`SettleError::Books`].
    pub async fn carried_by(&self, transaction: B256) -> Result<Vec<SettlementRecord>, SettleError> {
        Ok(self.context.books.by_transaction(&transaction.0).await?)
    }

    /// What a decided payment cost in gas, in wei: its share of its transaction.
    pub async fn gas_of(&self, record: &SettlementRecord) -> Option<u128> {
        let transaction = record.state.transaction().filter(|_| record.state.is_final())?;
        let shared = self.context.books.by_transaction(&transaction).await.ok()?.len();
        let receipt = self.context.rpc.receipt(transaction.into()).await.ok()??;
        let wei = receipt.gas_price.saturating_mul(u128::from(receipt.gas_used));
        Some(wei / u128::try_from(shared.max(1)).unwrap_or(1))
    }

    /// Most that a unit of gas may cost in a transaction that is made now, in wei.
    ///
    /// # Errors
    /// [`SettleError::Declined`] if that is more than is paid, or the chain does not tell.
    pub async fn fee_now(&self) -> Result<u128, SettleError> {
        let declined = |detail: String| SettleError::Declined { detail };
        let history = self.context.rpc.fee_history(5, 50).await.map_err(|error| declined(error.to_string()))?;
        let quote = self.context.config.fees.quote(&history).map_err(|dear| declined(dear.to_string()))?;
        Ok(quote.max_fee)
    }

    /// Whether the chain answers.
    ///
    /// # Errors
    /// [`SettleError::Declined`] if it does not.
    pub async fn answers(&self) -> Result<(), SettleError> {
        let head = self.context.rpc.head().await;
        head.map(drop).map_err(|error| SettleError::Declined { detail: error.to_string() })
    }

    /// Settles an order, or says what became of it before. However often and at however many times
    /// at once this is asked with the same payload, the money moves once.
    ///
    /// # Errors
    /// [`SettleError`]: there is no answer; only [`SettleError::Declined`] means that nothing was sent.
    pub async fn settle(&self, order: Order) -> Result<Answer, SettleError> {
        let order = Arc::new(order);
        let progress = match self.context.flights.board(&order) {
            Boarding::Known(progress) => progress,
            Boarding::Conflict => return Ok(conflict()),
            Boarding::Full => return self.without_boarding(&order).await,
            Boarding::New(progress) => match self.claim(&order).await {
                Ok(None) => progress,
                Ok(Some(answer)) => return Ok(answer),
                Err(error) => {
                    self.context.flights.forget(&order.id);
                    return Err(error);
                }
            },
        };
        self.wait(&order, progress).await
    }

    /// Claims a new order and hands it on; the answer, if it was decided before.
    async fn claim(&self, order: &Arc<Order>) -> Result<Option<Answer>, SettleError> {
        let context = &self.context;
        let claim = order.claim().map_err(|error| SettleError::Malformed { detail: error.to_string() })?;
        // In a task of its own: whoever asked may leave, what was claimed is handed on.
        let (books, now) = (Arc::clone(&context.books), context.now());
        let orders = self.orders.clone();
        let shared = Arc::clone(context);
        let id = order.id;
        let claimed = tokio::spawn(async move {
            let answer = books.claim(claim, now).await;
            if matches!(answer, Ok(ClaimAnswer::Claimed)) {
                // The queue holds as many orders as may be under way.
                let _ = orders.try_send(id);
                shared.wake.notify_one();
            } else {
                // Whoever waits for this flight looks into the books.
                shared.flights.forget(&id);
            }
            answer
        });
        let gone = |_| SettleError::Books(BooksError::Unavailable { detail: "the claim was given up".to_owned() });
        match claimed.await.map_err(gone)?? {
            ClaimAnswer::Claimed => Ok(None),
            ClaimAnswer::Conflict => Ok(Some(conflict())),
            ClaimAnswer::Known(record) => answer_of(&record.state).map(Some),
        }
    }

    /// As many orders as may be are under way: what is known is still told.
    async fn without_boarding(&self, order: &Order) -> Result<Answer, SettleError> {
        match self.context.books.lookup(&order.id).await? {
            Some(record) if record.claim.digest == order.digest => answer_of(&record.state),
            Some(_) => Ok(conflict()),
            None => Err(SettleError::Declined { detail: "too many payments are under way".to_owned() }),
        }
    }

    async fn wait(&self, order: &Order, mut progress: watch::Receiver<Progress>) -> Result<Answer, SettleError> {
        let ended = progress.wait_for(|progress| match progress {
            Progress::State(state) => state.is_final(),
            Progress::Declined(_) => true,
        });
        let last = match tokio::time::timeout(self.context.config.window, ended).await {
            Ok(Ok(progress)) => Some(progress.clone()),
            // Taken off the table, or not decided yet: the books know.
            Ok(Err(_)) | Err(_) => None,
        };
        match last {
            Some(Progress::State(state)) => answer_of(&state),
            Some(Progress::Declined(detail)) => Err(SettleError::Declined { detail }),
            None => match self.context.books.lookup(&order.id).await? {
                Some(record) => answer_of(&record.state),
                None => Err(SettleError::Declined { detail: "it was given back".to_owned() }),
            },
        }
    }
}

/// Why a settler does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The books do not answer, or hold what cannot be read.
    #[error(transparent)]
    Books(#[from] BooksError),
}

fn conflict() -> Answer {
    Answer::Failed { reason: reasons::NONCE_USED.to_owned(), transaction: None }
}

fn answer_of(state: &SettlementState) -> Result<Answer, SettleError> {
    let hash = |transaction: &TransactionHash| B256::from(*transaction);
    Ok(match state {
        SettlementState::Claimed => return Err(SettleError::NotSent),
        SettlementState::Broadcast { transaction } | SettlementState::Unknown { transaction } => {
            Answer::Pending { transaction: hash(transaction) }
        }
        SettlementState::Settled { transaction, block } => {
            Answer::Settled { transaction: hash(transaction), block: *block }
        }
        SettlementState::Failed { reason, transaction } => {
            Answer::Failed { reason: reason.clone(), transaction: transaction.as_ref().map(hash) }
        }
    })
}

//! One signer: its account nonces, its transactions until they are final, its place in the pool.
//!
//! A lane is an actor: it does one thing after the other and shares none of its state. Each account
//! nonce it has used is a slot; the attempts of a slot are rivals, of which the chain takes one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::B256;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tollway_ledger::{Attempt, BooksError, PaymentId, SettlementState};

use super::dispatch::Load;
use super::fees::Quote;
use super::flights::Progress;
use super::heads::Tip;
use super::order::Order;
use super::{Context, LaneState, StartError};
use crate::chain::ChainError;
use crate::client::{SignError, Signer};

mod decide;
mod pool;
mod send;

pub(super) struct Lane {
    context: Arc<Context>,
    index: usize,
    key: Arc<dyn Signer>,
    /// Back to the dispatcher.
    orders: mpsc::Sender<PaymentId>,
    /// The account nonce to use next, if none is vacated.
    next: u64,
    /// Account nonces below `next` that nothing of use was sent with.
    vacated: BTreeSet<u64>,
    slots: BTreeMap<u64, Slot>,
    /// What could not be made into a transaction yet.
    backlog: VecDeque<Load>,
    market: Option<Market>,
    tip: Tip,
    adopted: Vec<PaymentId>,
}

/// What was made with one account nonce.
struct Slot {
    attempts: Vec<Attempt>,
    /// When the newest attempt was made.
    made: Instant,
    /// When it was last given to the network.
    given: Instant,
    /// The pool wants a higher offer.
    underpriced: bool,
    /// Its orders have gone elsewhere.
    vacant: bool,
    decided: Option<Decision>,
    /// Since when the chain has used the nonce without a transaction of ours to be seen.
    missing: Option<Instant>,
}

/// The block that decided a slot.
#[derive(Clone, Copy)]
struct Decision {
    transaction: B256,
    block: u64,
    block_hash: B256,
    gwei: u64,
}

/// What gas costs, and how high the chain was when that was asked.
#[derive(Clone, Copy)]
struct Market {
    asked: Instant,
    quote: Quote,
    head: u64,
}

/// Why a lane cannot go on now. Everything stays as it is, and the next look tries again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Slot {
    fn new(attempts: Vec<Attempt>) -> Self {
        let now = Instant::now();
        Self { attempts, made: now, given: now, underpriced: false, vacant: false, decided: None, missing: None }
    }

    /// Whether no earlier attempt carries what the newest does.
    fn newest_is_alone(&self) -> bool {
        let Some((newest, earlier)) = self.attempts.split_last() else { return false };
        !earlier.iter().any(|attempt| attempt.claims.iter().any(|id| newest.claims.contains(id)))
    }

    fn made(&self, transaction: B256) -> bool {
        self.attempts.iter().any(|attempt| attempt.transaction == transaction.0)
    }
}

impl Lane {
    /// A lane as the books and the chain know its signer.
    pub(super) async fn open(
        context: Arc<Context>,
        index: usize,
        key: Arc<dyn Signer>,
        orders: mpsc::Sender<PaymentId>,
    ) -> Result<Self, StartError> {
        let address = key.address();
        let latest = context.rpc.transaction_count(address).await?;
        let pending = context.rpc.pending_count(address).await?;
        let mut slots: BTreeMap<u64, Slot> = BTreeMap::new();
        for attempt in context.books.attempts(&context.network, address.into_array()).await? {
            slots.entry(attempt.nonce).or_insert_with(|| Slot::new(vec![])).attempts.push(attempt);
        }
        let above = slots.last_key_value().map_or(0, |(nonce, _)| nonce.saturating_add(1));
        let next = latest.max(pending).max(above);
        // The pool ends at the first nonce it does not have: from there on, what has no slot is a gap.
        let vacated = (pending.max(latest)..next).filter(|nonce| !slots.contains_key(nonce)).collect();
        let tip = Tip::default();
        let (backlog, market, adopted) = (VecDeque::new(), None, vec![]);
        let mut lane = Self { context, index, key, orders, next, vacated, slots, backlog, market, tip, adopted };
        lane.adopt().await?;
        Ok(lane)
    }

    /// Payments that were under way in its transactions when it was opened.
    pub(super) fn adopted(&mut self) -> Vec<PaymentId> {
        std::mem::take(&mut self.adopted)
    }

    pub(super) async fn run(mut self, mut work: mpsc::Receiver<Load>, mut tips: watch::Receiver<Tip>) {
        loop {
            tokio::select! {
                load = work.recv() => match load {
                    Some(load) => self.send(load).await,
                    None => return,
                },
                changed = tips.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let tip = *tips.borrow_and_update();
                    self.look(tip).await;
                }
            }
            self.state().open.store(self.slots.len() + self.backlog.len(), Ordering::Relaxed);
        }
    }

    /// After a restart: who asks for what was sent before waits for it here.
    async fn adopt(&mut self) -> Result<(), StartError> {
        let nonces: Vec<u64> = self.slots.keys().copied().collect();
        for nonce in nonces {
            let Some(slot) = self.slots.get(&nonce) else { continue };
            let claims: BTreeSet<_> = slot.attempts.iter().flat_map(|attempt| attempt.claims.clone()).collect();
            let mut carries = slot.attempts.iter().any(|attempt| attempt.claims.is_empty());
            for id in claims {
                let Some(record) = self.context.books.lookup(&id).await? else { continue };
                let ours = record.state.transaction().is_some_and(|hash| slot.made(hash.into()));
                carries |= ours;
                if ours && !record.state.is_final() {
                    self.adopted.push(id);
                    let order = Order::of_claim(&record.claim)
                        .map_err(|_| BooksError::Corrupt { detail: format!("the order of payment {id}") })?;
                    self.context.flights.take_up(&Arc::new(order));
                    self.context.flights.tell(&id, Progress::State(record.state));
                }
            }
            if carries {
                self.state().load.fetch_add(1, Ordering::Relaxed);
            } else if let Some(slot) = self.slots.get_mut(&nonce) {
                slot.vacant = true;
                self.vacated.insert(nonce);
            }
        }
        self.state().open.store(self.slots.len(), Ordering::Relaxed);
        if !self.slots.is_empty() {
            self.context.wake.notify_one();
        }
        // What was under way is given to the network again at the first look.
        let long_ago = Instant::now().checked_sub(self.context.config.resend);
        for slot in self.slots.values_mut() {
            slot.given = long_ago.unwrap_or(slot.given);
        }
        Ok(())
    }

    fn state(&self) -> &LaneState {
        &self.context.lanes[self.index]
    }

    /// A transaction less to wait for.
    fn lighten(&self) {
        decrease(&self.state().load);
        self.context.room.notify_one();
    }

    /// The order of a payment, from the table or the books.
    async fn order(&self, id: &PaymentId) -> Result<Option<Arc<Order>>, BooksError> {
        if let Some(order) = self.context.flights.order(id) {
            return Ok(Some(order));
        }
        let Some(record) = self.context.books.lookup(id).await? else {
            return Ok(None);
        };
        let order = Order::of_claim(&record.claim);
        order.map(|order| Some(Arc::new(order))).map_err(|error| BooksError::Corrupt { detail: error.to_string() })
    }

    /// Back to the dispatcher, to go into another transaction.
    fn requeue(&self, order: &Arc<Order>) {
        // Not under way any more, if it was taken up from the books.
        self.context.flights.take_up(order);
        self.context.flights.tell(&order.id, Progress::State(SettlementState::Claimed));
        if self.orders.try_send(order.id).is_err() {
            // As good as a restart: it stays claimed, and is taken up then.
            tracing::error!(payment = %order.id, "the queue of orders is full");
            self.context.flights.forget(&order.id);
        }
    }
}

fn decrease(count: &AtomicUsize) {
    // Never below nothing, whatever is counted twice.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
}

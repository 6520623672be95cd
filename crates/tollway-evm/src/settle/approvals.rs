//! A payer's own approval of Permit2, brought to the chain before the payment that needs it (x402
//! extension `erc20ApprovalGasSponsoring`).
//!
//! Nothing here has a memory: each look asks the chain what is missing, so that a restart goes on
//! wherever the last process stopped. Only the coins a payer is given go through a lane, which
//! writes them down before they are sent.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, U256};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollway_ledger::{BooksError, PaymentId, SettlementOutcome, SettlementState};

use super::flights::{Phase, Progress};
use super::heads::Tip;
use super::inquiry::{self, Found};
use super::order::{Order, OwnTransaction};
use super::{Context, LEAST_LEFT, reasons};
use crate::abi::{PERMIT2, Token};
use crate::chain::rpc::{Broadcast, BroadcastRefusal};
use crate::chain::{Call, CallOutcome, ChainError, ChainReader as _};

use alloy_sol_types::SolCall as _;

/// Gas of reading an allowance.
const READ_GAS: u64 = 100_000;
/// Most approvals that are looked after at once; further ones wait.
const AT_ONCE: usize = 64;

/// Looks after approvals, each in a task of its own.
pub(super) struct Approvals {
    context: Arc<Context>,
    orders: mpsc::Sender<PaymentId>,
    tips: watch::Receiver<Tip>,
    room: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

/// What a look at the chain comes to.
enum Next {
    /// Permit2 may move the amount, and the payment would succeed now.
    Send,
    /// The payer cannot pay for its approval, and is given so much wei.
    Give(u128),
    /// The chain has to go on first.
    Wait,
    /// It is decided.
    Ends(SettlementOutcome),
    /// No account is given coins any more today.
    Declined,
}

/// Why a look came to nothing; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Books(#[from] BooksError),
}

impl Approvals {
    pub(super) fn new(context: Arc<Context>, orders: mpsc::Sender<PaymentId>, tips: watch::Receiver<Tip>) -> Self {
        Self { context, orders, tips, room: Arc::new(Semaphore::new(AT_ONCE)), tasks: JoinSet::new() }
    }

    /// Brings the approval of an order to the chain, and hands the order back then.
    pub(super) fn start(&mut self, order: Arc<Order>) {
        while self.tasks.try_join_next().is_some() {}
        let Some(own) = order.approval.clone() else { return };
        let look = Look { context: Arc::clone(&self.context), order, own, missing: None };
        let (orders, tips, room) = (self.orders.clone(), self.tips.clone(), Arc::clone(&self.room));
        self.tasks.spawn(async move {
            // Never closed while the tasks live.
            let Ok(_place) = room.acquire_owned().await else { return };
            look.run(orders, tips).await;
        });
    }
}

/// One approval that is looked after.
struct Look {
    context: Arc<Context>,
    order: Arc<Order>,
    own: OwnTransaction,
    /// Since when its account nonce is used without it being seen.
    missing: Option<Instant>,
}

impl Look {
    async fn run(mut self, orders: mpsc::Sender<PaymentId>, mut tips: watch::Receiver<Tip>) {
        loop {
            match self.once().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(trouble) => tracing::warn!(payment = %self.order.id, %trouble, "an approval waits"),
            }
            self.context.wake.notify_one();
            if tips.changed().await.is_err() {
                return;
            }
        }
        // Decided orders have left the table: the queue passes over them.
        if self.context.flights.order(&self.order.id).is_some() && orders.try_send(self.order.id).is_err() {
            tracing::error!(payment = %self.order.id, "the queue of orders is full");
            self.context.flights.forget(&self.order.id);
        }
    }

    /// Takes the next step; whether the order goes on from here.
    async fn once(&mut self) -> Result<bool, Trouble> {
        let next = self.next().await?;
        let (flights, id) = (&self.context.flights, self.order.id);
        match next {
            Next::Wait => return Ok(false),
            Next::Send => flights.set_phase(&id, Phase::Ready),
            Next::Give(wei) => flights.set_phase(&id, Phase::Giving(wei)),
            Next::Ends(outcome) => self.conclude(outcome).await?,
            Next::Declined => self.decline().await?,
        }
        Ok(true)
    }

    async fn next(&mut self) -> Result<Next, Trouble> {
        if self.order.valid_before <= self.context.now().saturating_add(LEAST_LEFT) {
            return Ok(failed(reasons::PERMIT2_EXPIRED, None));
        }
        let rpc = &self.context.rpc;
        let receipt = rpc.receipt(self.own.hash).await?;
        let allowed = self.allowance().await? >= U256::from(self.order.amount.get());
        if let Some(receipt) = receipt {
            if !receipt.succeeded {
                return Ok(failed(reasons::APPROVAL_FAILED, Some(self.own.hash)));
            }
            let depth = (rpc.head().await?.number + 1).saturating_sub(receipt.block);
            return match (depth >= self.context.config.confirmations, allowed) {
                (false, _) => Ok(Next::Wait),
                (true, true) => self.try_out().await,
                (true, false) => Ok(failed(reasons::APPROVAL_FAILED, Some(self.own.hash))),
            };
        }
        if allowed { self.try_out().await } else { self.bring().await }
    }

    async fn allowance(&self) -> Result<U256, ChainError> {
        let data = Token::allowanceCall { owner: self.order.payer, spender: PERMIT2 }.abi_encode();
        let call = Call { to: self.order.asset, data: data.into(), gas: READ_GAS };
        match self.context.rpc.calls(vec![call]).await?.as_slice() {
            [CallOutcome::Returned(word)] if word.len() == 32 => Ok(U256::from_be_slice(word)),
            _ => Ok(U256::ZERO),
        }
    }

    /// The payment was verified without its allowance: now it can be tried out before it costs gas.
    async fn try_out(&self) -> Result<Next, Trouble> {
        let (rpc, order) = (&self.context.rpc, &self.order);
        if inquiry::would_succeed(rpc, order).await? {
            return Ok(Next::Send);
        }
        let since = rpc.head().await?.number.saturating_sub(inquiry::RECENT);
        Ok(match inquiry::inquire(rpc, order, since).await? {
            Found::Paid { transaction, block } => {
                Next::Ends(SettlementOutcome::Settled { transaction: transaction.0, block })
            }
            Found::Used => failed(reasons::NONCE_USED, None),
            Found::Unused => failed(reasons::SIMULATION_FAILED, None),
        })
    }

    /// Gives the payer's transaction to the network, however often: only these bytes are ever sent.
    async fn bring(&mut self) -> Result<Next, Trouble> {
        let (rpc, payer) = (&self.context.rpc, self.order.payer);
        // Read before the count: what is missing because the approval was paid from it shows in the count then.
        let owned = rpc.balance(payer).await?;
        if rpc.transaction_count(payer).await? > self.own.account_nonce {
            // Taken by another transaction, unless the node has yet to tell of ours.
            let since = *self.missing.get_or_insert_with(Instant::now);
            return Ok(self.wait_or_fail(since.elapsed(), self.context.config.lost));
        }
        if owned < self.own.cost {
            return self.endow(self.own.cost - owned).await;
        }
        Ok(match rpc.broadcast(&self.own.raw, self.own.hash).await {
            Broadcast::Accepted | Broadcast::Unknown(_) => Next::Wait,
            // The next look tells whose transaction that was, or what is missing.
            Broadcast::Refused(BroadcastRefusal::NonceTooLow | BroadcastRefusal::InsufficientFunds) => Next::Wait,
            Broadcast::Refused(_) => failed(reasons::APPROVAL_REFUSED, None),
        })
    }

    fn wait_or_fail(&self, waited: Duration, most: Duration) -> Next {
        if waited < most { Next::Wait } else { failed(reasons::APPROVAL_REFUSED, None) }
    }

    /// What the payer lacks, if that is given at all, to this payer for the first time, and today still.
    async fn endow(&self, lacking: U256) -> Result<Next, Trouble> {
        let wei = u128::try_from(lacking).unwrap_or(u128::MAX);
        let policy = &self.context.config.approval_gas;
        if wei > policy.most || self.context.flights.was_given(&self.order.id) {
            return Ok(failed(reasons::APPROVAL_REFUSED, None));
        }
        let spent = self.context.books.spent(&self.context.network, self.context.now() / 86_400).await?;
        let after = u128::from(spent).saturating_add(wei.div_ceil(1_000_000_000));
        Ok(if after > u128::from(policy.daily_gwei) { Next::Declined } else { Next::Give(wei) })
    }

    async fn conclude(&self, outcome: SettlementOutcome) -> Result<(), BooksError> {
        let (books, id) = (&self.context.books, self.order.id);
        books.outcomes(vec![(id, outcome)], self.context.now()).await?;
        let state = books.lookup(&id).await?.map(|record| record.state);
        if let Some(state) = state {
            self.context.flights.tell(&id, Progress::State(state));
        }
        Ok(())
    }

    /// Gives the order back; one that was sent for once has failed.
    async fn decline(&self) -> Result<(), BooksError> {
        let id = self.order.id;
        match self.context.books.release(&id, self.context.now()).await {
            Ok(()) => {
                let detail = "no more gas is given to payers today".to_owned();
                self.context.flights.tell(&id, Progress::Declined(detail));
                Ok(())
            }
            Err(BooksError::Refused(_)) => {
                let reason = reasons::APPROVAL_REFUSED.to_owned();
                self.conclude(SettlementOutcome::Failed { reason, transaction: None }).await
            }
            Err(error) => Err(error),
        }
    }
}

fn failed(reason: &str, transaction: Option<B256>) -> Next {
    let transaction = transaction.map(|hash| hash.0);
    Next::Ends(SettlementOutcome::Failed { reason: reason.to_owned(), transaction })
}

/// Whether a claim is still carried by one of these transactions.
pub(super) fn is_carried(state: &SettlementState, made: impl Fn(B256) -> bool) -> bool {
    !state.is_final() && state.transaction().is_some_and(|hash| made(hash.into()))
}

//! Making a transaction of orders: fees, budget, account nonce; written down, then sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use tollway_ledger::{Attempt, BooksError, PaymentId, SettlementOutcome, SettlementState};

use super::super::dispatch::Load;
use super::super::fees::{Quote, TooDear};
use super::super::flights::{Phase, Progress};
use super::super::order::{Authorization, Order};
use super::super::transaction::Content;
use super::super::{LEAST_LEFT, reasons};
use super::{Lane, Market, Slot, Trouble};
use crate::chain::ChainError;
use crate::chain::rpc::{Broadcast, BroadcastRefusal};

/// Why no transaction was made.
enum Hindrance {
    /// For now: chain, books or key do not answer.
    Wait,
    /// The books know better what has become of the orders.
    Known,
    /// Gas costs more than is paid.
    Dear(String),
}

impl<E: Into<Trouble>> From<E> for Hindrance {
    fn from(error: E) -> Self {
        let trouble: Trouble = error.into();
        if matches!(trouble, Trouble::Books(BooksError::Refused(_))) {
            return Self::Known;
        }
        tracing::warn!(%trouble, "no transaction can be made now");
        Self::Wait
    }
}

impl Lane {
    /// Sends orders in one transaction, or keeps them until that is possible.
    pub(super) async fn send(&mut self, load: Load) {
        if let [id] = load.as_slice()
            && let Phase::Giving(wei) = self.context.flights.phase(id)
            && let Some(order) = self.context.flights.order(id)
        {
            return self.endow(order, wei).await;
        }
        let orders: Vec<_> = load.iter().filter_map(|id| self.context.flights.order(id)).collect();
        let latest = self.context.now().saturating_add(LEAST_LEFT);
        let (orders, late): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| order.valid_before > latest);
        self.too_late(&late).await;
        if orders.is_empty() {
            self.lighten();
            return;
        }
        let owned: Vec<Order> = orders.iter().map(|order| (**order).clone()).collect();
        let claims = orders.iter().map(|order| order.id).collect();
        match self.make(Content::of(&owned), claims).await {
            Ok(nonce) => self.give(nonce).await,
            Err(Hindrance::Wait) => self.backlog.push_back(orders.iter().map(|order| order.id).collect()),
            Err(Hindrance::Known) => self.drop_known(&orders).await,
            Err(Hindrance::Dear(detail)) => self.decline(&orders, &detail).await,
        }
    }

    /// Gives a payer the coins for its own approval: written down under its payment, and once.
    async fn endow(&mut self, order: Arc<Order>, wei: u128) {
        match self.make(Content::gift(order.payer, wei), vec![order.id]).await {
            Ok(nonce) => {
                // What comes next is asked of the chain, as soon as this is decided.
                self.context.flights.set_phase(&order.id, Phase::Approving);
                self.give(nonce).await;
            }
            Err(Hindrance::Wait) => self.backlog.push_back(vec![order.id]),
            Err(Hindrance::Known) => self.drop_known(&[order]).await,
            Err(Hindrance::Dear(detail)) => self.decline(&[order], &detail).await,
        }
    }

    /// Tries again what could not be sent.
    pub(super) async fn send_backlog(&mut self) {
        for load in std::mem::take(&mut self.backlog) {
            self.send(load).await;
        }
    }

    /// Gives the newest attempt of a slot to the network.
    pub(super) async fn give(&mut self, nonce: u64) {
        let Some(attempt) = self.slots.get(&nonce).and_then(|slot| slot.attempts.last()) else {
            return;
        };
        let answer = self.context.rpc.broadcast(&attempt.raw, attempt.transaction.into()).await;
        let Some(slot) = self.slots.get_mut(&nonce) else { return };
        slot.given = Instant::now();
        let first = slot.newest_is_alone();
        match answer {
            Broadcast::Accepted => self.state().dry.store(false, Ordering::Relaxed),
            Broadcast::Unknown(error) => {
                tracing::warn!(nonce, %error, "it is not known whether a transaction was taken: sent again later");
            }
            // Ours, or not: the next look at the chain tells.
            Broadcast::Refused(BroadcastRefusal::NonceTooLow) => {}
            Broadcast::Refused(BroadcastRefusal::ReplacementUnderpriced | BroadcastRefusal::Underpriced) => {
                slot.underpriced = true;
            }
            Broadcast::Refused(BroadcastRefusal::InsufficientFunds) => {
                tracing::error!(signer = %self.key.address(), "the signer cannot pay for gas");
                self.state().dry.store(true, Ordering::Relaxed);
                if first {
                    self.vacate(nonce, false).await;
                }
            }
            Broadcast::Refused(BroadcastRefusal::Impossible) if first => self.vacate(nonce, true).await,
            Broadcast::Refused(BroadcastRefusal::Impossible) => {}
        }
        self.context.wake.notify_one();
    }

    /// A transaction with this content as the next attempt of a slot, written down and not sent yet.
    pub(super) async fn attempt(
        &mut self,
        nonce: u64,
        content: &Content,
        fees: Quote,
        claims: Vec<PaymentId>,
    ) -> Result<(), Trouble> {
        let signed = content.sign(&*self.key, self.context.rpc.chain_id(), nonce, fees).await?;
        let attempt = Attempt {
            network: self.context.network.clone(),
            signer: self.key.address().into_array(),
            nonce,
            transaction: signed.hash.0,
            raw: signed.raw,
            max_fee: fees.max_fee,
            tip: fees.tip,
            gas: content.gas,
            value: content.value,
            head: self.market.map_or(self.tip.number, |market| market.head),
            claims,
            at: self.context.now(),
        };
        self.context.books.attempt(attempt.clone(), attempt.at).await?;
        for id in &attempt.claims {
            let state = SettlementState::Broadcast { transaction: attempt.transaction };
            self.context.flights.tell(id, Progress::State(state));
        }
        let slot = self.slots.entry(nonce).or_insert_with(|| Slot::new(vec![]));
        slot.attempts.push(attempt);
        slot.made = Instant::now();
        (slot.vacant, slot.underpriced, slot.decided, slot.missing) = (false, false, None, None);
        Ok(())
    }

    /// What gas costs now.
    pub(super) async fn market(&mut self) -> Result<Result<Market, TooDear>, ChainError> {
        let fresh = |market: &Market| market.asked.elapsed() < self.context.config.poll_most;
        if let Some(market) = self.market.filter(fresh) {
            return Ok(Ok(market));
        }
        let head = self.context.rpc.head().await?.number;
        let history = self.context.rpc.fee_history(5, 50).await?;
        Ok(self.context.config.fees.quote(&history).map(|quote| {
            let market = Market { asked: Instant::now(), quote, head };
            self.market = Some(market);
            market
        }))
    }

    async fn make(&mut self, content: Content, claims: Vec<PaymentId>) -> Result<u64, Hindrance> {
        let market = self.market().await?.map_err(|dear| Hindrance::Dear(dear.to_string()))?;
        let quote = market.quote;
        self.within_budget(&content, quote).await?;
        let nonce = self.vacated.pop_first().unwrap_or(self.next);
        if let Err(error) = self.attempt(nonce, &content, quote, claims).await {
            if nonce < self.next {
                self.vacated.insert(nonce);
            }
            return Err(error.into());
        }
        self.next = self.next.max(nonce + 1);
        Ok(nonce)
    }

    async fn within_budget(&self, content: &Content, quote: Quote) -> Result<(), Hindrance> {
        let Some(budget) = self.context.config.fees.daily_gwei else {
            return Ok(());
        };
        let spent = self.context.books.spent(&self.context.network, self.context.now() / 86_400).await?;
        let most =
            quote.max_fee.saturating_mul(u128::from(content.gas)).saturating_add(content.value).div_ceil(1_000_000_000);
        if u128::from(spent).saturating_add(most) > u128::from(budget) {
            return Err(Hindrance::Dear(format!("the day's budget of {budget} gwei is used up")));
        }
        Ok(())
    }

    /// The books refuse a transaction with these orders: what is decided or carried elsewhere goes,
    /// the others are sent by themselves.
    async fn drop_known(&mut self, orders: &[Arc<Order>]) {
        for order in orders {
            match self.context.books.lookup(&order.id).await {
                Ok(Some(record)) if record.state == SettlementState::Claimed => {
                    self.context.flights.set_alone(&order.id);
                    self.requeue(order);
                }
                Ok(Some(record)) if record.state.is_final() => {
                    self.context.flights.tell(&order.id, Progress::State(record.state));
                }
                Ok(_) => self.context.flights.forget(&order.id),
                Err(_) => self.requeue(order),
            }
        }
        self.lighten();
    }

    /// Gives orders back. One that a transaction has carried before cannot be given back: it waits.
    async fn decline(&mut self, orders: &[Arc<Order>], detail: &str) {
        let mut kept = Vec::new();
        for order in orders {
            match self.context.books.release(&order.id, self.context.now()).await {
                Ok(()) => self.context.flights.tell(&order.id, Progress::Declined(detail.to_owned())),
                Err(_) => kept.push(order.id),
            }
        }
        match kept.is_empty() {
            true => self.lighten(),
            false => self.backlog.push_back(kept),
        }
    }

    /// Orders whose authorization ends before a block could take it.
    async fn too_late(&mut self, orders: &[Arc<Order>]) {
        for order in orders {
            let reason = match order.authorization {
                Authorization::Eip3009(_) => reasons::EXPIRED,
                Authorization::Permit2(_) => reasons::PERMIT2_EXPIRED,
            };
            let outcome = SettlementOutcome::Failed { reason: reason.to_owned(), transaction: None };
            if let Err(error) = self.conclude(vec![(order.id, outcome)], false).await {
                tracing::error!(%error, "the books do not answer");
                self.backlog.push_back(vec![order.id]);
            }
        }
    }

    /// Nobody took the newest attempt of a slot: its orders go elsewhere, its nonce is used again.
    async fn vacate(&mut self, nonce: u64, impossible: bool) {
        let newest = self.slots.get(&nonce).and_then(|slot| slot.attempts.last());
        let Some(ids) = newest.map(|newest| newest.claims.clone()) else { return };
        let (mut outcomes, mut again) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(order) = self.context.flights.order(&id) else { continue };
            if impossible && !self.context.flights.may_share(&id) {
                let reason = reasons::TRANSACTION_FAILED.to_owned();
                outcomes.push((id, SettlementOutcome::Failed { reason, transaction: None }));
            } else {
                outcomes.push((id, SettlementOutcome::Requeued));
                again.push(order);
            }
        }
        if let Err(error) = self.conclude(outcomes, false).await {
            // Left as it is: the next look sends it again.
            tracing::error!(%error, "the books do not answer");
            return;
        }
        for order in again {
            if impossible {
                self.context.flights.set_alone(&order.id);
            }
            self.requeue(&order);
        }
        if let Some(slot) = self.slots.get_mut(&nonce) {
            slot.vacant = true;
        }
        self.vacated.insert(nonce);
        self.lighten();
    }
}

//! Deciding what became of orders, from the block that took their transaction; and again, if that
//! block leaves the chain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::B256;
use tokio::time::Instant;
use tollway_ledger::{Attempt, BooksError, PaymentId, SettlementOutcome, SettlementState};

use super::super::approvals;
use super::super::flights::Progress;
use super::super::inquiry::{self, Found};
use super::super::order::Order;
use super::super::outcome::{self, Reading};
use super::super::reasons;
use super::{Decision, Lane, Trouble};
use crate::chain::rpc::Receipt;

/// What is to be done with an order.
enum Verdict {
    Outcome(SettlementOutcome),
    /// It failed only because of its company.
    Again,
}

impl Lane {
    /// The chain has used an account nonce: by which of our attempts?
    pub(super) async fn resolve(&mut self, nonce: u64) -> Result<(), Trouble> {
        let Some(slot) = self.slots.get_mut(&nonce) else { return Ok(()) };
        if std::mem::take(&mut slot.vacant) {
            // Taken all the same.
            self.vacated.remove(&nonce);
            self.context.lanes[self.index].load.fetch_add(1, Ordering::Relaxed);
        }
        for attempt in slot.attempts.clone().iter().rev() {
            if let Some(receipt) = self.context.rpc.receipt(attempt.transaction.into()).await? {
                let depth = (self.tip.number + 1).saturating_sub(receipt.block);
                if depth >= self.context.config.confirmations {
                    self.decide(nonce, attempt, &receipt).await?;
                }
                return Ok(());
            }
        }
        self.is_missing(nonce).await
    }

    /// A decided slot: its block still stands, or it is looked at anew.
    pub(super) async fn look_again(&mut self, nonce: u64, decision: Decision) -> Result<(), Trouble> {
        let receipt = self.context.rpc.receipt(decision.transaction).await?;
        let stands = receipt.is_some_and(|receipt| receipt.block_hash == decision.block_hash);
        if !stands {
            return self.reopen(nonce, decision).await;
        }
        let depth = (self.tip.number + 1).saturating_sub(decision.block);
        if depth >= self.context.config.finality {
            let (network, signer) = (&self.context.network, self.key.address().into_array());
            self.context.books.close(network, signer, nonce, decision.gwei).await?;
            self.slots.remove(&nonce);
        }
        Ok(())
    }

    /// Writes outcomes down and tells those who wait how their orders stand then. What is decided
    /// stays so, unless `by_chain`: then the chain has decided otherwise, and it is reopened first.
    pub(super) async fn conclude(
        &self,
        outcomes: Vec<(PaymentId, SettlementOutcome)>,
        by_chain: bool,
    ) -> Result<(), BooksError> {
        let (mut steps, mut states) = (Vec::with_capacity(outcomes.len()), Vec::with_capacity(outcomes.len()));
        for (id, outcome) in outcomes {
            let Some(record) = self.context.books.lookup(&id).await? else { continue };
            let reopens = || by_chain && outcome != SettlementOutcome::Unknown;
            let state = match record.state.after(&outcome) {
                Ok(None) => record.state,
                Ok(Some(state)) => {
                    steps.push((id, outcome));
                    state
                }
                Err(_) => match record.state.after(&SettlementOutcome::Reopened) {
                    Ok(Some(reopened)) if reopens() => {
                        let state = reopened.after(&outcome).ok().flatten().unwrap_or(reopened);
                        steps.extend([(id, SettlementOutcome::Reopened), (id, outcome)]);
                        state
                    }
                    _ => record.state,
                },
            };
            states.push((id, state));
        }
        if !steps.is_empty() {
            self.context.books.outcomes(steps, self.context.now()).await?;
        }
        for (id, state) in states {
            self.context.flights.tell(&id, Progress::State(state));
        }
        Ok(())
    }

    async fn decide(&mut self, nonce: u64, attempt: &Attempt, receipt: &Receipt) -> Result<(), Trouble> {
        if attempt.value > 0 {
            return self.decide_gift(nonce, attempt, receipt).await;
        }
        let mut orders = Vec::with_capacity(attempt.claims.len());
        for id in &attempt.claims {
            orders.extend(self.order(id).await?);
        }
        let (mut outcomes, mut again) = (Vec::new(), Vec::new());
        let read: Vec<&Order> = orders.iter().map(AsRef::as_ref).collect();
        for (order, reading) in orders.iter().zip(outcome::read(receipt, &read)) {
            match self.judge(order, reading, attempt, receipt).await? {
                Verdict::Outcome(outcome) => outcomes.push((order.id, outcome)),
                Verdict::Again => again.push(Arc::clone(order)),
            }
        }
        again.extend(self.strays(nonce, attempt).await?);
        outcomes.extend(again.iter().map(|order| (order.id, SettlementOutcome::Requeued)));
        self.conclude(outcomes, true).await?;
        for order in again {
            self.requeue(&order);
            self.context.flights.set_alone(&order.id);
        }
        self.is_decided(nonce, receipt, 0);
        Ok(())
    }

    /// A payer has got coins, or could not: its payment goes on from there, if it still waits for that.
    async fn decide_gift(&mut self, nonce: u64, attempt: &Attempt, receipt: &Receipt) -> Result<(), Trouble> {
        let (mut outcomes, mut again) = (Vec::new(), Vec::new());
        for id in &attempt.claims {
            let Some(record) = self.context.books.lookup(id).await? else { continue };
            let made = |hash| self.slots.get(&nonce).is_some_and(|slot| slot.made(hash));
            if !approvals::is_carried(&record.state, made) {
                continue;
            }
            if receipt.succeeded {
                outcomes.push((*id, SettlementOutcome::Requeued));
                again.extend(self.order(id).await?);
            } else {
                let (reason, transaction) = (reasons::APPROVAL_REFUSED.to_owned(), Some(receipt.transaction.0));
                outcomes.push((*id, SettlementOutcome::Failed { reason, transaction }));
            }
        }
        self.conclude(outcomes, false).await?;
        for order in again {
            self.context.flights.take_up(&order);
            self.context.flights.set_given(&order.id);
            self.requeue(&order);
        }
        self.is_decided(nonce, receipt, attempt.value);
        Ok(())
    }

    /// The slot waits for its block to become final; the transaction gave so much wei away.
    fn is_decided(&mut self, nonce: u64, receipt: &Receipt, value: u128) {
        if let Some(slot) = self.slots.get_mut(&nonce) {
            let transaction = receipt.transaction;
            let given = u64::try_from(value.div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
            let (block, block_hash) = (receipt.block, receipt.block_hash);
            let gwei = receipt.cost_gwei().saturating_add(given);
            slot.decided = Some(Decision { transaction, block, block_hash, gwei });
            slot.missing = None;
        }
        self.lighten();
    }

    async fn judge(
        &self,
        order: &Order,
        reading: Reading,
        attempt: &Attempt,
        receipt: &Receipt,
    ) -> Result<Verdict, Trouble> {
        let failed = |reason: &str| SettlementOutcome::Failed {
            reason: reason.to_owned(),
            transaction: Some(receipt.transaction.0),
        };
        let settled = |transaction: B256, block| SettlementOutcome::Settled { transaction: transaction.0, block };
        let single = attempt.claims.len() == 1;
        let outcome = match reading {
            Reading::Paid => settled(receipt.transaction, receipt.block),
            Reading::Mismatch => failed(reasons::TRANSFER_MISMATCH),
            Reading::Absent => match inquiry::inquire(&self.context.rpc, order, attempt.head).await? {
                Found::Paid { transaction, block } => settled(transaction, block),
                Found::Used if single && receipt.succeeded => failed(reasons::TRANSFER_MISMATCH),
                Found::Used => failed(reasons::NONCE_USED),
                Found::Unused if single && receipt.succeeded => failed(reasons::TRANSFER_MISMATCH),
                Found::Unused if single => failed(reasons::TRANSACTION_FAILED),
                Found::Unused if inquiry::would_succeed(&self.context.rpc, order).await? => return Ok(Verdict::Again),
                Found::Unused => failed(reasons::TRANSACTION_FAILED),
            },
        };
        Ok(Verdict::Outcome(outcome))
    }

    /// Orders of rival attempts that the one that was taken does not carry.
    async fn strays(&self, nonce: u64, taken: &Attempt) -> Result<Vec<Arc<Order>>, BooksError> {
        let Some(slot) = self.slots.get(&nonce) else { return Ok(vec![]) };
        let ids: BTreeSet<PaymentId> = slot.attempts.iter().flat_map(|attempt| attempt.claims.clone()).collect();
        let mut strays = Vec::new();
        for id in ids.into_iter().filter(|id| !taken.claims.contains(id)) {
            let Some(record) = self.context.books.lookup(&id).await? else { continue };
            let here = record.state.transaction().is_some_and(|hash| slot.made(hash.into()));
            if here && !record.state.is_final() {
                strays.extend(self.order(&id).await?);
            }
        }
        Ok(strays)
    }

    /// The nonce is used and none of our attempts is to be seen. After a time they count as lost:
    /// the chain itself is asked about each order.
    async fn is_missing(&mut self, nonce: u64) -> Result<(), Trouble> {
        let Some(slot) = self.slots.get_mut(&nonce) else { return Ok(()) };
        let since = *slot.missing.get_or_insert_with(Instant::now);
        let ids: BTreeSet<PaymentId> = slot.attempts.iter().flat_map(|attempt| attempt.claims.clone()).collect();
        let head = slot.attempts.first().map_or(self.tip.number, |attempt| attempt.head);
        let made: Vec<_> = slot.attempts.iter().map(|attempt| attempt.transaction).collect();
        let here = |state: &SettlementState| state.transaction().is_some_and(|hash| made.contains(&hash));
        let (mut outcomes, mut again) = (Vec::new(), Vec::new());
        let lost = since.elapsed() >= self.context.config.lost;
        for id in ids {
            if !self.context.books.lookup(&id).await?.is_some_and(|record| here(&record.state)) {
                continue;
            }
            if !lost {
                outcomes.push((id, SettlementOutcome::Unknown));
                continue;
            }
            let Some(order) = self.order(&id).await? else { continue };
            let outcome = match inquiry::inquire(&self.context.rpc, &order, head).await? {
                Found::Paid { transaction, block } => SettlementOutcome::Settled { transaction: transaction.0, block },
                Found::Used => SettlementOutcome::Failed { reason: reasons::NONCE_USED.to_owned(), transaction: None },
                Found::Unused => SettlementOutcome::Requeued,
            };
            if matches!(outcome, SettlementOutcome::Requeued) {
                again.push(order);
            }
            outcomes.push((id, outcome));
        }
        self.conclude(outcomes, true).await?;
        if lost {
            for order in again {
                self.requeue(&order);
            }
            self.abandon(nonce).await?;
        }
        Ok(())
    }

    /// A slot whose nonce somebody else used.
    async fn abandon(&mut self, nonce: u64) -> Result<(), Trouble> {
        let (network, signer) = (&self.context.network, self.key.address().into_array());
        self.context.books.close(network, signer, nonce, 0).await?;
        self.slots.remove(&nonce);
        self.lighten();
        Ok(())
    }

    /// The block that decided a slot has left the chain.
    async fn reopen(&mut self, nonce: u64, decision: Decision) -> Result<(), Trouble> {
        let Some(slot) = self.slots.get(&nonce) else { return Ok(()) };
        tracing::warn!(transaction = %decision.transaction, block = decision.block, "a block has left the chain");
        let ids: BTreeSet<PaymentId> = slot.attempts.iter().flat_map(|attempt| attempt.claims.clone()).collect();
        let mut steps = Vec::new();
        for id in ids {
            let record = self.context.books.lookup(&id).await?;
            if record.is_some_and(|record| record.state.transaction() == Some(decision.transaction.0)) {
                steps.push((id, SettlementOutcome::Reopened));
            }
        }
        let reopened: Vec<PaymentId> = steps.iter().map(|(id, _)| *id).collect();
        self.context.books.outcomes(steps, self.context.now()).await?;
        for id in reopened {
            if let Ok(Some(order)) = self.order(&id).await {
                // Who asks from now on waits again.
                self.context.flights.take_up(&order);
                let state = SettlementState::Broadcast { transaction: decision.transaction.0 };
                self.context.flights.tell(&id, Progress::State(state));
            }
        }
        if let Some(slot) = self.slots.get_mut(&nonce) {
            slot.decided = None;
            slot.made = Instant::now();
            slot.given = Instant::now().checked_sub(self.context.config.resend).unwrap_or(slot.given);
        }
        self.state().load.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

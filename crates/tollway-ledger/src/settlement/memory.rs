//! A facilitator's books in memory, for tests and for chains that vanish with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tollway_protocol::{Network, Reason, Refusal};

use super::{
    Attempt, ClaimAnswer, SettlementClaim, SettlementOutcome, SettlementRecord, SettlementState, Settlements,
    SignerAddress, TransactionHash,
};
use crate::books::BooksError;
use crate::id::PaymentId;

/// A facilitator's books in memory. Nothing survives the process: not for money.
#[derive(Debug, Default)]
pub struct MemorySettlements(Mutex<State>);

type Slot = (Network, SignerAddress, u64);

#[derive(Debug, Default)]
struct State {
    /// With whether a transaction ever carried it.
    claims: BTreeMap<PaymentId, (SettlementRecord, bool)>,
    slots: BTreeMap<Slot, Vec<Attempt>>,
    spent: BTreeMap<(Network, u64), u64>,
}

impl MemorySettlements {
    /// Empty books.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Settlements for MemorySettlements {
    async fn claim(&self, claim: SettlementClaim, now: u64) -> Result<ClaimAnswer, BooksError> {
        claim.check()?;
        let mut state = self.state();
        match state.claims.get(&claim.id) {
            Some((record, _)) if record.claim.digest == claim.digest => {
                Ok(ClaimAnswer::Known(Box::new(record.clone())))
            }
            Some(_) => Ok(ClaimAnswer::Conflict),
            None => {
                let id = claim.id;
                let record =
                    SettlementRecord { claim, state: SettlementState::Claimed, claimed_at: now, changed_at: now };
                state.claims.insert(id, (record, false));
                Ok(ClaimAnswer::Claimed)
            }
        }
    }

    async fn release(&self, id: &PaymentId, _now: u64) -> Result<(), BooksError> {
        let mut state = self.state();
        match state.claims.get(id) {
            None => Ok(()),
            Some((record, false)) if record.state == SettlementState::Claimed => {
                state.claims.remove(id);
                Ok(())
            }
            Some(_) => Err(Refusal::from(Reason::InvalidTransactionState).into()),
        }
    }

    async fn attempt(&self, attempt: Attempt, now: u64) -> Result<(), BooksError> {
        attempt.check()?;
        let state = &mut *self.state();
        let slot = (attempt.network.clone(), attempt.signer, attempt.nonce);
        let known = state.slots.get(&slot).map_or(&[][..], Vec::as_slice);
        if known.contains(&attempt) {
            return Ok(());
        }
        let rivals: Vec<_> = known.iter().map(|attempt| attempt.transaction).collect();
        for id in &attempt.claims {
            let (record, _) = state.claims.get(id).ok_or_else(not_found)?;
            attempt.may_carry(&record.state, &rivals)?;
        }
        for id in &attempt.claims {
            if let Some((record, carried)) = state.claims.get_mut(id) {
                record.state = SettlementState::Broadcast { transaction: attempt.transaction };
                record.changed_at = now;
                *carried = true;
            }
        }
        state.slots.entry(slot).or_default().push(attempt);
        Ok(())
    }

    async fn outcomes(&self, outcomes: Vec<(PaymentId, SettlementOutcome)>, now: u64) -> Result<(), BooksError> {
        let mut state = self.state();
        let mut next = BTreeMap::new();
        for (id, outcome) in &outcomes {
            let (record, _) = state.claims.get(id).ok_or_else(not_found)?;
            let before = next.get(id).unwrap_or(&record.state);
            if let Some(after) = before.after(outcome)? {
                next.insert(*id, after);
            }
        }
        for (id, after) in next {
            if let Some((record, _)) = state.claims.get_mut(&id) {
                record.state = after;
                record.changed_at = now;
            }
        }
        Ok(())
    }

    async fn close(&self, network: &Network, signer: SignerAddress, nonce: u64, gwei: u64) -> Result<(), BooksError> {
        let mut state = self.state();
        if let Some(attempts) = state.slots.remove(&(network.clone(), signer, nonce)) {
            let day = attempts.first().map_or(0, |attempt| attempt.at / 86_400);
            let sum = state.spent.entry((network.clone(), day)).or_default();
            *sum = sum.saturating_add(gwei);
        }
        Ok(())
    }

    async fn lookup(&self, id: &PaymentId) -> Result<Option<SettlementRecord>, BooksError> {
        Ok(self.state().claims.get(id).map(|(record, _)| record.clone()))
    }

    async fn by_transaction(&self, transaction: &TransactionHash) -> Result<Vec<SettlementRecord>, BooksError> {
        let state = self.state();
        let of_it = state.claims.values().filter(|(record, _)| record.state.transaction() == Some(*transaction));
        Ok(of_it.map(|(record, _)| record.clone()).collect())
    }

    async fn open(
        &self,
        network: &Network,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<SettlementRecord>, BooksError> {
        let state = self.state();
        let open = state
            .claims
            .iter()
            .filter(|(id, (record, _))| {
                after.is_none_or(|after| **id > after) && record.claim.network == *network && !record.state.is_final()
            })
            .map(|(_, (record, _))| record.clone());
        Ok(open.take(limit).collect())
    }

    async fn attempts(&self, network: &Network, signer: SignerAddress) -> Result<Vec<Attempt>, BooksError> {
        let state = self.state();
        let of_signer = state.slots.iter().filter(|((on, by, _), _)| on == network && *by == signer);
        Ok(of_signer.flat_map(|(_, attempts)| attempts.iter().cloned()).collect())
    }

    async fn spent(&self, network: &Network, day: u64) -> Result<u64, BooksError> {
        let state = self.state();
        let mut sum = state.spent.get(&(network.clone(), day)).copied().unwrap_or(0);
        for ((on, _, _), attempts) in &state.slots {
            if on == network && attempts.first().is_some_and(|first| first.at / 86_400 == day) {
                let most = attempts.iter().map(Attempt::most_gwei).max().unwrap_or(0);
                sum = sum.saturating_add(most);
            }
        }
        Ok(sum)
    }
}

fn not_found() -> BooksError {
    Refusal::from(Reason::NotFound).into()
}

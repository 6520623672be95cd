//! Transactions that wait for a block: in order of nonce for each sender, with geth's rules and geth's words for what
//! is refused.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
};

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, U256};
use thiserror::Error;

use super::world::World;

/// How many transactions wait at most.
pub(crate) const POOL_MAX: usize = 16_384;

/// By how many percent both fees must rise to replace a transaction.
const BUMP: u128 = 10;

/// Why a transaction is not taken; the words are geth's, which programs look for.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Refused {
    #[error("already known")]
    AlreadyKnown,
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("replacement transaction underpriced")]
    Underpriced,
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {overshot}")]
    Funds { balance: U256, cost: U256, overshot: U256 },
    #[error("insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}")]
    QueuedFunds { balance: U256, queued: U256, cost: U256 },
    #[error("txpool is full")]
    Full,
}

#[derive(Clone)]
struct Waiting {
    transaction: Recovered<TxEnvelope>,
    /// The order of arrival.
    arrived: u64,
}

/// What waits.
#[derive(Clone, Default)]
pub(crate) struct Pool {
    senders: HashMap<Address, BTreeMap<u64, Waiting>>,
    hashes: HashMap<B256, (Address, u64)>,
    arrivals: u64,
}

impl Pool {
    /// Takes a transaction in, in place of one with the same nonce when it pays enough more.
    pub(super) fn add(&mut self, transaction: Recovered<TxEnvelope>, world: &World) -> Result<(), Refused> {
        let (sender, nonce, hash) = (transaction.signer(), transaction.nonce(), *transaction.tx_hash());
        if self.hashes.contains_key(&hash) {
            return Err(Refused::AlreadyKnown);
        }
        let next = world.nonce(sender);
        if nonce < next {
            return Err(Refused::NonceTooLow { next, nonce });
        }
        self.check_funds(&transaction, world.balance(sender))?;
        let replaced = self.senders.get(&sender).and_then(|queue| queue.get(&nonce));
        match replaced {
            Some(old) if !outbids(&transaction, &old.transaction) => return Err(Refused::Underpriced),
            Some(old) => {
                self.hashes.remove(old.transaction.tx_hash());
            }
            None if self.hashes.len() >= POOL_MAX => return Err(Refused::Full),
            None => {}
        }
        self.arrivals += 1;
        self.hashes.insert(hash, (sender, nonce));
        let waiting = Waiting { transaction, arrived: self.arrivals };
        self.senders.entry(sender).or_default().insert(nonce, waiting);
        Ok(())
    }

    fn check_funds(&self, transaction: &Recovered<TxEnvelope>, balance: U256) -> Result<(), Refused> {
        let cost = cost(transaction);
        if cost > balance {
            return Err(Refused::Funds { balance, cost, overshot: cost - balance });
        }
        let queue = self.senders.get(&transaction.signer());
        let others = queue.into_iter().flatten().filter(|(nonce, _)| **nonce != transaction.nonce());
        let queued = others.fold(U256::ZERO, |sum, (_, one)| sum.saturating_add(self::cost(&one.transaction)));
        if queued.saturating_add(cost) > balance {
            return Err(Refused::QueuedFunds { balance, queued, cost });
        }
        Ok(())
    }

    pub(crate) fn get(&self, hash: B256) -> Option<&Recovered<TxEnvelope>> {
        let (sender, nonce) = self.hashes.get(&hash)?;
        Some(&self.senders.get(sender)?.get(nonce)?.transaction)
    }

    /// The nonce after all of a sender's transactions that follow each other without a gap.
    pub(crate) fn next_nonce(&self, sender: Address, from: u64) -> u64 {
        let queue = self.senders.get(&sender);
        queue.map_or(from, |queue| {
            from + queue.range(from..).zip(from..).take_while(|((at, _), next)| *at == next).count() as u64
        })
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Forgets all, and says how many.
    pub(super) fn clear(&mut self) -> usize {
        let len = self.len();
        self.senders.clear();
        self.hashes.clear();
        len
    }

    pub(super) fn remove(&mut self, hash: B256) -> Option<Recovered<TxEnvelope>> {
        let (sender, nonce) = self.hashes.remove(&hash)?;
        let queue = self.senders.get_mut(&sender)?;
        let waiting = queue.remove(&nonce);
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
        Some(waiting?.transaction)
    }

    /// Forgets what can never be run: nonces that are used.
    pub(super) fn drop_stale(&mut self, world: &World) {
        let hashes = &mut self.hashes;
        self.senders.retain(|sender, queue| {
            let kept = queue.split_off(&world.nonce(*sender));
            for waiting in std::mem::replace(queue, kept).into_values() {
                hashes.remove(waiting.transaction.tx_hash());
            }
            !queue.is_empty()
        });
    }

    /// What can be run now, best tip first, each sender's in order of nonce; asked for one by one.
    pub(super) fn ready(&self, world: &World, base_fee: u64) -> Ready<'_> {
        let mut ready = Ready { pool: self, heap: BinaryHeap::new(), base_fee };
        for sender in self.senders.keys() {
            ready.offer(*sender, world.nonce(*sender));
        }
        ready
    }
}

/// The transactions that can be run, best first.
pub(super) struct Ready<'a> {
    pool: &'a Pool,
    heap: BinaryHeap<(u128, Reverse<u64>, Address, u64)>,
    base_fee: u64,
}

impl Ready<'_> {
    fn offer(&mut self, sender: Address, nonce: u64) {
        let Some(waiting) = self.pool.senders.get(&sender).and_then(|queue| queue.get(&nonce)) else { return };
        if let Some(tip) = waiting.transaction.effective_tip_per_gas(self.base_fee) {
            self.heap.push((tip, Reverse(waiting.arrived), sender, nonce));
        }
    }

    /// The next one; its sender's next follows only after [`Self::ran`].
    pub(super) fn take(&mut self) -> Option<Recovered<TxEnvelope>> {
        let (_, _, sender, nonce) = self.heap.pop()?;
        Some(self.pool.senders.get(&sender)?.get(&nonce)?.transaction.clone())
    }

    /// Says that a transaction was run, so that its sender's next may be.
    pub(super) fn ran(&mut self, transaction: &Recovered<TxEnvelope>) {
        self.offer(transaction.signer(), transaction.nonce() + 1);
    }
}

/// The most a transaction may take from its sender.
fn cost(transaction: &TxEnvelope) -> U256 {
    let gas = U256::from(transaction.gas_limit()).saturating_mul(U256::from(transaction.max_fee_per_gas()));
    gas.saturating_add(transaction.value())
}

fn outbids(new: &TxEnvelope, old: &TxEnvelope) -> bool {
    let enough = |new: u128, old: u128| new > old && new >= old.saturating_mul(100 + BUMP) / 100;
    let tip =
        |transaction: &TxEnvelope| transaction.max_priority_fee_per_gas().unwrap_or(transaction.max_fee_per_gas());
    enough(new.max_fee_per_gas(), old.max_fee_per_gas()) && enough(tip(new), tip(old))
}

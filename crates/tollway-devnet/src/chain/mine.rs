//! Making blocks, and taking them back.

use alloy_consensus::{
    Header, Receipt, ReceiptEnvelope, TxEnvelope, TxReceipt as _,
    constants::EMPTY_OMMER_ROOT_HASH,
    proofs::{calculate_receipt_root, calculate_transaction_root},
    transaction::Recovered,
};
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
use alloy_primitives::{Bloom, Bytes, keccak256};
use revm::context::result::ResultAndState;

use super::{
    BLOCK_GAS, Chain, Now,
    block::{Ran, seal},
    evm::{self, Failure, Strictness},
    world::{Undo, View},
};
use crate::config::Mining;

/// What becomes of the transactions of blocks that a reorg drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reorged {
    /// They wait again, and go into the next block.
    Return,
    /// They are gone, as if never sent.
    Vanish,
}

/// A block in the making.
#[derive(Default)]
struct Making {
    ran: Vec<Ran>,
    gas_used: u64,
    undo: Undo,
}

impl Chain {
    /// Makes a block of what waits, as much as fits; answers its number.
    pub(crate) fn mine(&mut self) -> u64 {
        let mut header = self.next_header();
        header.timestamp = self.now.time.take(header.timestamp);
        self.next_base_fee = None;
        let made = self.run_ready(&header);
        header.gas_used = made.gas_used;
        header.logs_bloom = made.ran.iter().fold(Bloom::ZERO, |all, one| all | one.receipt.bloom());
        let receipts: Vec<_> = made.ran.iter().map(|one| one.receipt.clone()).collect();
        let transactions: Vec<_> = made.ran.iter().map(|one| one.transaction.inner().clone()).collect();
        header.receipts_root = calculate_receipt_root(&receipts);
        header.transactions_root = calculate_transaction_root(&transactions);
        let number = header.number;
        self.now.blocks.push(seal(header, made.ran, made.undo));
        self.now.pool.drop_stale(&self.now.world);
        number
    }

    /// On an instant chain that is not held: blocks until nothing can be run.
    pub(super) fn mine_if_instant(&mut self) {
        if self.mining != Mining::Instant || self.is_holding {
            return;
        }
        while self.now.pool.ready(&self.now.world, self.next_base_fee()).take().is_some() {
            self.mine();
            if self.head().transactions.is_empty() {
                // What could be run was refused and is gone, or fits no block.
                break;
            }
        }
    }

    /// Drops the newest blocks, at most down to the oldest kept; answers how many were dropped.
    pub(crate) fn reorg(&mut self, depth: usize, transactions: Reorged) -> usize {
        let mut dropped = Vec::new();
        for _ in 0..depth {
            let Some(block) = self.now.blocks.pop() else { break };
            self.now.world.revert(block.undo);
            dropped.push(block.transactions);
        }
        if !dropped.is_empty() {
            self.forks += 1;
        }
        let count = dropped.len();
        if transactions == Reorged::Return {
            for included in dropped.into_iter().rev().flatten() {
                // One that the pool does not want any more (replaced meanwhile) is gone.
                let _ = self.now.pool.add(included.transaction, &self.now.world);
            }
        }
        count
    }

    /// The base fee of the next block.
    pub(crate) fn next_base_fee(&self) -> u64 {
        let head = &self.head().header;
        self.next_base_fee.unwrap_or_else(|| {
            let fee = head.base_fee_per_gas.unwrap_or_default();
            calc_next_block_base_fee(head.gas_used, head.gas_limit, fee, BaseFeeParams::ethereum())
        })
    }

    /// The header of the next block as far as it can be known; it says the earliest time it may have.
    pub(crate) fn next_header(&self) -> Header {
        let head = self.head();
        let number = head.header.number + 1;
        Header {
            parent_hash: head.hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            number,
            gas_limit: BLOCK_GAS,
            timestamp: head.header.timestamp,
            base_fee_per_gas: Some(self.next_base_fee()),
            mix_hash: keccak256(number.to_be_bytes()),
            extra_data: if self.forks == 0 { Bytes::new() } else { self.forks.to_be_bytes().into() },
            ..Header::default()
        }
    }

    fn run_ready(&mut self, header: &Header) -> Making {
        let mut made = Making::default();
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let chain_id = self.chain_id;
        let Now { world, blocks, pool, .. } = &mut self.now;
        let mut done = Vec::new();
        let mut ready = pool.ready(world, base_fee);
        while let Some(transaction) = ready.take() {
            use alloy_consensus::Transaction as _;
            if made.gas_used + transaction.gas_limit() > BLOCK_GAS {
                // It waits for the next block, and its sender's others with it.
                continue;
            }
            let view = View { world, later: None, overridden: None, blocks };
            let outcome =
                evm::run(&view, evm::block_env(header), chain_id, Strictness::Block, evm::signed(&transaction));
            done.push(*transaction.tx_hash());
            match outcome {
                Ok(ran) => {
                    ready.ran(&transaction);
                    let ran = made.take(transaction, base_fee, ran);
                    world.apply(ran, &mut made.undo);
                }
                Err(failure) => refuse(&transaction, &failure),
            }
        }
        for hash in done {
            pool.remove(hash);
        }
        made
    }
}

impl Making {
    /// Writes a transaction down; gives back what it changed.
    fn take(
        &mut self,
        transaction: Recovered<TxEnvelope>,
        base_fee: u64,
        ran: ResultAndState,
    ) -> revm::state::EvmState {
        use alloy_consensus::Transaction as _;
        let gas_used = ran.result.tx_gas_used();
        self.gas_used += gas_used;
        let receipt = Receipt {
            status: ran.result.is_success().into(),
            cumulative_gas_used: self.gas_used,
            logs: ran.result.logs().to_vec(),
        };
        let receipt = ReceiptEnvelope::from_typed(transaction.tx_type(), receipt);
        let price = transaction.effective_gas_price(Some(base_fee));
        let created = ran.result.created_address();
        self.ran.push(Ran { transaction, receipt, gas_used, price, created });
        ran.state
    }
}

/// A transaction that no block can hold any more, such as one whose sender has spent its ether meanwhile.
fn refuse(transaction: &Recovered<TxEnvelope>, failure: &Failure) {
    tracing::debug!(hash = %transaction.tx_hash(), %failure, "a waiting transaction is dropped");
}

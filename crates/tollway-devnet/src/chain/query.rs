//! What the chain is asked for: blocks, transactions, and the state at a block.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::state::StateOverride;

use super::{
    Block, Chain, Included,
    block::Blocks,
    call::Failed,
    pool::Pool,
    world::{Undo, View},
};
use crate::config::Mining;

/// How many blocks back the state can be read, as on a node that is no archive.
const STATE_DEPTH: u64 = 256;

/// How far behind the head the tags `safe` and `finalized` are.
const SAFE_DEPTH: u64 = 32;
const FINALIZED_DEPTH: u64 = 64;

/// A block by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// One that was made.
    Made(u64),
    /// The next one, on the state of the head.
    Pending,
}

impl Chain {
    /// The block that is meant; none when it is not there (any more).
    pub(crate) fn find(&self, id: BlockId) -> Option<At> {
        let head = self.head().header.number;
        let number = match id {
            BlockId::Hash(hash) => self.now.blocks.by_hash(hash.block_hash)?.header.number,
            BlockId::Number(BlockNumberOrTag::Number(number)) => number,
            BlockId::Number(BlockNumberOrTag::Latest) => head,
            BlockId::Number(BlockNumberOrTag::Safe) => head.saturating_sub(SAFE_DEPTH),
            BlockId::Number(BlockNumberOrTag::Finalized) => head.saturating_sub(FINALIZED_DEPTH),
            BlockId::Number(BlockNumberOrTag::Earliest) => 0,
            BlockId::Number(BlockNumberOrTag::Pending) => return Some(At::Pending),
        };
        self.now.blocks.get(number).map(|_| At::Made(number))
    }

    pub(crate) fn blocks(&self) -> &Blocks {
        &self.now.blocks
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.now.pool
    }

    /// A transaction that is in a block.
    pub(crate) fn included(&self, hash: B256) -> Option<(&Block, &Included)> {
        self.now.blocks.transaction(hash)
    }

    /// A transaction that waits.
    pub(crate) fn waiting(&self, hash: B256) -> Option<&Recovered<TxEnvelope>> {
        self.now.pool.get(hash)
    }

    /// What can go into the next block, in the order in which it would.
    pub(crate) fn waiting_in_order(&self) -> Vec<Recovered<TxEnvelope>> {
        let mut ready = self.now.pool.ready(&self.now.world, self.next_base_fee());
        let mut all = Vec::new();
        while let Some(transaction) = ready.take() {
            ready.ran(&transaction);
            all.push(transaction);
        }
        all
    }

    pub(crate) fn balance(&self, address: Address, at: At) -> Result<U256, Failed> {
        Ok(self.view(at, None)?.info(address).map_or(U256::ZERO, |info| info.balance))
    }

    pub(crate) fn code(&self, address: Address, at: At) -> Result<Bytes, Failed> {
        Ok(self.view(at, None)?.code(address))
    }

    pub(crate) fn slot(&self, address: Address, slot: U256, at: At) -> Result<U256, Failed> {
        Ok(self.view(at, None)?.slot(address, slot))
    }

    /// The nonce of an address; for the pending block with what waits counted in.
    pub(crate) fn nonce(&self, address: Address, at: At) -> Result<u64, Failed> {
        let nonce = self.view(at, None)?.info(address).map_or(0, |info| info.nonce);
        Ok(if at == At::Pending { self.now.pool.next_nonce(address, nonce) } else { nonce })
    }

    /// The state as it was at a block.
    pub(super) fn view<'a>(&'a self, at: At, overridden: Option<&'a StateOverride>) -> Result<View<'a>, Failed> {
        let mut view = View { world: &self.now.world, later: None, overridden, blocks: &self.now.blocks };
        if let At::Made(number) = at {
            let behind = self.head().header.number.saturating_sub(number);
            if behind > STATE_DEPTH {
                return Err(Failed::NoState(number));
            }
            if behind > 0 {
                let mut later = Undo::default();
                let after = self.now.blocks.newest_first().take_while(|block| block.header.number > number);
                after.for_each(|block| later.before(&block.undo));
                view.later = Some(later);
            }
        }
        Ok(view)
    }

    /// What time it is for a call on the head. An instant chain makes no blocks while nobody sends, so that its head
    /// may be old; a call sees the time of the block that would be made now.
    pub(super) fn call_time(&self) -> u64 {
        let head = self.head().header.timestamp;
        if self.mining == Mining::Instant { self.now.time.peek(head) } else { head }
    }

    /// The earliest time of the next block.
    pub(crate) fn pending_time(&self) -> u64 {
        self.now.time.peek(self.head().header.timestamp)
    }
}

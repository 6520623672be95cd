//! The chain: state, blocks, waiting transactions and time, behind one lock that is never held across an await.

mod admit;
mod block;
mod call;
mod estimate;
mod evm;
mod logs;
mod mine;
mod pool;
mod query;
mod time;
mod world;

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::{bytecode::Bytecode, state::AccountInfo};

use crate::{
    config::Mining,
    genesis::{Genesis, SUPPLY_SLOT, balance_slot},
};

pub use mine::Reorged;
pub use time::Clock;

pub(crate) use admit::Unfit;
pub(crate) use block::{Block, Included};
pub(crate) use call::{Failed, revert_reason};
pub(crate) use evm::BLOCK_GAS;
pub(crate) use logs::LogsRefused;
pub(crate) use query::At;

use block::Blocks;
use evm::TRANSACTION_GAS;
use pool::Pool;
use time::Time;
use world::{Undo, World};

/// The base fee of the first block: 1 gwei.
pub(crate) const GENESIS_BASE_FEE: u64 = 1_000_000_000;

/// How many snapshots are kept; the oldest go first.
const SNAPSHOTS_MAX: usize = 16;

/// The chain.
pub(crate) struct Chain {
    pub(crate) chain_id: u64,
    mining: Mining,
    is_holding: bool,
    /// Makes blocks after a reorg differ from those before.
    forks: u64,
    /// What the next block's base fee is to be.
    next_base_fee: Option<u64>,
    now: Now,
    snapshots: BTreeMap<u64, Now>,
    snapshots_taken: u64,
}

/// All that a snapshot keeps.
#[derive(Clone)]
struct Now {
    world: World,
    blocks: Blocks,
    pool: Pool,
    time: Time,
}

impl Chain {
    /// A chain that begins at `start` seconds after 1970, by a clock that is read now and then.
    pub(crate) fn new(chain_id: u64, mining: Mining, genesis: &Genesis, clock: Clock, start: u64) -> Self {
        let header = Header {
            gas_limit: BLOCK_GAS,
            timestamp: start,
            base_fee_per_gas: Some(GENESIS_BASE_FEE),
            ..Header::default()
        };
        let mut world = World::default();
        let mut undo = Undo::default();
        for (address, account) in genesis {
            let mut info = AccountInfo::from_balance(account.balance);
            if !account.code.is_empty() {
                info.set_code(Bytecode::new_legacy(account.code.clone()));
            }
            world.set_info(*address, info, &mut undo);
            for (slot, value) in &account.storage {
                world.set_slot(*address, U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0), &mut undo);
            }
        }
        let now = Now { world, blocks: Blocks::new(header), pool: Pool::default(), time: Time::starting(clock, start) };
        Self {
            chain_id,
            mining,
            is_holding: false,
            forks: 0,
            next_base_fee: None,
            now,
            snapshots: BTreeMap::new(),
            snapshots_taken: 0,
        }
    }

    pub(crate) fn head(&self) -> &Block {
        self.now.blocks.head()
    }

    /// Keeps transactions waiting; when released, an instant chain makes a block of what waits.
    pub(crate) fn hold(&mut self, is_holding: bool) {
        self.is_holding = is_holding;
        self.mine_if_instant();
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Forgets what waits, and says how many that were.
    pub(crate) fn drop_pending(&mut self) -> usize {
        self.now.pool.clear()
    }

    /// Forgets one waiting transaction; whether it was there.
    pub(crate) fn drop_transaction(&mut self, hash: B256) -> bool {
        self.now.pool.remove(hash).is_some()
    }

    /// Moves the clock, and says by how much it is ahead in all.
    pub(crate) fn advance_time(&mut self, seconds: u64) -> i64 {
        self.now.time.advance(seconds)
    }

    /// Sets the time of the next block. Refused when its parent is later.
    pub(crate) fn set_next_timestamp(&mut self, timestamp: u64) -> bool {
        let is_later = timestamp >= self.head().header.timestamp;
        if is_later {
            self.now.time.set_next(timestamp);
        }
        is_later
    }

    pub(crate) fn set_next_base_fee(&mut self, fee: u64) {
        self.next_base_fee = Some(fee);
    }

    /// Keeps all as it is, under a number.
    pub(crate) fn snapshot(&mut self) -> u64 {
        self.snapshots_taken += 1;
        self.snapshots.insert(self.snapshots_taken, self.now.clone());
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_first();
        }
        self.snapshots_taken
    }

    /// Goes back to a snapshot, which is used up with those after it; whether it was there.
    pub(crate) fn revert(&mut self, id: u64) -> bool {
        let mut later = self.snapshots.split_off(&id);
        let Some(then) = later.remove(&id) else {
            self.snapshots.append(&mut later);
            return false;
        };
        self.now = then;
        true
    }

    pub(crate) fn set_balance(&mut self, address: Address, balance: U256) {
        self.change(address, |info| info.balance = balance);
    }

    pub(crate) fn add_balance(&mut self, address: Address, wei: U256) {
        self.change(address, |info| info.balance = info.balance.saturating_add(wei));
    }

    pub(crate) fn set_nonce(&mut self, address: Address, nonce: u64) {
        self.change(address, |info| info.nonce = nonce);
    }

    /// Puts code at an address. Refused when it begins like a delegation (EIP-7702) and is none.
    pub(crate) fn set_code(&mut self, address: Address, code: Bytes) -> bool {
        let Ok(code) = Bytecode::new_raw_checked(code) else { return false };
        self.change(address, |info| {
            info.set_code(code);
        });
        true
    }

    pub(crate) fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        let Now { world, blocks, .. } = &mut self.now;
        world.set_slot(address, slot, value, &mut blocks.head_mut().undo);
    }

    /// New money of a token made from test USDC; without a transaction, so that it needs no block.
    pub(crate) fn mint(&mut self, token: Address, to: Address, amount: U256) {
        for slot in [balance_slot(to), SUPPLY_SLOT] {
            let now = self.now.world.slot(token, slot);
            self.set_slot(token, slot, now.saturating_add(amount));
        }
    }

    /// Changes an account by hand. What is done so belongs to the head: a reorg that drops the head takes it back.
    fn change(&mut self, address: Address, change: impl FnOnce(&mut AccountInfo)) {
        let Now { world, blocks, .. } = &mut self.now;
        let mut info = world.info(address).cloned().unwrap_or_default();
        change(&mut info);
        world.set_info(address, info, &mut blocks.head_mut().undo);
    }
}

//! The state of all accounts, what a block changed so that it can be taken back, and views of the state as it was.

use std::{collections::HashMap, convert::Infallible};

use alloy_primitives::{Address, B256, Bytes, U256, map::B256HashMap};
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    state::{Account, AccountInfo, EvmState},
};

use super::block::Blocks;

/// What an account holds. No slot is kept at zero.
#[derive(Clone, Default)]
struct Holding {
    info: AccountInfo,
    storage: HashMap<U256, U256>,
}

/// Every account that is not empty.
#[derive(Clone, Default)]
pub(super) struct World {
    accounts: HashMap<Address, Holding>,
}

/// What was there before a block (or before several): enough to go back.
#[derive(Clone, Default)]
pub(super) struct Undo {
    infos: HashMap<Address, Option<AccountInfo>>,
    slots: HashMap<(Address, U256), U256>,
}

impl Undo {
    /// Goes further back: what an earlier block found is older than what this one did.
    pub(super) fn before(&mut self, earlier: &Self) {
        self.infos.extend(earlier.infos.iter().map(|(address, info)| (*address, info.clone())));
        self.slots.extend(&earlier.slots);
    }
}

impl World {
    pub(super) fn info(&self, address: Address) -> Option<&AccountInfo> {
        Some(&self.accounts.get(&address)?.info)
    }

    pub(super) fn nonce(&self, address: Address) -> u64 {
        self.info(address).map_or(0, |info| info.nonce)
    }

    pub(super) fn balance(&self, address: Address) -> U256 {
        self.info(address).map_or(U256::ZERO, |info| info.balance)
    }

    pub(super) fn slot(&self, address: Address, slot: U256) -> U256 {
        self.accounts.get(&address).and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default()
    }

    pub(super) fn set_slot(&mut self, address: Address, slot: U256, value: U256, undo: &mut Undo) {
        let before = self.slot(address, slot);
        undo.slots.entry((address, slot)).or_insert(before);
        self.put_slot(address, slot, value);
    }

    pub(super) fn set_info(&mut self, address: Address, info: AccountInfo, undo: &mut Undo) {
        let before = self.info(address).cloned();
        undo.infos.entry(address).or_insert(before);
        self.put_info(address, Some(info));
    }

    /// Takes over what a transaction changed.
    pub(super) fn apply(&mut self, state: EvmState, undo: &mut Undo) {
        for (address, account) in state {
            if account.is_touched() {
                self.apply_account(address, account, undo);
            }
        }
    }

    fn apply_account(&mut self, address: Address, account: Account, undo: &mut Undo) {
        if account.is_selfdestructed() {
            let slots: Vec<U256> =
                self.accounts.get(&address).into_iter().flat_map(|one| one.storage.keys()).copied().collect();
            for slot in slots {
                self.set_slot(address, slot, U256::ZERO, undo);
            }
            self.set_info(address, AccountInfo::default(), undo);
            return;
        }
        for (slot, value) in account.changed_storage_slots() {
            self.set_slot(address, *slot, value.present_value, undo);
        }
        if self.info(address) != Some(&account.info) {
            self.set_info(address, account.info, undo);
        }
    }

    /// Goes back to what was.
    pub(super) fn revert(&mut self, undo: Undo) {
        for ((address, slot), value) in undo.slots {
            self.put_slot(address, slot, value);
        }
        for (address, info) in undo.infos {
            self.put_info(address, info);
        }
    }

    fn put_slot(&mut self, address: Address, slot: U256, value: U256) {
        let storage = &mut self.accounts.entry(address).or_default().storage;
        if value.is_zero() {
            storage.remove(&slot);
        } else {
            storage.insert(slot, value);
        }
    }

    fn put_info(&mut self, address: Address, info: Option<AccountInfo>) {
        let account = self.accounts.entry(address).or_default();
        account.info = info.unwrap_or_default();
        if account.info.is_empty() && account.storage.is_empty() {
            self.accounts.remove(&address);
        }
    }
}

/// The state at one block, perhaps with some of it overridden, as the EVM reads it.
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    /// What later blocks found.
    pub(super) later: Option<Undo>,
    pub(super) overridden: Option<&'a StateOverride>,
    /// For the hashes of blocks by number.
    pub(super) blocks: &'a Blocks,
}

impl View<'_> {
    pub(super) fn info(&self, address: Address) -> Option<AccountInfo> {
        let then = self.later.as_ref().and_then(|later| later.infos.get(&address));
        let info = then.map_or_else(|| self.world.info(address).cloned(), Clone::clone);
        match self.overridden.and_then(|all| all.get(&address)) {
            Some(wanted) => Some(overridden(info.unwrap_or_default(), wanted)),
            None => info,
        }
    }

    pub(super) fn code(&self, address: Address) -> Bytes {
        let code = self.info(address).and_then(|info| info.code);
        code.map(|code| code.original_bytes()).unwrap_or_default()
    }

    pub(super) fn slot(&self, address: Address, slot: U256) -> U256 {
        let wanted = self.overridden.and_then(|all| all.get(&address)).and_then(|one| overridden_slot(one, slot));
        let then = || self.later.as_ref().and_then(|later| later.slots.get(&(address, slot))).copied();
        wanted.or_else(then).unwrap_or_else(|| self.world.slot(address, slot))
    }
}

fn overridden(mut info: AccountInfo, wanted: &AccountOverride) -> AccountInfo {
    info.balance = wanted.balance.unwrap_or(info.balance);
    info.nonce = wanted.nonce.unwrap_or(info.nonce);
    if let Some(code) = wanted.code.clone().and_then(|code| Bytecode::new_raw_checked(code).ok()) {
        info.set_code(code);
    }
    info
}

fn overridden_slot(wanted: &AccountOverride, slot: U256) -> Option<U256> {
    let read = |slots: &B256HashMap<B256>| slots.get(&B256::from(slot)).map(|value| U256::from_be_bytes(value.0));
    match (&wanted.state, &wanted.state_diff) {
        // The whole storage is replaced: what is not named is zero.
        (Some(state), _) => Some(read(state).unwrap_or_default()),
        (None, Some(diff)) => read(diff),
        (None, None) => None,
    }
}

impl DatabaseRef for View<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.info(address))
    }

    fn code_by_hash_ref(&self, _: B256) -> Result<Bytecode, Infallible> {
        // Code always travels with its account.
        Ok(Bytecode::default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.slot(address, slot))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.blocks.get(number).map(|block| block.hash).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::Header;

    use super::*;

    #[test]
    fn what_a_block_did_is_taken_back() {
        let (address, slot) = (Address::repeat_byte(1), U256::from(7));
        let mut world = World::default();
        let mut first = Undo::default();
        world.set_info(address, AccountInfo::from_balance(U256::from(5)), &mut first);
        world.set_slot(address, slot, U256::from(1), &mut first);
        let mut second = Undo::default();
        world.set_slot(address, slot, U256::from(2), &mut second);
        world.set_slot(address, slot, U256::from(3), &mut second);
        let blocks = Blocks::new(Header::default());
        let then = View { world: &world, later: Some(second.clone()), overridden: None, blocks: &blocks };
        assert_eq!((then.slot(address, slot), world.slot(address, slot)), (U256::from(1), U256::from(3)));
        world.revert(second);
        assert_eq!(world.slot(address, slot), U256::from(1));
        world.revert(first);
        assert!(world.accounts.is_empty(), "empty accounts are not kept");
    }

    #[test]
    fn a_view_may_be_told_otherwise() {
        let (address, slot) = (Address::repeat_byte(1), U256::from(7));
        let mut world = World::default();
        world.set_slot(address, slot, U256::from(1), &mut Undo::default());
        world.set_slot(address, U256::from(8), U256::from(8), &mut Undo::default());
        let slots: B256HashMap<B256> = [(slot.into(), U256::from(9).into())].into_iter().collect();
        let diff = AccountOverride { state_diff: Some(slots.clone()), ..AccountOverride::default() };
        let whole = AccountOverride { state: Some(slots), ..AccountOverride::default() };
        let read = |wanted| {
            let all: StateOverride = [(address, wanted)].into_iter().collect();
            let view =
                View { world: &world, later: None, overridden: Some(&all), blocks: &Blocks::new(Header::default()) };
            (view.slot(address, slot), view.slot(address, U256::from(8)))
        };
        assert_eq!(read(diff), (U256::from(9), U256::from(8)));
        assert_eq!(read(whole), (U256::from(9), U256::ZERO));
    }
}

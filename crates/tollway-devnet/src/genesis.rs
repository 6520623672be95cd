//! What the chain begins with, as data: another node (anvil, geth) given the same has the same contracts.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde::Serialize;
use tempo_contracts::{Multicall3, Permit2};

use crate::{
    accounts::{TEST_ACCOUNTS, TestAccount},
    addresses::{DELEGATE, EXACT_PROXY, MULTICALL3, PERMIT2, UPTO_PROXY, USDC, WALLET_FACTORY},
    chain::{BLOCK_GAS, GENESIS_BASE_FEE},
    contracts::Contract,
};

/// Ether of each test account, in wei: ten thousand.
pub const TEST_ETHER: U256 = U256::from_limbs([0x19e0_c9ba_b240_0000, 0x21e, 0, 0]);
/// USDC of each test account, in atomic units: a million USDC.
pub const TEST_USDC: U256 = U256::from_limbs([1_000_000_000_000, 0, 0, 0]);

/// The storage slots of test USDC and of every token made from it.
pub(crate) const OWNER_SLOT: U256 = U256::ZERO;
const BALANCES_SLOT: u8 = 1;
pub(crate) const SUPPLY_SLOT: U256 = U256::from_limbs([3, 0, 0, 0]);

/// One account of the genesis state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GenesisAccount {
    /// In wei.
    pub balance: U256,
    /// Its code; empty where it has none.
    #[serde(skip_serializing_if = "no_code")]
    pub code: Bytes,
    /// Its storage, slot by slot.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<B256, B256>,
}

/// The state before the first block, by address.
pub type Genesis = BTreeMap<Address, GenesisAccount>;

/// The contracts, and [`TEST_ACCOUNTS`] with ether and USDC.
#[must_use]
pub fn genesis() -> Genesis {
    let contract = |code: Bytes| GenesisAccount { code, ..GenesisAccount::default() };
    let mut genesis = Genesis::from([
        (PERMIT2, contract(Permit2::DEPLOYED_BYTECODE.clone())),
        (MULTICALL3, contract(Multicall3::DEPLOYED_BYTECODE.clone())),
        (EXACT_PROXY, contract(Contract::ExactProxy.runtime())),
        (UPTO_PROXY, contract(Contract::UptoProxy.runtime())),
        (WALLET_FACTORY, contract(Contract::WalletFactory.runtime())),
        (DELEGATE, contract(Contract::Delegate.runtime())),
    ]);
    let mut usdc = contract(Contract::TestUsdc.runtime());
    usdc.storage.insert(OWNER_SLOT.into(), TestAccount::faucet().address.into_word());
    for index in 0..TEST_ACCOUNTS {
        let address = TestAccount::new(index).address;
        genesis.insert(address, GenesisAccount { balance: TEST_ETHER, ..GenesisAccount::default() });
        usdc.storage.insert(balance_slot(address).into(), TEST_USDC.into());
    }
    usdc.storage.insert(SUPPLY_SLOT.into(), (TEST_USDC * U256::from(TEST_ACCOUNTS)).into());
    genesis.insert(USDC, usdc);
    genesis
}

/// Gives an account USDC from genesis on, in atomic units.
pub fn fund_usdc(genesis: &mut Genesis, account: Address, amount: U256) {
    let Some(usdc) = genesis.get_mut(&USDC) else { return };
    for slot in [balance_slot(account), SUPPLY_SLOT] {
        let value = usdc.storage.entry(slot.into()).or_default();
        *value = U256::from_be_bytes(value.0).saturating_add(amount).into();
    }
}

/// The same in the form that nodes read: `anvil --init FILE`, `geth init FILE`.
#[must_use]
pub fn genesis_file(chain_id: u64, start: u64, genesis: &Genesis) -> serde_json::Value {
    let hex = |number: u64| format!("{number:#x}");
    serde_json::json!({
        "config": { "chainId": chain_id },
        "timestamp": hex(start),
        "gasLimit": hex(BLOCK_GAS),
        "baseFeePerGas": hex(GENESIS_BASE_FEE),
        "difficulty": "0x0",
        "alloc": genesis,
    })
}

/// Where a token made from test USDC keeps an account's balance.
#[must_use]
pub fn balance_slot(account: Address) -> U256 {
    let mut key = [0; 64];
    key[12..32].copy_from_slice(account.as_slice());
    key[63] = BALANCES_SLOT;
    keccak256(key).into()
}

fn no_code(code: &Bytes) -> bool {
    code.is_empty()
}

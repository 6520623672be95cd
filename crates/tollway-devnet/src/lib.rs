//! An EVM chain in this process, by ordinary JSON-RPC, with test money and the contracts of x402.
//! For tests and the playground; it never holds value.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use tollway_devnet::{Devnet, DevnetConfig, TestAccount};
//! let chain = Devnet::start(DevnetConfig::default())?;
//! let payer = TestAccount::new(1);
//! println!("{} has USDC on chain {} at {}", payer.address, chain.chain_id(), chain.url());
//! # Ok(()) }
//! ```

pub use alloy_primitives;

mod accounts;
mod addresses;
mod chain;
mod config;
mod contracts;
mod devnet;
mod faults;
mod genesis;
mod rpc;

pub use accounts::{SEED, TEST_ACCOUNTS, TestAccount};
pub use addresses::{DELEGATE, EXACT_PROXY, MULTICALL3, PERMIT2, UPTO_PROXY, USDC, WALLET_FACTORY};
pub use chain::{Clock, Reorged};
pub use config::{DevnetConfig, Mining, system_clock};
pub use contracts::Contract;
pub use devnet::Devnet;
pub use faults::{FAULTS_MAX, Fault};
pub use genesis::{Genesis, GenesisAccount, TEST_ETHER, TEST_USDC, balance_slot, fund_usdc, genesis, genesis_file};

//! Payments on EVM chains: the `exact` scheme of x402 for buyers, sellers and facilitators, and
//! settlement that holds.
//!
//! Promise: what [`signature`] accepts, the chain accepts; nothing is believed that was not proved,
//! and a chain that cannot be asked is never a "no".
//!
//! Refusal: this crate holds no HTTP server and no database, reads no clock, and makes no randomness.

mod abi;
pub mod asset;
pub mod chain;
pub mod client;
pub mod evidence;
pub mod facilitator;
pub mod gas_sponsoring;
pub mod payload;
pub mod reason;
pub mod seller;
pub mod settle;
pub mod signature;
pub mod typed_data;
pub mod verify;

pub use abi::{EXACT_PROXY, MULTICALL3, PERMIT2};
pub use alloy_primitives::Address;

//! Where the contracts stand: at the addresses they have on every network, the money at that of USDC on Base Sepolia.

use alloy_primitives::{Address, address};

/// Test money that answers as USDC does: 6 decimals, EIP-712 name `USDC`, version `2`.
pub const USDC: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
/// Permit2.
pub const PERMIT2: Address = address!("0x000000000022D473030F116dDEE9F6B43aC78BA3");
/// Multicall3.
pub const MULTICALL3: Address = address!("0xcA11bde05977b3631167028862bE2a173976CA11");
/// The spender of `exact` payments by Permit2.
pub const EXACT_PROXY: Address = address!("0x402085c248EeA27D92E8b30b2C58ed07f9E20001");
/// The spender of `upto` payments by Permit2.
pub const UPTO_PROXY: Address = address!("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");
/// Makes ERC-1271 wallets at addresses known beforehand. An address of our own.
pub const WALLET_FACTORY: Address = address!("0x7011aAAa00000000000000000000000000001271");
/// What a key may delegate to (EIP-7702) so that its account answers by ERC-1271. An address of our own.
pub const DELEGATE: Address = address!("0x7011aaaA00000000000000000000000000007702");

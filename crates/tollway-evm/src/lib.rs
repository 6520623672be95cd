//! Payments on EVM chains: the `exact` scheme of x402 for buyers, sellers and facilitators, and
//! settlement that holds.

pub mod chain;
pub mod settle;

//! The chain as programs meet it: over real sockets, by JSON-RPC.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod blocks;
mod bounds;
mod calls;
mod faults;
mod money;
mod pool;
mod proxies;
mod rig;
mod wallets;

//! Verification against a real chain, over its RPC: every way to sign, and every diagnosis.

mod permits;
mod scene;
mod tokens;
mod wallets;

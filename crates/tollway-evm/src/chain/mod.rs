//! What is asked of an EVM chain, and the client that asks it.

use alloy_primitives::{Address, Bytes};
use async_trait::async_trait;

pub mod rpc;

/// What a verifier asks of a chain. Answers come from one block.
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// Runs calls together at the latest block; each has its own outcome. At most 256.
    async fn calls(&self, calls: Vec<Call>) -> Result<Vec<CallOutcome>, ChainError>;
    /// The code at an address, empty if there is none.
    async fn code(&self, address: Address) -> Result<Bytes, ChainError>;
}

/// A call that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The contract that is called.
    pub to: Address,
    /// Selector and arguments.
    pub data: Bytes,
    /// Most gas it may use.
    pub gas: u64,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned this.
    Returned(Bytes),
    /// It reverted, with this data.
    Reverted(Bytes),
}

/// Why a chain gave no answer, or a refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No connection, or the endpoint is too busy.
    #[error("the chain cannot be reached: {detail}")]
    Unreachable {
        /// For the log.
        detail: String,
    },
    /// No answer in the window.
    #[error("the chain did not answer in time")]
    Timeout,
    /// An answer that cannot be used.
    #[error("the chain's answer cannot be used: {detail}")]
    Malformed {
        /// For the log.
        detail: String,
    },
    /// The endpoint refuses.
    #[error("the chain refuses ({code}): {message}")]
    Rejected {
        /// JSON-RPC error code.
        code: i64,
        /// As the endpoint worded it.
        message: String,
        /// What a revert returned.
        data: Option<Bytes>,
    },
}

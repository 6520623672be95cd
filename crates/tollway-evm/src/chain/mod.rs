//! What this crate asks of a chain. Verification asks through [`ChainReader`] and nothing else.

use alloy_primitives::{Address, Bytes, U256};
use async_trait::async_trait;

use crate::gas_sponsoring::AccountState;

pub mod rpc;

/// What a verifier asks of a chain. Answers come from one block.
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// Runs calls together at the latest block; each has its own outcome. At most 256.
    async fn calls(&self, calls: Vec<Call>) -> Result<Vec<CallOutcome>, ChainError>;
    /// The code at an address; empty where there is none.
    async fn code(&self, address: Address) -> Result<Bytes, ChainError>;
    /// What an account is at, for a transaction of its own; `None` from a reader that cannot say.
    async fn account(&self, _address: Address) -> Result<Option<AccountState>, ChainError> {
        Ok(None)
    }
    /// Whether an account's own transaction would be taken; `None` from a reader that cannot say.
    async fn standing(&self, _address: Address) -> Result<Option<Standing>, ChainError> {
        Ok(None)
    }
}

/// What decides whether a chain takes an account's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The account nonce that its next transaction needs.
    pub nonce: u64,
    /// Wei it owns.
    pub coins: U256,
    /// Wei that the next block takes for a unit of gas, at least.
    pub base_fee: u128,
}

/// One call that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The contract.
    pub to: Address,
    /// Selector and arguments.
    pub data: Bytes,
    /// How much gas it may burn.
    pub gas: u64,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned these bytes. An address without code returns none.
    Returned(Bytes),
    /// It reverted with these bytes, or ran out of its gas.
    Reverted(Bytes),
}

/// Why there was no answer. None of these says anything about a payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The node could not be reached.
    #[error("the node cannot be reached: {detail}")]
    Unreachable {
        /// For the log.
        detail: String,
    },
    /// It did not answer within its window.
    #[error("the node did not answer in time")]
    Timeout,
    /// It answered with something that is no answer.
    #[error("the node's answer cannot be read: {detail}")]
    Malformed {
        /// For the log.
        detail: String,
    },
    /// It answered with an error of its own.
    #[error("the node refused: {message} ({code})")]
    Rejected {
        /// The JSON-RPC code.
        code: i64,
        /// The node's words, for the log.
        message: String,
        /// What the node attached, such as revert data.
        data: Option<Bytes>,
    },
}

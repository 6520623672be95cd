//! What settlement reads of a chain.

use alloy_primitives::{Address, B256, U64, U256};
use serde_json::{Value, json};

use super::answer::{self, FeeHistory, Head, Log, Receipt};
use super::{ChainError, Rpc};

/// Which events are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// The contract that emitted them.
    pub address: Address,
    /// Their first topics; none stands for any.
    pub topics: Vec<Option<B256>>,
    /// First block.
    pub from: u64,
    /// Last block; none is the newest.
    pub to: Option<u64>,
}

impl Rpc {
    /// The newest block.
    ///
    /// # Errors
    /// [`ChainError`] if no endpoint answers; so with every method here.
    pub async fn head(&self) -> Result<Head, ChainError> {
        Head::from_value(self.request("eth_getBlockByNumber", json!(["latest", false])).await?)
    }

    /// The hash of the block at a height, if there is one.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn block_hash(&self, number: u64) -> Result<Option<B256>, ChainError> {
        let value = self.request("eth_getBlockByNumber", json!([U64::from(number), false])).await?;
        if value.is_null() { Ok(None) } else { Ok(Some(Head::from_value(value)?.hash)) }
    }

    /// How many transactions of an account are in the chain: the next account nonce.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn transaction_count(&self, account: Address) -> Result<u64, ChainError> {
        self.count(account, "latest").await
    }

    /// The same, those that wait in the pool included.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn pending_count(&self, account: Address) -> Result<u64, ChainError> {
        self.count(account, "pending").await
    }

    /// What became of a transaction; `None` while it is in no block.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, ChainError> {
        let receipt = Receipt::from_value(self.request("eth_getTransactionReceipt", json!([transaction])).await?)?;
        if receipt.as_ref().is_some_and(|receipt| receipt.transaction != transaction) {
            return Err(ChainError::Malformed { detail: "the receipt of another transaction".to_owned() });
        }
        Ok(receipt)
    }

    /// Events.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn logs(&self, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let to = filter.to.map_or(Value::from("latest"), |to| json!(U64::from(to)));
        let filter = json!({"address": filter.address, "topics": filter.topics, "fromBlock": U64::from(filter.from),
            "toBlock": to});
        let logs: Vec<Log> = answer::from_value(self.request("eth_getLogs", json!([filter])).await?)?;
        Ok(logs.into_iter().filter(|log| !log.removed).collect())
    }

    /// The fees of the last `blocks` blocks, with the tips at a percentile.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn fee_history(&self, blocks: u64, percentile: u8) -> Result<FeeHistory, ChainError> {
        let params = json!([U64::from(blocks), "latest", [percentile]]);
        FeeHistory::from_value(self.request("eth_feeHistory", params).await?)
    }

    /// What an account owns of the chain's own asset, in wei.
    ///
    /// # Errors
    /// As [`Rpc::head`].
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        answer::from_value(self.request("eth_getBalance", json!([account, "latest"])).await?)
    }

    async fn count(&self, account: Address, block: &str) -> Result<u64, ChainError> {
        let count: U64 = answer::from_value(self.request("eth_getTransactionCount", json!([account, block])).await?)?;
        Ok(count.to())
    }
}

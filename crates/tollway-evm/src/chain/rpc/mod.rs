//! JSON-RPC to one network over several endpoints (Ethereum execution API).
//!
//! Whatever only reads may be asked of any endpoint. A signed transaction may be given to several:
//! the same bytes are the same transaction everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, Bytes};
use async_trait::async_trait;
use futures_util::future;
use serde_json::Value;

use super::{Call, CallOutcome, ChainError, ChainReader, Standing};
use crate::gas_sponsoring::AccountState;
use crate::settle::FeePolicy;

mod answer;
mod broadcast;
mod codes;
mod endpoint;
mod gather;
mod multicall;
mod read;

pub use answer::{FeeHistory, Head, Log, Receipt};
pub use broadcast::{Broadcast, BroadcastRefusal};
pub(crate) use multicall::encode as multicall_data;
pub use read::LogFilter;

use codes::Codes;
use endpoint::Endpoint;
use gather::Gathering;

/// Blocks whose fees a payer's own transaction goes by, and which of their tips.
const FEE_BLOCKS: u64 = 5;
const FEE_PERCENTILE: u8 = 50;

/// How one network is asked.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// The chain that every endpoint must say it serves.
    pub chain_id: u64,
    /// URLs in order of preference.
    pub endpoints: Vec<String>,
    /// How long one call may take.
    pub window: Duration,
    /// Longest answer that is read, in bytes.
    pub answer_max: usize,
    /// Most calls a second to one endpoint; none is no limit.
    pub rate: Option<u32>,
    /// Longest that a call waits for its turn under `rate`.
    pub rate_wait: Duration,
    /// Most calls to one endpoint at once.
    pub concurrency: usize,
    /// How long calls are gathered into one, while others are under way.
    pub gather: Duration,
    /// Most gas of one `eth_call`.
    pub call_gas: u64,
}

/// A client of one network. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rpc(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: RpcConfig,
    endpoints: Vec<Endpoint>,
    gathering: Gathering,
    codes: Codes,
    requests: AtomicU64,
}

impl RpcConfig {
    /// Ten seconds a call, 8 MiB an answer, no rate limit, 32 calls at once, gathered for 2 ms.
    #[must_use]
    pub fn new(chain_id: u64, endpoints: Vec<String>) -> Self {
        Self {
            chain_id,
            endpoints,
            window: Duration::from_secs(10),
            answer_max: 8 * 1_024 * 1_024,
            rate: None,
            rate_wait: Duration::from_secs(2),
            concurrency: 32,
            gather: Duration::from_millis(2),
            call_gas: 15_000_000,
        }
    }
}

impl Rpc {
    /// A client that has not asked anything yet. Each endpoint is asked for its chain before its
    /// first use, and never used if it serves another.
    ///
    /// # Errors
    /// [`ChainError::Malformed`] if a URL is none, or there is no endpoint.
    pub fn new(config: RpcConfig) -> Result<Self, ChainError> {
        let endpoints = config.endpoints.iter().map(|url| Endpoint::new(url, &config));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(ChainError::Malformed { detail: "no endpoint is configured".to_owned() });
        }
        let (gathering, codes) = (Gathering::default(), Codes::default());
        Ok(Self(Arc::new(Shared { config, endpoints, gathering, codes, requests: AtomicU64::new(0) })))
    }

    /// The chain.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.0.config.chain_id
    }

    /// How many requests were sent to endpoints so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Asks every endpoint which chain it serves.
    ///
    /// # Errors
    /// [`ChainError::Malformed`] if one serves another chain; the last error if none answers.
    pub async fn check(&self) -> Result<(), ChainError> {
        let mut answered = false;
        let mut last = ChainError::Timeout;
        for endpoint in &self.0.endpoints {
            match endpoint.check_chain().await {
                Ok(()) => answered = true,
                Err(error @ ChainError::Malformed { .. }) => return Err(error),
                Err(error) => last = error,
            }
        }
        if answered { Ok(()) } else { Err(last) }
    }

    /// Asks the endpoints one after the other until one answers; a refusal that any other would
    /// repeat is an answer too.
    async fn request(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        let mut last = ChainError::Timeout;
        for endpoint in self.in_order() {
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            match endpoint.request(method, &params).await {
                Ok(value) => return Ok(value),
                Err(error) if is_verdict(&error) => return Err(error),
                Err(error) => {
                    tracing::debug!(endpoint = endpoint.name(), method, %error, "an endpoint gave no answer");
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// Several requests of one kind in one message. What an endpoint does not answer that way is asked
    /// for by itself.
    async fn requests_of(&self, method: &str, params: Vec<Value>) -> Vec<Result<Value, ChainError>> {
        let batch = match params.as_slice() {
            [] | [_] => None,
            several => {
                let endpoint = self.in_order().next();
                self.0.requests.fetch_add(1, Ordering::Relaxed);
                match endpoint {
                    Some(endpoint) => endpoint.batch(method, several).await.ok(),
                    None => None,
                }
            }
        };
        let mut answers = batch.unwrap_or_default().into_iter();
        let each = params.into_iter().map(|params| {
            let answer = answers.next();
            async move {
                match answer {
                    Some(Ok(value)) => Ok(value),
                    Some(Err(error)) if is_verdict(&error) => Err(error),
                    Some(Err(_)) | None => self.request(method, params).await,
                }
            }
        });
        future::join_all(each.collect::<Vec<_>>()).await
    }

    /// Healthy endpoints first, each group in order of preference.
    fn in_order(&self) -> impl Iterator<Item = &Endpoint> {
        let endpoints = &self.0.endpoints;
        let (well, ill): (Vec<_>, Vec<_>) = endpoints.iter().partition(|endpoint| endpoint.is_well());
        well.into_iter().chain(ill)
    }
}

/// Whether every endpoint would say the same: the call reverted, or was wrong.
fn is_verdict(error: &ChainError) -> bool {
    match error {
        ChainError::Rejected { code, message, data } => {
            let reverted = *code == 3 || data.is_some() || message.contains("revert");
            reverted || *code == -32_602 || message.contains("out of gas")
        }
        _ => false,
    }
}

#[async_trait]
impl ChainReader for Rpc {
    async fn calls(&self, calls: Vec<Call>) -> Result<Vec<CallOutcome>, ChainError> {
        self.gathered(calls).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.gathered_code(address).await
    }

    async fn account(&self, address: Address) -> Result<Option<AccountState>, ChainError> {
        let nonce = self.pending_count(address).await?;
        let history = self.fee_history(FEE_BLOCKS, FEE_PERCENTILE).await?;
        // The payer's own coins pay for it: a node that names a mad price gets the usual one offered.
        let quote = FeePolicy::default().quote(&history).ok();
        let state = quote.map(|quote| AccountState { nonce, max_fee: quote.max_fee, max_tip: quote.tip });
        Ok(Some(state.unwrap_or_else(|| AccountState::at(nonce))))
    }

    async fn standing(&self, address: Address) -> Result<Option<Standing>, ChainError> {
        let (nonce, coins, fees) = future::try_join3(
            self.transaction_count(address),
            self.balance(address),
            self.fee_history(FEE_BLOCKS, FEE_PERCENTILE),
        )
        .await?;
        Ok(Some(Standing { nonce, coins, base_fee: fees.next_base_fee }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revert_is_an_answer_and_a_busy_endpoint_is_none() {
        let rejected = |code, message: &str, data| ChainError::Rejected { code, message: message.into(), data };
        assert!(is_verdict(&rejected(3, "execution reverted", Some(Bytes::new()))));
        assert!(is_verdict(&rejected(-32_000, "execution reverted", None)));
        assert!(is_verdict(&rejected(-32_602, "invalid argument", None)));
        assert!(!is_verdict(&rejected(-32_005, "limit exceeded", None)));
        assert!(!is_verdict(&rejected(-32_603, "internal error", None)));
        assert!(!is_verdict(&ChainError::Timeout));
    }

    #[test]
    fn a_network_without_endpoints_is_refused() {
        assert!(Rpc::new(RpcConfig::new(1, vec![])).is_err());
        assert!(Rpc::new(RpcConfig::new(1, vec!["not a url".into()])).is_err());
        assert!(Rpc::new(RpcConfig::new(1, vec!["file:///etc/passwd".into()])).is_err());
    }
}

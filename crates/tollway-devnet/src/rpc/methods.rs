//! Which method does what.

use serde::Serialize;
use serde_json::Value;

use super::{Node, dev, error::RpcError, eth, fees, params::Params};

/// The methods that may take a while: they run code, make blocks or look at many.
const LONG: [&str; 11] = [
    "anvil_mine",
    "eth_call",
    "eth_estimateGas",
    "eth_getLogs",
    "eth_sendRawTransaction",
    "evm_mine",
    "evm_revert",
    "evm_setAutomine",
    "evm_snapshot",
    "hardhat_mine",
    "eth_getBlockReceipts",
];

/// Whether a method should not be run where connections are served.
pub(super) fn is_long(method: &str) -> bool {
    LONG.contains(&method)
}

/// Runs a method.
pub(super) fn run(node: &Node, method: &str, params: &Params) -> Result<Value, RpcError> {
    let chain = &node.chain;
    match method {
        "eth_chainId" => json(format!("{:#x}", chain.read().chain_id)),
        "net_version" => json(chain.read().chain_id.to_string()),
        "net_listening" => json(true),
        "eth_syncing" => json(false),
        "web3_clientVersion" => json(concat!("tollway-devnet/", env!("CARGO_PKG_VERSION"))),
        // The node signs nothing: keys stay with those who use it.
        "eth_accounts" => json([(); 0]),
        "eth_blockNumber" => json(format!("{:#x}", chain.read().head().header.number)),
        "eth_getBlockByNumber" | "eth_getBlockByHash" => json(eth::block(&chain.read(), params)?),
        "eth_getBlockReceipts" => json(eth::block_receipts(&chain.read(), params)?),
        "eth_getBalance" => json(eth::balance(&chain.read(), params)?),
        "eth_getCode" => json(eth::code(&chain.read(), params)?),
        "eth_getStorageAt" => json(eth::slot(&chain.read(), params)?),
        "eth_getTransactionCount" => json(eth::nonce(&chain.read(), params)?),
        "eth_call" => json(eth::call(&chain.read(), params)?),
        "eth_estimateGas" => json(eth::estimate(&chain.read(), params)?),
        "eth_gasPrice" => json(format!("{:#x}", fees::gas_price(&chain.read()))),
        "eth_maxPriorityFeePerGas" => json(format!("{:#x}", fees::TIP)),
        "eth_feeHistory" => json(fees::history(&chain.read(), params)?),
        "eth_sendRawTransaction" => json(chain.write().send(&params.get::<alloy_primitives::Bytes>(0)?)?),
        "eth_getTransactionByHash" => json(eth::transaction(&chain.read(), params)?),
        "eth_getTransactionReceipt" => json(eth::receipt(&chain.read(), params)?),
        "eth_getLogs" => json(chain.read().logs(&params.get(0)?)?),
        _ => dev::run(node, method, params),
    }
}

/// A value as JSON.
pub(super) fn json(value: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::internal(error.to_string()))
}

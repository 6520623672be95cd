//! The methods that only nodes for development have, under the names that Hardhat and anvil gave them.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

use super::{Node, error::RpcError, methods::json, params::Params};
use crate::chain::Chain;

/// How many blocks one request may make.
const MINE_MAX: u64 = 1_000;

/// Runs one of them.
pub(super) fn run(node: &Node, method: &str, params: &Params) -> Result<Value, RpcError> {
    if let Some(name) = method.strip_prefix("anvil_").or_else(|| method.strip_prefix("hardhat_")) {
        return set(&mut node.chain.write(), method, name, params);
    }
    let chain = &node.chain;
    match method {
        "evm_mine" => {
            chain.write().mine();
            json("0x0")
        }
        "evm_increaseTime" => json(chain.write().advance_time(params.count(0)?)),
        "evm_setNextBlockTimestamp" => {
            if !chain.write().set_next_timestamp(params.count(0)?) {
                return Err(RpcError::params("timestamp is before that of the newest block"));
            }
            json(Value::Null)
        }
        "evm_setAutomine" => {
            chain.write().hold(!params.get::<bool>(0)?);
            json(true)
        }
        "evm_snapshot" => json(format!("{:#x}", chain.write().snapshot())),
        "evm_revert" => json(chain.write().revert(params.count(0)?)),
        _ => Err(RpcError::no_method(method)),
    }
}

/// Those that change the state by hand.
fn set(chain: &mut Chain, method: &str, name: &str, params: &Params) -> Result<Value, RpcError> {
    match name {
        "setBalance" => chain.set_balance(params.get(0)?, params.get(1)?),
        "setNonce" => chain.set_nonce(params.get(0)?, params.count(1)?),
        "setCode" => {
            if !chain.set_code(params.get(0)?, params.get::<Bytes>(1)?) {
                return Err(RpcError::params("code is a broken delegation"));
            }
        }
        "setStorageAt" => {
            let (address, slot, value): (Address, U256, B256) = (params.get(0)?, params.get(1)?, params.get(2)?);
            chain.set_slot(address, slot, value.into());
            return json(true);
        }
        "setNextBlockBaseFeePerGas" => chain.set_next_base_fee(params.count(0)?),
        "dropAllTransactions" => {
            chain.drop_pending();
        }
        "dropTransaction" => {
            let hash: B256 = params.get(0)?;
            return json(chain.drop_transaction(hash).then_some(hash));
        }
        "mine" => mine(chain, params)?,
        _ => return Err(RpcError::no_method(method)),
    }
    json(Value::Null)
}

/// Some blocks, so many seconds apart.
fn mine(chain: &mut Chain, params: &Params) -> Result<(), RpcError> {
    let count = params.optional_count(0)?.unwrap_or(1);
    let seconds = params.optional_count(1)?.unwrap_or(0);
    if count > MINE_MAX {
        return Err(RpcError::params(format!("at most {MINE_MAX} blocks at once")));
    }
    for made in 0..count {
        if made > 0 {
            chain.advance_time(seconds);
        }
        chain.mine();
    }
    Ok(())
}

//! The methods that every node has: they read, and call.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{Block, Transaction, TransactionReceipt, TransactionRequest, state::StateOverride};

use super::{error::RpcError, params::Params, shapes};
use crate::chain::{At, Chain};

/// A block by number, tag or hash, with its transactions whole or by hash.
pub(super) fn block(chain: &Chain, params: &Params) -> Result<Option<Block>, RpcError> {
    let is_full = params.optional(1)?.unwrap_or(false);
    Ok(match chain.find(params.get::<BlockId>(0)?) {
        Some(At::Made(number)) => chain.blocks().get(number).map(|block| shapes::block(block, is_full)),
        Some(At::Pending) => Some(shapes::pending(chain, is_full)),
        None => None,
    })
}

/// All receipts of a block.
pub(super) fn block_receipts(chain: &Chain, params: &Params) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    let Some(At::Made(number)) = chain.find(params.get(0)?) else { return Ok(None) };
    let block = chain.blocks().get(number);
    Ok(block.map(|block| block.transactions.iter().map(|one| one.receipt.clone()).collect()))
}

pub(super) fn balance(chain: &Chain, params: &Params) -> Result<U256, RpcError> {
    Ok(chain.balance(params.get(0)?, at(chain, params, 1)?)?)
}

pub(super) fn code(chain: &Chain, params: &Params) -> Result<Bytes, RpcError> {
    Ok(chain.code(params.get(0)?, at(chain, params, 1)?)?)
}

pub(super) fn slot(chain: &Chain, params: &Params) -> Result<B256, RpcError> {
    let address: Address = params.get(0)?;
    Ok(chain.slot(address, params.get(1)?, at(chain, params, 2)?)?.into())
}

pub(super) fn nonce(chain: &Chain, params: &Params) -> Result<U64, RpcError> {
    Ok(U64::from(chain.nonce(params.get(0)?, at(chain, params, 1)?)?))
}

pub(super) fn call(chain: &Chain, params: &Params) -> Result<Bytes, RpcError> {
    let overridden: Option<StateOverride> = params.optional(2)?;
    Ok(chain.call(params.get::<TransactionRequest>(0)?, at(chain, params, 1)?, overridden.as_ref())?)
}

pub(super) fn estimate(chain: &Chain, params: &Params) -> Result<U64, RpcError> {
    let overridden: Option<StateOverride> = params.optional(2)?;
    let request: TransactionRequest = params.get(0)?;
    Ok(U64::from(chain.estimate(&request, at(chain, params, 1)?, overridden.as_ref())?))
}

/// A transaction in a block or waiting for one.
pub(super) fn transaction(chain: &Chain, params: &Params) -> Result<Option<Transaction>, RpcError> {
    let hash: B256 = params.get(0)?;
    let included = chain.included(hash).map(|(block, one)| shapes::included(block, one));
    Ok(included.or_else(|| chain.waiting(hash).cloned().map(shapes::waiting)))
}

pub(super) fn receipt(chain: &Chain, params: &Params) -> Result<Option<TransactionReceipt>, RpcError> {
    Ok(chain.included(params.get(0)?).map(|(_, one)| one.receipt.clone()))
}

fn at(chain: &Chain, params: &Params, place: usize) -> Result<At, RpcError> {
    chain.find(params.block(place)?).ok_or_else(|| RpcError::server("header not found"))
}

//! Running one transaction, or one call that leaves no trace, on a view of the state.

use std::convert::Infallible;

use alloy_consensus::{Header, Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use revm::{
    Context, ExecuteEvm as _, MainBuilder as _, MainContext as _,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        either::Either,
        result::{EVMError, ExecutionResult, ResultAndState},
    },
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};

use super::world::View;

/// The rules of the chain: the newest hard fork that main networks have.
pub(super) const RULES: SpecId = SpecId::OSAKA;

/// The gas that a block holds.
pub(crate) const BLOCK_GAS: u64 = 30_000_000;

/// The gas that one transaction may have (EIP-7825).
pub(crate) const TRANSACTION_GAS: u64 = 1 << 24;

pub(super) type Failure = EVMError<Infallible>;

/// How strictly a transaction is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// As a block does.
    Block,
    /// As `eth_call` does: no nonce, any sender, any amount of gas.
    Call,
}

/// Runs a transaction; what it would change is in the answer and nowhere else.
pub(super) fn run(
    view: &View<'_>,
    block: BlockEnv,
    chain_id: u64,
    how: Strictness,
    transaction: TxEnv,
) -> Result<ResultAndState, Failure> {
    let mut rules = CfgEnv::new_with_spec(RULES).with_chain_id(chain_id);
    if how == Strictness::Call {
        rules.disable_nonce_check = true;
        rules.disable_eip3607 = true;
        rules.disable_block_gas_limit = true;
        rules.tx_gas_limit_cap = Some(u64::MAX);
    }
    let context = Context::mainnet().with_ref_db(view).with_cfg(rules).with_block(block);
    context.build_mainnet().transact(transaction)
}

/// What code sees of the block under a header.
pub(super) fn block_env(header: &Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        slot_num: header.number,
    }
}

/// A signed transaction as the EVM takes it.
pub(super) fn signed(transaction: &Recovered<TxEnvelope>) -> TxEnv {
    TxEnv {
        tx_type: transaction.tx_type() as u8,
        caller: transaction.signer(),
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: transaction
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Either::Left)
            .collect(),
    }
}

/// A request without a signature as the EVM takes it. Fees that are not named are zero.
pub(super) fn requested(request: TransactionRequest, gas_limit: u64, nonce: u64, chain_id: u64) -> TxEnv {
    let authorizations = request.authorization_list.unwrap_or_default();
    let mut transaction = TxEnv {
        tx_type: 0,
        caller: request.from.unwrap_or_default(),
        gas_limit,
        gas_price: request.max_fee_per_gas.or(request.gas_price).unwrap_or_default(),
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: request.input.into_input().unwrap_or_default(),
        nonce: request.nonce.unwrap_or(nonce),
        chain_id: Some(request.chain_id.unwrap_or(chain_id)),
        access_list: request.access_list.unwrap_or_default(),
        gas_priority_fee: request.max_priority_fee_per_gas,
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: authorizations.into_iter().map(Either::Left).collect(),
    };
    if transaction.derive_tx_type().is_err() {
        transaction.tx_type = 0;
    }
    transaction
}

/// The gas a run needed at its worst moment, before refunds.
pub(super) fn gas_before_refunds(result: &ExecutionResult) -> u64 {
    result.gas().total_gas_spent().max(result.gas().floor_gas())
}

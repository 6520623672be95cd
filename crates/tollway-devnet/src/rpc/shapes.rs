//! Blocks and transactions as JSON-RPC shows them.

use alloy_consensus::{
    Header, TxEnvelope,
    transaction::{Recovered, TransactionInfo},
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable as _;
use alloy_rpc_types_eth::{Block as RpcBlock, BlockTransactions, Header as RpcHeader, Transaction};

use crate::chain::{Block, Chain, Included};

/// A block that was made.
pub(super) fn block(block: &Block, is_full: bool) -> RpcBlock {
    let transactions = if is_full {
        BlockTransactions::Full(block.transactions.iter().map(|one| included(block, one)).collect())
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|one| one.receipt.transaction_hash).collect())
    };
    let raw = block.transactions.iter().map(|one| one.transaction.inner());
    shape(block.header.clone(), block.hash, raw, transactions)
}

/// The block that would be made now.
pub(super) fn pending(chain: &Chain, is_full: bool) -> RpcBlock {
    let header = Header { timestamp: chain.pending_time(), ..chain.next_header() };
    let waiting = chain.waiting_in_order();
    let transactions = if is_full {
        BlockTransactions::Full(waiting.iter().cloned().map(self::waiting).collect())
    } else {
        BlockTransactions::Hashes(waiting.iter().map(|one| *one.tx_hash()).collect())
    };
    let hash = header.hash_slow();
    shape(header, hash, waiting.iter().map(Recovered::inner), transactions)
}

/// A transaction in a block.
pub(super) fn included(block: &Block, included: &Included) -> Transaction {
    let info = TransactionInfo {
        hash: Some(included.receipt.transaction_hash),
        index: included.receipt.transaction_index,
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        base_fee: block.header.base_fee_per_gas,
        block_timestamp: Some(block.header.timestamp),
    };
    Transaction::from_transaction(included.transaction.clone(), info)
}

/// A transaction that waits.
pub(super) fn waiting(transaction: Recovered<TxEnvelope>) -> Transaction {
    let info = TransactionInfo { hash: Some(*transaction.tx_hash()), ..TransactionInfo::default() };
    Transaction::from_transaction(transaction, info)
}

fn shape<'a>(
    header: Header,
    hash: B256,
    raw: impl Iterator<Item = &'a TxEnvelope>,
    transactions: BlockTransactions<Transaction>,
) -> RpcBlock {
    let size = header.length() + raw.map(|one| one.encode_2718_len()).sum::<usize>();
    let header = RpcHeader { hash, inner: header, total_difficulty: None, size: Some(U256::from(size)) };
    RpcBlock::new(header, transactions)
}

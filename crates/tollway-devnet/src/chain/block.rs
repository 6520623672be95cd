//! Blocks that were made, with their receipts, found by number, by hash and by transaction. A bounded number is kept.

use std::collections::{HashMap, VecDeque};

use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Log};
use alloy_rpc_types_eth::TransactionReceipt;

use super::world::Undo;

/// How many blocks are kept; older ones, with their receipts, are forgotten.
pub(crate) const HISTORY: usize = 16_384;

/// A transaction in a block.
#[derive(Clone)]
pub(crate) struct Included {
    pub(crate) transaction: Recovered<TxEnvelope>,
    pub(crate) receipt: TransactionReceipt,
}

/// A block.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) hash: B256,
    pub(crate) transactions: Vec<Included>,
    pub(super) undo: Undo,
}

/// A transaction as it was run, before its block has a hash.
pub(super) struct Ran {
    pub(super) transaction: Recovered<TxEnvelope>,
    pub(super) receipt: ReceiptEnvelope<Log>,
    pub(super) gas_used: u64,
    pub(super) price: u128,
    pub(super) created: Option<Address>,
}

/// Blocks without a gap; at least one, and the last is the head.
#[derive(Clone)]
pub(crate) struct Blocks {
    kept: VecDeque<Block>,
    by_hash: HashMap<B256, u64>,
    by_transaction: HashMap<B256, (u64, usize)>,
}

impl Blocks {
    pub(super) fn new(genesis: Header) -> Self {
        let mut blocks = Self { kept: VecDeque::new(), by_hash: HashMap::new(), by_transaction: HashMap::new() };
        blocks.push(Block {
            hash: genesis.hash_slow(),
            header: genesis,
            transactions: Vec::new(),
            undo: Undo::default(),
        });
        blocks
    }

    pub(crate) fn head(&self) -> &Block {
        self.kept.back().expect("genesis is pushed at once, and the last block is never popped")
    }

    pub(super) fn head_mut(&mut self) -> &mut Block {
        self.kept.back_mut().expect("genesis is pushed at once, and the last block is never popped")
    }

    /// The number of the oldest block that is kept.
    pub(crate) fn oldest(&self) -> u64 {
        self.kept.front().map_or(0, |block| block.header.number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Block> {
        let at = number.checked_sub(self.oldest())?;
        self.kept.get(usize::try_from(at).ok()?)
    }

    pub(crate) fn by_hash(&self, hash: B256) -> Option<&Block> {
        self.get(*self.by_hash.get(&hash)?)
    }

    /// A transaction, and the block it is in.
    pub(crate) fn transaction(&self, hash: B256) -> Option<(&Block, &Included)> {
        let &(number, at) = self.by_transaction.get(&hash)?;
        let block = self.get(number)?;
        Some((block, block.transactions.get(at)?))
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Block> {
        self.kept.iter().rev()
    }

    pub(super) fn push(&mut self, block: Block) {
        self.by_hash.insert(block.hash, block.header.number);
        for (at, included) in block.transactions.iter().enumerate() {
            self.by_transaction.insert(included.receipt.transaction_hash, (block.header.number, at));
        }
        self.kept.push_back(block);
        if self.kept.len() > HISTORY
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forget(&oldest);
        }
    }

    /// Takes the head off, but never the last block.
    pub(super) fn pop(&mut self) -> Option<Block> {
        if self.kept.len() < 2 {
            return None;
        }
        let block = self.kept.pop_back()?;
        self.forget(&block);
        Some(block)
    }

    fn forget(&mut self, block: &Block) {
        self.by_hash.remove(&block.hash);
        for included in &block.transactions {
            self.by_transaction.remove(&included.receipt.transaction_hash);
        }
    }
}

/// A block of transactions that were run, under its finished header.
pub(super) fn seal(header: Header, ran: Vec<Ran>, undo: Undo) -> Block {
    let hash = header.hash_slow();
    let mut first_log = 0;
    let transactions = ran.into_iter().enumerate().map(|(at, one)| include(&header, hash, at, one, &mut first_log));
    Block { transactions: transactions.collect(), header, hash, undo }
}

fn include(header: &Header, block_hash: B256, at: usize, ran: Ran, first_log: &mut u64) -> Included {
    use alloy_consensus::Transaction as _;
    let transaction_hash = *ran.transaction.tx_hash();
    let logs_before = *first_log;
    *first_log += ran.receipt.logs().len() as u64;
    let mut index = logs_before;
    let inner = ran.receipt.map_logs(|log| {
        let log_index = index;
        index += 1;
        alloy_rpc_types_eth::Log {
            inner: log,
            block_hash: Some(block_hash),
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            transaction_hash: Some(transaction_hash),
            transaction_index: Some(at as u64),
            log_index: Some(log_index),
            removed: false,
        }
    });
    let receipt = TransactionReceipt {
        inner,
        transaction_hash,
        transaction_index: Some(at as u64),
        block_hash: Some(block_hash),
        block_number: Some(header.number),
        gas_used: ran.gas_used,
        effective_gas_price: ran.price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: ran.transaction.signer(),
        to: ran.transaction.to(),
        contract_address: ran.created,
    };
    Included { transaction: ran.transaction, receipt }
}

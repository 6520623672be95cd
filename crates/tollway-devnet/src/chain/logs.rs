//! `eth_getLogs`, with bounds on how many blocks are looked at and how much is answered.

use alloy_eips::BlockId;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use thiserror::Error;

use super::{At, Block, Chain};

/// How many blocks one query may span.
pub(crate) const LOG_BLOCKS_MAX: u64 = 10_000;

/// How many logs one query may find.
pub(crate) const LOGS_MAX: usize = 10_000;

/// Why there is no answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum LogsRefused {
    #[error("unknown block")]
    UnknownBlock,
    #[error("invalid block range params")]
    Range,
    #[error("exceed maximum block range: {LOG_BLOCKS_MAX}")]
    Blocks,
    #[error("query returned more than {LOGS_MAX} results")]
    Logs,
}

impl Chain {
    /// The logs that a filter asks for, in order.
    pub(crate) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, LogsRefused> {
        let (first, last) = self.range(filter)?;
        let mut found = Vec::new();
        for number in first..=last {
            let Some(block) = self.now.blocks.get(number) else { continue };
            collect(block, filter, &mut found);
            if found.len() > LOGS_MAX {
                return Err(LogsRefused::Logs);
            }
        }
        Ok(found)
    }

    fn range(&self, filter: &Filter) -> Result<(u64, u64), LogsRefused> {
        let head = self.head().header.number;
        let (first, last) = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block = self.now.blocks.by_hash(hash).ok_or(LogsRefused::UnknownBlock)?;
                return Ok((block.header.number, block.header.number));
            }
            FilterBlockOption::Range { from_block, to_block } => (from_block, to_block),
        };
        let number = |tag: Option<alloy_eips::BlockNumberOrTag>| match tag {
            None => head,
            Some(alloy_eips::BlockNumberOrTag::Number(number)) => number,
            // What waits has no logs yet.
            Some(tag) => match self.find(BlockId::Number(tag)) {
                Some(At::Made(number)) => number,
                Some(At::Pending) => head,
                // Forgotten: from the oldest on.
                None => self.now.blocks.oldest(),
            },
        };
        let (first, last) = (number(first), number(last));
        if first > last {
            return Err(LogsRefused::Range);
        }
        let last = last.min(head);
        if last.saturating_sub(first) >= LOG_BLOCKS_MAX {
            return Err(LogsRefused::Blocks);
        }
        Ok((first, last))
    }
}

fn collect(block: &Block, filter: &Filter, found: &mut Vec<Log>) {
    if !filter.matches_bloom(block.header.logs_bloom) {
        return;
    }
    let logs = block.transactions.iter().flat_map(|included| included.receipt.inner.logs());
    found.extend(
        logs.filter(|log| filter.matches_address(log.address()) && filter.matches_topics(log.topics())).cloned(),
    );
}

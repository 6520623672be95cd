//! What gas costs: now, and in the blocks before.

use alloy_consensus::Transaction as _;
use alloy_eips::BlockId;
use alloy_rpc_types_eth::FeeHistory;

use super::{error::RpcError, params::Params};
use crate::chain::{At, Block, Chain};

/// The tip that is proposed, in wei.
pub(super) const TIP: u128 = 1_000_000;

/// How many blocks a history spans at most, and how many percentiles it has.
const BLOCKS_MAX: u64 = 1_024;
const PERCENTILES_MAX: usize = 100;

/// What a legacy transaction should offer for its gas.
pub(super) fn gas_price(chain: &Chain) -> u128 {
    u128::from(chain.next_base_fee()) + TIP
}

/// The fees of the blocks up to one, and the next base fee after it.
pub(super) fn history(chain: &Chain, params: &Params) -> Result<FeeHistory, RpcError> {
    let count = params.count(0)?.min(BLOCKS_MAX);
    let newest: BlockId = params.block(1)?;
    let percentiles: Vec<f64> = params.optional(2)?.unwrap_or_default();
    check(&percentiles)?;
    let last = match chain.find(newest).ok_or_else(|| RpcError::server("request beyond head block"))? {
        At::Made(number) => number,
        At::Pending => chain.head().header.number,
    };
    let first = (last + 1).saturating_sub(count).max(chain.blocks().oldest());
    let blocks: Vec<&Block> = (first..=last).filter_map(|number| chain.blocks().get(number)).collect();
    let mut fees: Vec<u128> = blocks.iter().map(|block| base_fee(block)).collect();
    let after = chain.blocks().get(last + 1).map(base_fee);
    fees.push(after.unwrap_or_else(|| u128::from(chain.next_base_fee())));
    Ok(FeeHistory {
        oldest_block: first,
        base_fee_per_gas: fees,
        gas_used_ratio: blocks.iter().map(|block| ratio(block)).collect(),
        reward: (!percentiles.is_empty()).then(|| blocks.iter().map(|block| rewards(block, &percentiles)).collect()),
        ..FeeHistory::default()
    })
}

fn check(percentiles: &[f64]) -> Result<(), RpcError> {
    let in_order = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
    let in_range = percentiles.iter().all(|one| (0.0..=100.0).contains(one));
    if in_order && in_range && percentiles.len() <= PERCENTILES_MAX {
        return Ok(());
    }
    Err(RpcError::params("invalid reward percentile"))
}

fn base_fee(block: &Block) -> u128 {
    block.header.base_fee_per_gas.unwrap_or_default().into()
}

#[allow(clippy::cast_precision_loss, reason = "the answer is a ratio of numbers far below 2^52")]
fn ratio(block: &Block) -> f64 {
    block.header.gas_used as f64 / block.header.gas_limit as f64
}

/// The tips at these percentiles of the block's gas.
#[allow(clippy::cast_precision_loss, reason = "percentiles of numbers far below 2^52")]
fn rewards(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .map(|one| (one.transaction.effective_tip_per_gas(fee).unwrap_or_default(), one.receipt.gas_used))
        .collect();
    tips.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = block.header.gas_used as f64 * percentile / 100.0;
        let mut sum = 0;
        let found = tips.iter().find(|(_, gas)| {
            sum += gas;
            sum as f64 >= threshold
        });
        found.map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}

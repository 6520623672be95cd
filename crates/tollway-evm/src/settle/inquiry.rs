//! Asking the chain what became of an authorization, when our own transaction does not say it.

use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, sol};

use super::order::{Authorization, Order};
use super::outcome::{self, AUTHORIZATION_USED, Reading, TRANSFER};
use crate::abi::{PERMIT2, Token};
use crate::chain::rpc::{LogFilter, Rpc};
use crate::chain::{Call, CallOutcome, ChainError, ChainReader};

sol! {
    function nonceBitmap(address owner, uint256 word) external view returns (uint256);
}

/// Gas for reading one nonce: far more than any asset's storage costs.
const READ_GAS: u64 = 200_000;
/// So many blocks before our own first attempt somebody else's may have come.
const LOOK_BACK: u64 = 64;
/// Most blocks in which a stranger's transaction is looked for.
const LOOK_MAX: u64 = 5_000;

/// So many blocks back a transaction is looked for, if it is not known when it was sent.
pub(super) const RECENT: u64 = 4_000;

/// What became of an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It was not used.
    Unused,
    /// It was used, and this transaction moved the money exactly as ordered.
    Paid { transaction: B256, block: u64 },
    /// It was used, and the money did not move as ordered.
    Used,
}

/// What became of an order's authorization, by whichever transaction. `since` is the height of the
/// chain when our first attempt was made.
pub(super) async fn inquire(rpc: &Rpc, order: &Order, since: u64) -> Result<Found, ChainError> {
    if !is_used(rpc, order).await? {
        return Ok(Found::Unused);
    }
    let from = since.saturating_sub(LOOK_BACK);
    let to = Some(from.saturating_add(LOOK_MAX));
    let topics = match order.authorization {
        Authorization::Eip3009(nonce) => vec![Some(AUTHORIZATION_USED), Some(order.payer.into_word()), Some(nonce)],
        Authorization::Permit2(_) => {
            vec![Some(TRANSFER), Some(order.payer.into_word()), Some(order.pay_to.into_word())]
        }
    };
    let head = rpc.head().await?.number;
    let to = to.filter(|to| *to < head);
    let logs = rpc.logs(&LogFilter { address: order.asset, topics, from, to }).await?;
    for log in logs {
        let Some(transaction) = log.transaction_hash else { continue };
        let Some(receipt) = rpc.receipt(transaction).await? else { continue };
        if outcome::read(&receipt, &[order]) == [Reading::Paid] {
            return Ok(Found::Paid { transaction, block: receipt.block });
        }
    }
    Ok(Found::Used)
}

/// Whether an order would be carried out now, alone.
pub(super) async fn would_succeed(rpc: &Rpc, order: &Order) -> Result<bool, ChainError> {
    let [step] = order.steps.as_slice() else {
        // Later steps need the earlier ones: only together they can be tried, and only a transaction does that.
        return Ok(true);
    };
    let call = Call { to: step.to, data: step.data.clone(), gas: step.gas.saturating_add(500_000) };
    let outcomes = rpc.calls(vec![call]).await?;
    Ok(matches!(outcomes.as_slice(), [CallOutcome::Returned(_)]))
}

async fn is_used(rpc: &Rpc, order: &Order) -> Result<bool, ChainError> {
    let (to, data, bit) = match order.authorization {
        Authorization::Eip3009(nonce) => {
            (order.asset, Token::authorizationStateCall { authorizer: order.payer, nonce }.abi_encode(), 0)
        }
        Authorization::Permit2(nonce) => {
            let word: U256 = nonce >> 8;
            (PERMIT2, nonceBitmapCall { owner: order.payer, word }.abi_encode(), usize::from(nonce.byte(0)))
        }
    };
    let outcomes = rpc.calls(vec![Call { to, data: data.into(), gas: READ_GAS }]).await?;
    match outcomes.as_slice() {
        [CallOutcome::Returned(word)] if word.len() == 32 => Ok(U256::from_be_slice(word).bit(bit)),
        _ => Err(ChainError::Malformed { detail: "the contract does not say whether the nonce is used".to_owned() }),
    }
}

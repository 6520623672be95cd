//! `eth_estimateGas`: the least gas with which a request succeeds, to within a few percent, by halving.

use alloy_primitives::{TxKind, U256};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use revm::context::result::{ExecutionResult, HaltReason};

use super::{
    At, Chain, TRANSACTION_GAS,
    call::{Failed, halted},
    evm,
};

/// What a call keeps for itself when it hands on gas, so that a first guess covers it.
const CALL_STIPEND: u64 = 2_300;

/// What a transaction without data costs that runs no code.
const PLAIN_GAS: u64 = 21_000;

/// When the answer is near enough: 1.5 %, as in geth.
const NEAR_ENOUGH: u64 = 1_015;

impl Chain {
    /// The gas a request needs.
    pub(crate) fn estimate(
        &self,
        request: &TransactionRequest,
        at: At,
        overridden: Option<&StateOverride>,
    ) -> Result<u64, Failed> {
        let most = self.allowance(request, at, overridden)?;
        if most >= PLAIN_GAS && self.is_plain(request, at, overridden)? {
            return Ok(PLAIN_GAS);
        }
        let run = |gas: u64| self.simulate(request.clone(), gas, at, overridden);
        let first = match run(most)? {
            ExecutionResult::Revert { output, .. } => return Err(Failed::Reverted(output)),
            ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => return Err(Failed::Allowance(most)),
            ExecutionResult::Halt { reason, .. } => return Err(Failed::Halted(halted(&reason))),
            success @ ExecutionResult::Success { .. } => success,
        };
        let needs_more = |gas: u64| !matches!(run(gas), Ok(ExecutionResult::Success { .. }));
        let (mut fails, mut works) = (first.tx_gas_used().saturating_sub(1), most);
        // Callees are given 63 of 64 parts: usually this much is enough, and saves most of the halving.
        let guess = (evm::gas_before_refunds(&first) + CALL_STIPEND) * 64 / 63;
        if guess < works {
            if needs_more(guess) { fails = guess } else { works = guess }
        }
        while fails + 1 < works && works * 1_000 > fails.saturating_mul(NEAR_ENOUGH) {
            let middle = fails + (works - fails) / 2;
            if needs_more(middle) { fails = middle } else { works = middle }
        }
        Ok(works)
    }

    /// Whether it is ether for an account without code, and that alone; and succeeds.
    fn is_plain(
        &self,
        request: &TransactionRequest,
        at: At,
        overridden: Option<&StateOverride>,
    ) -> Result<bool, Failed> {
        let (Some(TxKind::Call(to)), None) = (request.to, request.input.input()) else { return Ok(false) };
        if !self.view(at, overridden)?.code(to).is_empty() {
            return Ok(false);
        }
        let ran = self.simulate(request.clone(), PLAIN_GAS, at, overridden);
        Ok(matches!(ran, Ok(ExecutionResult::Success { .. })))
    }

    /// The gas that the sender can pay for, where it names a fee.
    fn allowance(
        &self,
        request: &TransactionRequest,
        at: At,
        overridden: Option<&StateOverride>,
    ) -> Result<u64, Failed> {
        let most = request.gas.map_or(TRANSACTION_GAS, |gas| gas.min(TRANSACTION_GAS));
        let fee = request.max_fee_per_gas.or(request.gas_price).unwrap_or_default();
        if fee == 0 {
            return Ok(most);
        }
        let balance =
            self.view(at, overridden)?.info(request.from.unwrap_or_default()).map_or(U256::ZERO, |info| info.balance);
        let value = request.value.unwrap_or_default();
        let Some(left) = balance.checked_sub(value) else {
            return Err(Failed::Refused("insufficient funds for transfer".to_owned()));
        };
        Ok(u64::try_from(left / U256::from(fee)).unwrap_or(u64::MAX).min(most))
    }
}

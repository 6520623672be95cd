//! `eth_call`: code run on the state of a block without a trace.

use alloy_primitives::{Bytes, U256};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use thiserror::Error;

use super::{
    At, Chain,
    evm::{self, Failure, Strictness},
    world::View,
};

/// The gas of a call that names none, and the most it may have.
const CALL_GAS: u64 = 50_000_000;

/// Why a call has no answer; in geth's words.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Failed {
    #[error("execution reverted")]
    Reverted(Bytes),
    #[error("{0}")]
    Halted(String),
    #[error("{0}")]
    Refused(String),
    #[error("gas required exceeds allowance ({0})")]
    Allowance(u64),
    #[error("missing trie node: the state of block {0} is no longer kept")]
    NoState(u64),
    #[error("both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data")]
    TwoInputs,
}

impl Chain {
    /// Runs a call and answers what it returns.
    pub(crate) fn call(
        &self,
        request: TransactionRequest,
        at: At,
        overridden: Option<&StateOverride>,
    ) -> Result<Bytes, Failed> {
        let gas = request.gas.map_or(CALL_GAS, |gas| gas.min(CALL_GAS));
        match self.simulate(request, gas, at, overridden)? {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(Failed::Reverted(output)),
            ExecutionResult::Halt { reason, .. } => Err(Failed::Halted(halted(&reason))),
        }
    }

    /// Runs a request with this much gas.
    pub(super) fn simulate(
        &self,
        request: TransactionRequest,
        gas: u64,
        at: At,
        overridden: Option<&StateOverride>,
    ) -> Result<ExecutionResult, Failed> {
        let (data, input) = (&request.input.data, &request.input.input);
        if data.is_some() && input.is_some() && data != input {
            return Err(Failed::TwoInputs);
        }
        let view = self.view(at, overridden)?;
        let mut block = evm::block_env(&self.call_header(at));
        let nonce = nonce(&view, &request);
        let transaction = evm::requested(request, gas, nonce, self.chain_id);
        if transaction.gas_price == 0 {
            // Who names no fee pays none.
            block.basefee = 0;
        }
        evm::run(&view, block, self.chain_id, Strictness::Call, transaction)
            .map(|ran| ran.result)
            .map_err(|failure| refused(&failure))
    }

    fn call_header(&self, at: At) -> alloy_consensus::Header {
        let head = &self.head().header;
        match at {
            At::Made(number) if number < head.number => {
                self.now.blocks.get(number).map_or_else(|| head.clone(), |block| block.header.clone())
            }
            At::Made(_) => alloy_consensus::Header { timestamp: self.call_time(), ..head.clone() },
            At::Pending => alloy_consensus::Header { timestamp: self.pending_time(), ..self.next_header() },
        }
    }
}

fn nonce(view: &View<'_>, request: &TransactionRequest) -> u64 {
    view.info(request.from.unwrap_or_default()).map_or(0, |info| info.nonce)
}

/// Why a transaction cannot even be begun.
fn refused(failure: &Failure) -> Failed {
    let EVMError::Transaction(invalid) = failure else { return Failed::Refused(failure.to_string()) };
    let words = match invalid {
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        InvalidTransaction::GasPriceLessThanBasefee => "max fee per gas less than block base fee".to_owned(),
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
            "max priority fee per gas higher than max fee per gas".to_owned()
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        other => other.to_string(),
    };
    Failed::Refused(words)
}

/// Why code stopped.
pub(super) fn halted(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::StateChangeDuringStaticCall => "write protection".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The words of a revert with a reason (`Error(string)`) or a panic (`Panic(uint256)`).
pub(crate) fn revert_reason(data: &[u8]) -> Option<String> {
    use alloy_sol_types::{Panic, Revert, SolError as _};
    if let Ok(revert) = Revert::abi_decode(data) {
        return Some(revert.reason);
    }
    let panic = Panic::abi_decode(data).ok()?;
    Some(format!("{} (0x{:02x})", panic_words(panic.code), panic.code))
}

/// The words for the compiler's own panics.
fn panic_words(code: U256) -> &'static str {
    match u8::try_from(code).unwrap_or(u8::MAX) {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => "unknown panic code",
    }
}

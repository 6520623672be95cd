//! A raw transaction on its way into the pool: decoded, its sender recovered, held against the rules of a block.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::B256;
use revm::{context::result::InvalidTransaction, handler::validation::validate_initial_tx_gas};
use thiserror::Error;

use super::{BLOCK_GAS, Chain, TRANSACTION_GAS, evm, pool::Refused};

/// How long a transaction may be, as in geth.
const SIZE_MAX: usize = 128 * 1024;

/// Why a raw transaction is not taken; in geth's words.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Unfit {
    #[error("oversized data: transaction size {0}, limit {SIZE_MAX}")]
    Oversized(usize),
    #[error("rlp: {0}")]
    Malformed(String),
    #[error("transaction type not supported")]
    Kind,
    #[error("invalid sender")]
    Sender,
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    #[error("exceeds block gas limit")]
    BlockGas,
    #[error("transaction gas limit too high (cap: {TRANSACTION_GAS}, tx: {0})")]
    Gas(u64),
    #[error("max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}")]
    TipAboveFee { tip: u128, fee: u128 },
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas { gas: u64, needed: u64 },
    #[error("{0}")]
    Rule(String),
    #[error(transparent)]
    Pool(#[from] Refused),
}

impl Chain {
    /// Takes a raw transaction; an instant chain makes a block of it at once. Answers its hash.
    pub(crate) fn send(&mut self, raw: &[u8]) -> Result<B256, Unfit> {
        if raw.len() > SIZE_MAX {
            return Err(Unfit::Oversized(raw.len()));
        }
        let transaction = TxEnvelope::decode_2718_exact(raw).map_err(|error| Unfit::Malformed(error.to_string()))?;
        let hash = *transaction.tx_hash();
        if self.now.pool.get(hash).is_some() || self.now.blocks.transaction(hash).is_some() {
            return Err(Refused::AlreadyKnown.into());
        }
        self.check(&transaction)?;
        let transaction = transaction.try_into_recovered().map_err(|_| Unfit::Sender)?;
        check_gas(&evm::signed(&transaction))?;
        self.now.pool.add(transaction, &self.now.world)?;
        self.mine_if_instant();
        Ok(hash)
    }

    fn check(&self, transaction: &TxEnvelope) -> Result<(), Unfit> {
        if matches!(transaction, TxEnvelope::Eip4844(_)) {
            return Err(Unfit::Kind);
        }
        let have = transaction.chain_id().ok_or(Unfit::Unprotected)?;
        if have != self.chain_id {
            return Err(Unfit::ChainId { have, want: self.chain_id });
        }
        let gas = transaction.gas_limit();
        if gas > BLOCK_GAS {
            return Err(Unfit::BlockGas);
        }
        if gas > TRANSACTION_GAS {
            return Err(Unfit::Gas(gas));
        }
        let (tip, fee) = (transaction.max_priority_fee_per_gas().unwrap_or_default(), transaction.max_fee_per_gas());
        if tip > fee {
            return Err(Unfit::TipAboveFee { tip, fee });
        }
        if transaction.authorization_list().is_some_and(<[_]>::is_empty) {
            return Err(Unfit::Rule("EIP-7702 transaction with empty auth list".into()));
        }
        Ok(())
    }
}

/// The gas that is due before any code runs.
fn check_gas(transaction: &revm::context::TxEnv) -> Result<(), Unfit> {
    let gas = transaction.gas_limit;
    match validate_initial_tx_gas(transaction, evm::RULES, false, false, TRANSACTION_GAS, None) {
        Ok(_) => Ok(()),
        Err(InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, .. }) => {
            Err(Unfit::IntrinsicGas { gas, needed: initial_gas })
        }
        Err(InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, .. }) => {
            Err(Unfit::FloorGas { gas, needed: gas_floor })
        }
        Err(other) => Err(Unfit::Rule(other.to_string())),
    }
}

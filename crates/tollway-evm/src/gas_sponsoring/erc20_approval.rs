//! Approval of Permit2 by a transaction of the payer's own, for tokens without permits.

use alloy_consensus::transaction::{SignerRecoverable as _, Transaction as _};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_sol_types::SolCall;
use serde_json::{Map, Value};

use super::{Sponsored, echo, fits};
use crate::abi::{PERMIT2, Token};
use crate::payload::fields::Fields;
use crate::payload::{PayloadError, address_text, hex_text};
use crate::reason::ExactReason;
use crate::signature::EoaSignature;

/// Gas of an approval; the reference's figure.
const GAS: u64 = 70_000;
/// Bytes of the longest approval transaction that is read; a plain one takes about 180.
const MAX_TRANSACTION: usize = 1024;

/// A transaction in which the payer approves Permit2, ready to be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedApproval {
    /// The signed bytes.
    pub transaction: Bytes,
    /// Its hash.
    pub hash: B256,
    /// Whose.
    pub from: Address,
    /// The payer's account nonce it needs.
    pub account_nonce: u64,
    /// How much gas it may burn.
    pub gas: u64,
    /// Wei it may cost at most: what the payer has to hold before it can be sent.
    pub cost: U256,
}

/// What a payer's account is at, to write a transaction from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// The next account nonce.
    pub nonce: u64,
    /// Wei a unit of gas may cost.
    pub max_fee: u128,
    /// Wei of that for the block's builder.
    pub max_tip: u128,
}

impl AccountState {
    /// An account whose chain could not say its fees: 1 gwei, a tenth of it as tip.
    #[must_use]
    pub const fn at(nonce: u64) -> Self {
        Self { nonce, max_fee: 1_000_000_000, max_tip: 100_000_000 }
    }
}

impl SignedApproval {
    /// Reads and checks what the payer wrote.
    ///
    /// # Errors
    /// The reference's reason for the first thing that does not fit.
    pub(super) fn check(info: &Map<String, Value>, payment: Sponsored<'_>) -> Result<Self, ExactReason> {
        use ExactReason::{ApprovalAsset, ApprovalFormat, ApprovalFrom, ApprovalSpender};
        let (said, raw) = read(info).map_err(|_| ApprovalFormat)?;
        fits(said, payment, [ApprovalFrom, ApprovalAsset, ApprovalSpender])?;
        let transaction = TxEnvelope::decode_2718_exact(&raw).map_err(|_| ExactReason::ApprovalParse)?;
        plain_approval(&transaction, payment)?;
        let from = signer(&transaction)?;
        if from != payment.authorization.from {
            return Err(ExactReason::ApprovalSigner);
        }
        let gas = transaction.gas_limit();
        let cost = U256::from(gas) * U256::from(transaction.max_fee_per_gas());
        let (hash, account_nonce) = (*transaction.tx_hash(), transaction.nonce());
        Ok(Self { transaction: raw, hash, from, account_nonce, gas, cost })
    }

    /// The transaction to be signed, by which an account approves Permit2 without bound, and its digest.
    #[must_use]
    pub fn unsigned(asset: Address, chain_id: u64, account: AccountState) -> (TxEip1559, B256) {
        let transaction = TxEip1559 {
            chain_id,
            nonce: account.nonce,
            gas_limit: GAS,
            max_fee_per_gas: account.max_fee,
            max_priority_fee_per_gas: account.max_tip,
            to: TxKind::Call(asset),
            value: U256::ZERO,
            access_list: alloy_eips::eip2930::AccessList::default(),
            input: Token::approveCall { spender: PERMIT2, amount: U256::MAX }.abi_encode().into(),
        };
        let digest = transaction.signature_hash();
        (transaction, digest)
    }

    /// The signed bytes of a transaction.
    #[must_use]
    pub fn sign(transaction: TxEip1559, signature: &EoaSignature) -> Bytes {
        let odd = signature.v() == 28;
        let signature = Signature::from_scalars_and_parity(signature.r(), signature.s(), odd);
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
    }

    /// The extension with a signed approval in it.
    #[must_use]
    pub fn echo(signed: &Bytes, from: Address, asset: Address, declared: &Map<String, Value>) -> Value {
        let info = Map::from_iter([
            ("from".to_owned(), address_text(from)),
            ("asset".to_owned(), address_text(asset)),
            ("spender".to_owned(), address_text(PERMIT2)),
            ("amount".to_owned(), U256::MAX.to_string().into()),
            ("signedTransaction".to_owned(), hex_text(signed)),
        ]);
        echo(declared, info)
    }
}

fn read(info: &Map<String, Value>) -> Result<((Address, Address, Address), Bytes), PayloadError> {
    let mut fields = Fields::of(info);
    let said = (fields.address("from")?, fields.address("asset")?, fields.address("spender")?);
    fields.decimal("amount")?;
    let transaction = fields.bytes("signedTransaction", MAX_TRANSACTION)?;
    fields.text("version")?;
    fields.rest("info")?;
    Ok((said, transaction))
}

/// Nothing but `approve(Permit2, at least the amount)` of the asset, on this chain, without value.
fn plain_approval(transaction: &TxEnvelope, payment: Sponsored<'_>) -> Result<(), ExactReason> {
    // Blobs and delegations are no part of an approval.
    if transaction.is_eip4844() || transaction.is_eip7702() {
        return Err(ExactReason::ApprovalParse);
    }
    let here = transaction.chain_id() == Some(payment.chain_id);
    if !here || transaction.to() != Some(payment.authorization.token) {
        return Err(ExactReason::ApprovalTarget);
    }
    let input = transaction.input();
    if !input.starts_with(&Token::approveCall::SELECTOR) {
        return Err(ExactReason::ApprovalSelector);
    }
    let call = Token::approveCall::abi_decode_validate(input).map_err(|_| ExactReason::ApprovalCalldata)?;
    if call.spender != PERMIT2 {
        return Err(ExactReason::ApprovalTxSpender);
    }
    let enough = call.amount >= payment.authorization.amount && input.len() == 68;
    if enough && transaction.value().is_zero() { Ok(()) } else { Err(ExactReason::ApprovalCalldata) }
}

fn signer(transaction: &TxEnvelope) -> Result<Address, ExactReason> {
    transaction.recover_signer().map_err(|_| ExactReason::ApprovalSignature)
}

//! Payments through Permit2 without gas of the payer's: the payer signs the approval of Permit2 too,
//! and the facilitator submits it (x402 extensions `eip2612GasSponsoring`, `erc20ApprovalGasSponsoring`).

mod eip2612;
mod erc20_approval;

use alloy_primitives::Address;
use serde_json::{Map, Value};

use crate::payload::Permit2Authorization;
use crate::reason::ExactReason;

pub use eip2612::SignedPermit;
pub use erc20_approval::{AccountState, SignedApproval};

/// Approval by a signed EIP-2612 permit.
pub const EIP2612: &str = "eip2612GasSponsoring";
/// Approval by a signed transaction of the payer's.
pub const ERC20_APPROVAL: &str = "erc20ApprovalGasSponsoring";
/// The version of both.
const VERSION: &str = "1";
/// How many seconds a signature has to hold still when it is judged: what settling takes.
pub(crate) const MARGIN: u64 = 6;

/// The approval a payment brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// A permit, which the exact proxy submits in the same transaction.
    Permit(SignedPermit),
    /// A transaction, which has to be sent first.
    Transaction(SignedApproval),
}

/// What a Permit2 payment is, as far as its approval has to fit it.
#[derive(Debug, Clone, Copy)]
pub struct Sponsored<'a> {
    /// The permit.
    pub authorization: &'a Permit2Authorization,
    /// The chain.
    pub chain_id: u64,
    /// Unix seconds.
    pub now: u64,
}

impl Approval {
    /// Reads and checks the approval among a payment's extensions; `None` if the payer made none.
    ///
    /// # Errors
    /// The reference's reason for the first thing that does not fit.
    pub fn read(extensions: Option<&Map<String, Value>>, payment: Sponsored<'_>) -> Result<Option<Self>, ExactReason> {
        if let Some(info) = answered(extensions, EIP2612, "signature") {
            return SignedPermit::check(info, payment).map(Self::Permit).map(Some);
        }
        if let Some(info) = answered(extensions, ERC20_APPROVAL, "signedTransaction") {
            return SignedApproval::check(info, payment).map(Self::Transaction).map(Some);
        }
        Ok(None)
    }
}

/// Whether a demand declares an extension.
#[must_use]
pub fn declared<'a>(extensions: Option<&'a Map<String, Value>>, name: &str) -> Option<&'a Map<String, Value>> {
    extensions?.get(name)?.as_object()
}

/// What the payer wrote into an extension; an echo that adds nothing is no answer.
fn answered<'a>(extensions: Option<&'a Map<String, Value>>, name: &str, proof: &str) -> Option<&'a Map<String, Value>> {
    let info = declared(extensions, name)?.get("info")?.as_object()?;
    info.contains_key(proof).then_some(info)
}

/// The extension as the seller declared it, with the payer's members added to its `info`. Nothing the
/// seller said is changed.
fn echo(declared: &Map<String, Value>, ours: Map<String, Value>) -> Value {
    let mut extension = declared.clone();
    let mut info = ours;
    if let Some(Value::Object(said)) = declared.get("info") {
        info.extend(said.clone());
    }
    info.entry("version").or_insert_with(|| VERSION.into());
    extension.insert("info".to_owned(), Value::Object(info));
    Value::Object(extension)
}

/// The checks both kinds share, with the reasons of one of them: whose, of what, for whom.
fn fits(
    said: (Address, Address, Address),
    payment: Sponsored<'_>,
    reasons: [ExactReason; 3],
) -> Result<(), ExactReason> {
    let (from, asset, spender) = said;
    let expected = [payment.authorization.from, payment.authorization.token, crate::PERMIT2];
    let pairs = [from, asset, spender].into_iter().zip(expected).zip(reasons);
    match pairs.into_iter().find(|((said, expected), _)| said != expected) {
        Some((_, reason)) => Err(reason),
        None => Ok(()),
    }
}

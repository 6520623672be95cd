//! A verified payment as settlement sees it: which calls move the money, and which events prove it.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use tollway_ledger::{Hash, PaymentId, SettlementClaim};
use tollway_protocol::{Amount, Network};

use crate::chain::Call;
use crate::gas_sponsoring::SignedApproval;
use crate::payload::ExactPayload;
use crate::signature::EoaSignature;
use crate::verify::{Transfer, Verified};

/// What to settle. Made from a verified payment only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Network, asset, payer and nonce in one.
    pub id: PaymentId,
    /// Of the signed payload.
    pub digest: Hash,
    /// Where it settles.
    pub network: Network,
    /// The asset's contract.
    pub asset: Address,
    /// Who pays.
    pub payer: Address,
    /// Who is paid.
    pub pay_to: Address,
    /// How much, in atomic units.
    pub amount: Amount,
    /// What the chain remembers of the payment.
    pub authorization: Authorization,
    /// Unix second from which the chain refuses it.
    pub valid_before: u64,
    /// The calls, in order. More than one only where a wallet or an allowance has to be made first.
    pub steps: Vec<Step>,
    /// Whether it may share a transaction: its calls run no code of strangers.
    pub shareable: bool,
    /// The payer's approval of Permit2, which has to be in a block before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<OwnTransaction>,
}

/// A transaction that the payer signed and the facilitator sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnTransaction {
    /// The signed bytes.
    pub raw: Bytes,
    /// Its hash.
    pub hash: B256,
    /// The payer's account nonce it needs.
    pub account_nonce: u64,
    /// Wei the payer has to hold for it.
    pub cost: U256,
}

/// What the chain remembers of a payment, so that it counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authorization {
    /// The nonce of EIP-3009, kept by the asset.
    Eip3009(B256),
    /// The unordered nonce of Permit2.
    Permit2(U256),
}

/// One call of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The contract.
    pub to: Address,
    /// Selector and arguments.
    pub data: Bytes,
    /// Most gas it may use, without what a transaction costs by itself.
    pub gas: u64,
}

impl OwnTransaction {
    fn of(approval: &SignedApproval) -> Self {
        let &SignedApproval { ref transaction, hash, account_nonce, cost, .. } = approval;
        Self { raw: transaction.clone(), hash, account_nonce, cost }
    }
}

impl Order {
    /// The order of a verified payment, whose signed payload has this digest.
    #[must_use]
    pub fn of(verified: &Verified, digest: Hash) -> Self {
        let authorization = match &verified.transfer {
            Transfer::Eip3009(_) => Authorization::Eip3009(verified.nonce),
            Transfer::Permit2(_) => Authorization::Permit2(verified.nonce.into()),
        };
        let calls = verified.deployment().into_iter().chain([verified.call()]);
        Self {
            id: verified.id,
            digest,
            network: verified.network.clone(),
            asset: verified.asset,
            payer: verified.payer,
            pay_to: verified.pay_to,
            amount: verified.amount,
            authorization,
            valid_before: verified.valid_before,
            steps: calls.map(|Call { to, data, gas }| Step { to, data, gas }).collect(),
            shareable: verified.is_plain(),
            approval: verified.approval_first().map(OwnTransaction::of),
        }
    }

    /// The claim in the facilitator's books.
    pub(crate) fn claim(&self) -> Result<SettlementClaim, serde_json::Error> {
        Ok(SettlementClaim {
            id: self.id,
            digest: self.digest,
            network: self.network.clone(),
            asset: self.asset.to_checksum(None).parse().map_err(serde::de::Error::custom)?,
            payer: self.payer.to_checksum(None),
            pay_to: self.pay_to.to_checksum(None),
            amount: self.amount,
            expires: self.valid_before,
            order: serde_json::to_vec(self)?,
        })
    }

    /// The order of a claim.
    pub(crate) fn of_claim(claim: &SettlementClaim) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&claim.order)
    }
}

/// The digest of what a payer signed, the same for every spelling of it. Members that were not signed
/// do not matter.
#[must_use]
pub fn digest(payload: &ExactPayload, asset: Address) -> Hash {
    let signature = match EoaSignature::parse(payload.signature()) {
        Ok(key) => [key.r().as_slice(), key.s().as_slice(), &[key.v()]].concat(),
        Err(_) => payload.signature().to_vec(),
    };
    let (kind, from, until) = match payload {
        ExactPayload::Eip3009(payload) => (0, payload.authorization.valid_after, payload.authorization.valid_before),
        ExactPayload::Permit2(payload) => (1, payload.authorization.valid_after, payload.authorization.deadline),
    };
    let words = [from, until, payload.value(), payload.nonce().into()];
    let mut bytes = vec![kind];
    for address in [asset, payload.payer(), payload.pay_to()] {
        bytes.extend_from_slice(address.as_slice());
    }
    words.iter().for_each(|word| bytes.extend_from_slice(&word.to_be_bytes::<32>()));
    bytes.extend_from_slice(&signature);
    Hash::of(&bytes)
}

//! A payment that would settle, with everything that settling it takes.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use tollway_ledger::PaymentId;
use tollway_protocol::{Amount, Network};

use crate::abi::{self, EXACT_PROXY, ExactProxy, PERMIT2, Token};
use crate::chain::Call;
use crate::gas_sponsoring::{Approval, SignedApproval};
use crate::payload::{Eip3009Authorization, Permit2Authorization};
use crate::signature::{ContractProof, Counterfactual, EoaProof, EoaSignature};

/// How much gas a settlement may burn, by kind: what honest ones take on the dearest known token,
/// and half as much again. A payment that needs more fails its simulation and is never sent.
pub mod gas {
    /// `transferWithAuthorization` by a key: 70,000 to 105,000 on USDC behind its proxy.
    pub const TRANSFER: u64 = 160_000;
    /// `settle` of the exact proxy by a key: 100,000 to 150,000.
    pub const PERMIT2: u64 = 230_000;
    /// What an approval submitted by the proxy adds: a permit takes 50,000 to 80,000.
    pub const APPROVAL: u64 = 120_000;
    /// What a payer with code adds to check its signature.
    pub const WALLET: u64 = crate::signature::CHECK_GAS;
    /// What deploying a payer's wallet may take; common factories take 150,000 to 400,000.
    pub const DEPLOYMENT: u64 = 1_000_000;
}

/// A payment that would have settled at the block that was asked. Only
/// [`Verifier::verify`](super::Verifier::verify) makes one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// Its name in every book.
    pub id: PaymentId,
    /// Where.
    pub network: Network,
    /// Who pays.
    pub payer: Address,
    /// Of what.
    pub asset: Address,
    /// How much, in atomic units.
    pub amount: Amount,
    /// Who is paid.
    pub pay_to: Address,
    /// What makes it count once on its chain.
    pub nonce: B256,
    /// It holds from about this instant, in Unix seconds.
    pub valid_after: u64,
    /// It can no longer settle from this instant on, in Unix seconds.
    pub valid_before: u64,
    /// What proves the payer's signature.
    pub proof: Proof,
    /// What is called to settle it.
    pub transfer: Transfer,
}

/// What proves a payer's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The payer's own key; the payer has no code.
    Eoa(EoaProof),
    /// The payer's code accepted it, and may change its mind.
    Contract(ContractProof),
    /// The payer's code will accept it, once this deployment was made.
    Counterfactual(Counterfactual),
}

/// What is called to settle a payment.
#[derive(Debug, Clone, PartialEq)]
pub enum Transfer {
    /// The token itself.
    Eip3009(Box<Transfer3009>),
    /// The exact proxy.
    Permit2(Box<TransferPermit2>),
}

/// A call of the token.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer3009 {
    /// What is authorized.
    pub authorization: Eip3009Authorization,
    /// By which signature.
    pub signature: TokenSignature,
}

/// A signature as the token's two entry points take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSignature {
    /// 65 bytes, in parts.
    Split {
        /// The recovery byte.
        v: u8,
        /// The first number.
        r: B256,
        /// The second number.
        s: B256,
    },
    /// Any other length.
    Whole(Bytes),
}

/// A call of the exact proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferPermit2 {
    /// What is permitted.
    pub authorization: Permit2Authorization,
    /// By which signature.
    pub signature: Bytes,
    /// The approval of Permit2 that came along. A permit is part of the call, a transaction has to be
    /// sent before it.
    pub approval: Option<Approval>,
}

impl Verified {
    /// The call that settles it, with its gas bound.
    #[must_use]
    pub fn call(&self) -> Call {
        Call { gas: self.transfer.gas(&self.proof), ..self.transfer.call(self.asset) }
    }

    /// The call that has to come first: the deployment of the payer's wallet.
    #[must_use]
    pub fn deployment(&self) -> Option<Call> {
        match &self.proof {
            Proof::Counterfactual(wallet) => Some(deployment(wallet)),
            Proof::Eoa(_) | Proof::Contract(_) => None,
        }
    }

    /// The transaction of the payer's that has to be sent before it.
    #[must_use]
    pub fn approval_first(&self) -> Option<&SignedApproval> {
        match self.transfer.approval() {
            Some(Approval::Transaction(approval)) => Some(approval),
            Some(Approval::Permit(_)) | None => None,
        }
    }

    /// Whether nothing of the payer's runs when it settles: only such payments may share a
    /// transaction with others.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.proof, Proof::Eoa(_)) && self.transfer.approval().is_none()
    }
}

pub(super) fn deployment(wallet: &Counterfactual) -> Call {
    Call { to: wallet.factory, data: wallet.calldata.clone(), gas: gas::DEPLOYMENT }
}

impl TokenSignature {
    /// A signature of a key.
    #[must_use]
    pub fn of_key(signature: &EoaSignature) -> Self {
        Self::Split { v: signature.v(), r: signature.r(), s: signature.s() }
    }

    /// A signature only code can read. One of 65 bytes goes in parts, as older tokens know no other.
    #[must_use]
    pub fn of_code(signature: &Bytes) -> Self {
        if signature.len() != 65 {
            return Self::Whole(signature.clone());
        }
        let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
        Self::Split { v: signature[64], r, s }
    }
}

impl Transfer {
    /// The approval of Permit2 that came along, if one did.
    #[must_use]
    pub fn approval(&self) -> Option<&Approval> {
        match self {
            Self::Eip3009(_) => None,
            Self::Permit2(transfer) => transfer.approval.as_ref(),
        }
    }

    /// Gas bound of the call, given what proves the signature.
    #[must_use]
    pub fn gas(&self, proof: &Proof) -> u64 {
        match proof {
            Proof::Eoa(_) => self.own_gas(),
            Proof::Contract(_) | Proof::Counterfactual(_) => self.own_gas() + gas::WALLET,
        }
    }

    /// Gas bound of the call for a payer without code.
    pub(super) fn own_gas(&self) -> u64 {
        match (self, self.approval()) {
            (Self::Eip3009(_), _) => gas::TRANSFER,
            (Self::Permit2(_), Some(Approval::Permit(_))) => gas::PERMIT2 + gas::APPROVAL,
            (Self::Permit2(_), _) => gas::PERMIT2,
        }
    }

    /// The call, its gas left at the bound of a payer with code.
    #[must_use]
    pub(super) fn call(&self, asset: Address) -> Call {
        let (to, data) = match self {
            Self::Eip3009(transfer) => (asset, transfer.calldata()),
            Self::Permit2(transfer) => (EXACT_PROXY, transfer.calldata()),
        };
        Call { to, data, gas: gas::PERMIT2 + gas::APPROVAL + gas::WALLET }
    }
}

impl Transfer3009 {
    fn calldata(&self) -> Bytes {
        let Eip3009Authorization { from, to, value, valid_after, valid_before, nonce, .. } = self.authorization;
        let data = match &self.signature {
            TokenSignature::Split { v, r, s } => Token::transferWithAuthorization_0Call {
                from,
                to,
                value,
                validAfter: valid_after,
                validBefore: valid_before,
                nonce,
                v: *v,
                r: *r,
                s: *s,
            }
            .abi_encode(),
            TokenSignature::Whole(signature) => Token::transferWithAuthorization_1Call {
                from,
                to,
                value,
                validAfter: valid_after,
                validBefore: valid_before,
                nonce,
                signature: signature.clone(),
            }
            .abi_encode(),
        };
        data.into()
    }
}

impl TransferPermit2 {
    fn calldata(&self) -> Bytes {
        let signed = &self.authorization;
        let permit = abi::PermitTransferFrom {
            permitted: abi::TokenPermissions { token: signed.token, amount: signed.amount },
            nonce: signed.nonce,
            deadline: signed.deadline,
        };
        let witness = abi::Witness { to: signed.to, validAfter: signed.valid_after };
        let (owner, signature) = (signed.from, self.signature.clone());
        let data = match &self.approval {
            Some(Approval::Permit(approval)) => {
                let permit2612 = abi::Permit2612 {
                    value: approval.permit.value,
                    deadline: approval.permit.deadline,
                    r: approval.signature.r(),
                    s: approval.signature.s(),
                    v: approval.signature.v(),
                };
                ExactProxy::settleWithPermitCall { permit2612, permit, owner, witness, signature }.abi_encode()
            }
            Some(Approval::Transaction(_)) | None => {
                ExactProxy::settleCall { permit, owner, witness, signature }.abi_encode()
            }
        };
        data.into()
    }
}

/// The instant as a number of 64 bits; later ones are for ever.
pub(super) fn instant(seconds: U256) -> u64 {
    seconds.saturating_to()
}

/// What an owner has allowed Permit2 to move.
pub(super) fn allowance(asset: Address, owner: Address) -> Call {
    let data = Token::allowanceCall { owner, spender: PERMIT2 }.abi_encode();
    Call { to: asset, data: data.into(), gas: super::diagnosis::READ_GAS }
}

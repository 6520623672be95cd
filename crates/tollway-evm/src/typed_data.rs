//! What a payer signs, as EIP-712 digests: EIP-3009 authorizations, Permit2 permits with the exact
//! proxy's witness, and EIP-2612 approvals.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};

use crate::abi::{PERMIT2, signed};
use crate::payload::{Eip3009Authorization, Permit2Authorization};

/// The EIP-712 domain of a token: what its contract mixes into every signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDomain<'a> {
    /// `extra.name` of the offer.
    pub name: &'a str,
    /// `extra.version` of the offer.
    pub version: &'a str,
    /// The chain.
    pub chain_id: u64,
    /// The token's contract.
    pub contract: Address,
}

/// An approval that anybody may submit (EIP-2612).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Whose balance.
    pub owner: Address,
    /// Who may draw on it.
    pub spender: Address,
    /// How much.
    pub value: U256,
    /// The owner's count of such approvals so far.
    pub nonce: U256,
    /// It holds up to this instant, in Unix seconds.
    pub deadline: U256,
}

impl TokenDomain<'_> {
    /// The digest an EIP-3009 authorization is signed by.
    #[must_use]
    pub fn transfer(&self, authorization: &Eip3009Authorization) -> B256 {
        signed::TransferWithAuthorization {
            from: authorization.from,
            to: authorization.to,
            value: authorization.value,
            validAfter: authorization.valid_after,
            validBefore: authorization.valid_before,
            nonce: authorization.nonce,
        }
        .eip712_signing_hash(&self.domain())
    }

    /// The digest an approval is signed by.
    #[must_use]
    pub fn permit(&self, permit: &Permit) -> B256 {
        signed::Permit {
            owner: permit.owner,
            spender: permit.spender,
            value: permit.value,
            nonce: permit.nonce,
            deadline: permit.deadline,
        }
        .eip712_signing_hash(&self.domain())
    }

    fn domain(&self) -> Eip712Domain {
        Eip712Domain {
            name: Some(Cow::Owned(self.name.to_owned())),
            version: Some(Cow::Owned(self.version.to_owned())),
            chain_id: Some(U256::from(self.chain_id)),
            verifying_contract: Some(self.contract),
            salt: None,
        }
    }
}

/// The digest a Permit2 permit is signed by, its recipient as witness.
#[must_use]
pub fn permit2(chain_id: u64, authorization: &Permit2Authorization) -> B256 {
    // Permit2's domain has no version.
    let domain = Eip712Domain {
        name: Some(Cow::Borrowed("Permit2")),
        version: None,
        chain_id: Some(U256::from(chain_id)),
        verifying_contract: Some(PERMIT2),
        salt: None,
    };
    signed::PermitWitnessTransferFrom {
        permitted: signed::TokenPermissions { token: authorization.token, amount: authorization.amount },
        spender: authorization.spender,
        nonce: authorization.nonce,
        deadline: authorization.deadline,
        witness: signed::Witness { to: authorization.to, validAfter: authorization.valid_after },
    }
    .eip712_signing_hash(&domain)
}

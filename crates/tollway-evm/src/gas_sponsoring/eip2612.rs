//! Approval of Permit2 by a signed EIP-2612 permit, submitted by the exact proxy itself.

use alloy_primitives::{Address, U256};
use serde_json::{Map, Value};

use super::{MARGIN, Sponsored, echo, fits};
use crate::payload::fields::Fields;
use crate::payload::{PayloadError, address_text, hex_text};
use crate::reason::ExactReason;
use crate::signature::EoaSignature;
use crate::typed_data::Permit;

/// A permit and its owner's signature. Whether the signature is the owner's, only the token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPermit {
    /// What is permitted, of the payment's asset.
    pub permit: Permit,
    /// By whom: `r`, `s` and `v` as the proxy wants them.
    pub signature: EoaSignature,
}

impl SignedPermit {
    /// Reads and checks what the payer wrote.
    ///
    /// # Errors
    /// The reference's reason for the first thing that does not fit.
    pub(super) fn check(info: &Map<String, Value>, payment: Sponsored<'_>) -> Result<Self, ExactReason> {
        use ExactReason::{Eip2612Asset, Eip2612Deadline, Eip2612Format, Eip2612From, Eip2612Spender};
        let (asset, permit, signature) = read(info).map_err(|_| Eip2612Format)?;
        let signature = EoaSignature::parse(&signature).map_err(|_| Eip2612Format)?;
        fits((permit.owner, asset, permit.spender), payment, [Eip2612From, Eip2612Asset, Eip2612Spender])?;
        if permit.deadline < U256::from(payment.now.saturating_add(MARGIN)) {
            return Err(Eip2612Deadline);
        }
        // The proxy reverts on any other value, even a larger one.
        if permit.value != payment.authorization.amount {
            return Err(ExactReason::Permit2612Amount);
        }
        Ok(Self { permit, signature })
    }

    /// The extension with this approval in it.
    #[must_use]
    pub fn echo(&self, asset: Address, declared: &Map<String, Value>) -> Value {
        let permit = &self.permit;
        let info = Map::from_iter([
            ("from".to_owned(), address_text(permit.owner)),
            ("asset".to_owned(), address_text(asset)),
            ("spender".to_owned(), address_text(permit.spender)),
            ("amount".to_owned(), permit.value.to_string().into()),
            ("nonce".to_owned(), permit.nonce.to_string().into()),
            ("deadline".to_owned(), permit.deadline.to_string().into()),
            ("signature".to_owned(), hex_text(&self.signature.to_bytes())),
        ]);
        echo(declared, info)
    }
}

fn read(info: &Map<String, Value>) -> Result<(Address, Permit, alloy_primitives::Bytes), PayloadError> {
    let mut fields = Fields::of(info);
    let permit = Permit {
        owner: fields.address("from")?,
        spender: fields.address("spender")?,
        value: fields.decimal("amount")?,
        nonce: fields.decimal("nonce")?,
        deadline: fields.decimal("deadline")?,
    };
    let asset = fields.address("asset")?;
    let signature = fields.bytes("signature", 65)?;
    fields.text("version")?;
    fields.rest("info")?;
    Ok((asset, permit, signature))
}

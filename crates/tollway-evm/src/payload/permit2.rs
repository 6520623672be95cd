//! A permit that Permit2 takes through the exact proxy, which binds it to its recipient by a witness.

use alloy_primitives::{Address, Bytes, U256};
use serde_json::{Map, Value};

use super::fields::{Fields, PayloadError};
use super::{MAX_SIGNATURE, address_text, hex_text};

/// A signed permit.
#[derive(Debug, Clone, PartialEq)]
pub struct Permit2Payload {
    /// The payer's signature over the permit and its witness.
    pub signature: Bytes,
    /// What is permitted.
    pub authorization: Permit2Authorization,
    /// Members beside these two.
    pub rest: Map<String, Value>,
}

/// What the payer permits.
#[derive(Debug, Clone, PartialEq)]
pub struct Permit2Authorization {
    /// Who pays.
    pub from: Address,
    /// The asset's contract.
    pub token: Address,
    /// How much, in atomic units.
    pub amount: U256,
    /// Who may draw on it: the exact proxy.
    pub spender: Address,
    /// What makes it count once.
    pub nonce: U256,
    /// It holds up to this instant, in Unix seconds.
    pub deadline: U256,
    /// Who is paid.
    pub to: Address,
    /// It holds from this instant, in Unix seconds.
    pub valid_after: U256,
    /// Members beside these, of the permit itself.
    pub rest: Map<String, Value>,
    /// Members beside `token` and `amount`.
    pub permitted_rest: Map<String, Value>,
    /// Members beside `to` and `validAfter`.
    pub witness_rest: Map<String, Value>,
}

impl Permit2Payload {
    pub(super) fn from_map(payload: &Map<String, Value>) -> Result<Self, PayloadError> {
        let mut fields = Fields::of(payload);
        let signature = fields.bytes("signature", MAX_SIGNATURE)?;
        let authorization = Permit2Authorization::from_fields(fields.object("permit2Authorization")?)?;
        Ok(Self { signature, authorization, rest: fields.rest("payload")? })
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        let mut map = self.rest.clone();
        map.insert("signature".to_owned(), hex_text(&self.signature));
        map.insert("permit2Authorization".to_owned(), Value::Object(self.authorization.to_map()));
        map
    }
}

impl Permit2Authorization {
    fn from_fields(mut fields: Fields) -> Result<Self, PayloadError> {
        let mut permitted = fields.object("permitted")?;
        let mut witness = fields.object("witness")?;
        Ok(Self {
            from: fields.address("from")?,
            token: permitted.address("token")?,
            amount: permitted.decimal("amount")?,
            spender: fields.address("spender")?,
            nonce: fields.decimal("nonce")?,
            deadline: fields.decimal("deadline")?,
            to: witness.address("to")?,
            valid_after: witness.decimal("validAfter")?,
            rest: fields.rest("permit2Authorization")?,
            permitted_rest: permitted.rest("permitted")?,
            witness_rest: witness.rest("witness")?,
        })
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut permitted = self.permitted_rest.clone();
        permitted.insert("token".to_owned(), address_text(self.token));
        permitted.insert("amount".to_owned(), self.amount.to_string().into());
        let mut witness = self.witness_rest.clone();
        witness.insert("to".to_owned(), address_text(self.to));
        witness.insert("validAfter".to_owned(), self.valid_after.to_string().into());
        let mut map = self.rest.clone();
        map.insert("from".to_owned(), address_text(self.from));
        map.insert("permitted".to_owned(), Value::Object(permitted));
        map.insert("spender".to_owned(), address_text(self.spender));
        map.insert("nonce".to_owned(), self.nonce.to_string().into());
        map.insert("deadline".to_owned(), self.deadline.to_string().into());
        map.insert("witness".to_owned(), Value::Object(witness));
        map
    }
}

//! An authorization the token takes itself (EIP-3009 `transferWithAuthorization`).

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Map, Value};

use super::fields::{Fields, PayloadError};
use super::{MAX_SIGNATURE, address_text, hex_text};

/// A signed authorization.
#[derive(Debug, Clone, PartialEq)]
pub struct Eip3009Payload {
    /// The payer's signature over the authorization.
    pub signature: Bytes,
    /// What is authorized.
    pub authorization: Eip3009Authorization,
    /// Members beside these two.
    pub rest: Map<String, Value>,
}

/// What the payer authorizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Eip3009Authorization {
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, in atomic units.
    pub value: U256,
    /// It holds after this instant, in Unix seconds.
    pub valid_after: U256,
    /// It holds before this instant, in Unix seconds.
    pub valid_before: U256,
    /// What makes it count once.
    pub nonce: B256,
    /// Members beside these; none of them is signed.
    pub rest: Map<String, Value>,
}

impl Eip3009Payload {
    pub(super) fn from_map(payload: &Map<String, Value>) -> Result<Self, PayloadError> {
        let mut fields = Fields::of(payload);
        let signature = fields.bytes("signature", MAX_SIGNATURE)?;
        let authorization = Eip3009Authorization::from_fields(fields.object("authorization")?)?;
        Ok(Self { signature, authorization, rest: fields.rest("payload")? })
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        let mut map = self.rest.clone();
        map.insert("signature".to_owned(), hex_text(&self.signature));
        map.insert("authorization".to_owned(), Value::Object(self.authorization.to_map()));
        map
    }
}

impl Eip3009Authorization {
    fn from_fields(mut fields: Fields) -> Result<Self, PayloadError> {
        Ok(Self {
            from: fields.address("from")?,
            to: fields.address("to")?,
            value: fields.decimal("value")?,
            valid_after: fields.decimal("validAfter")?,
            valid_before: fields.decimal("validBefore")?,
            nonce: fields.word("nonce")?,
            rest: fields.rest("authorization")?,
        })
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut map = self.rest.clone();
        map.insert("from".to_owned(), address_text(self.from));
        map.insert("to".to_owned(), address_text(self.to));
        map.insert("value".to_owned(), self.value.to_string().into());
        map.insert("validAfter".to_owned(), self.valid_after.to_string().into());
        map.insert("validBefore".to_owned(), self.valid_before.to_string().into());
        map.insert("nonce".to_owned(), hex_text(self.nonce.as_slice()));
        map
    }
}

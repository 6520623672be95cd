//! What a buyer sends to pay (x402 v2, `PaymentPayload`), and the payload of the deferred scheme.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::codec;
use crate::limits;
use crate::reason::{Reason, Refusal};
use crate::requirements::PaymentRequirements;
use crate::resource::ResourceInfo;
use crate::version::{self, Version2};

/// The content of the payment header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 2.
    pub x402_version: Version2,
    /// What is bought, if the buyer repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceInfo>,
    /// The offer the buyer chose, as it was sent.
    pub accepted: PaymentRequirements,
    /// What the scheme defines; only the scheme can read it.
    pub payload: Map<String, Value>,
    /// Extension name to its object, as the seller sent it and possibly added to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Map<String, Value>>,
    /// Fields of later versions. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl PaymentPayload {
    /// A payment without resource or extensions.
    #[must_use]
    pub fn new(accepted: PaymentRequirements, payload: Map<String, Value>) -> Self {
        Self { x402_version: Version2, resource: None, accepted, payload, extensions: None, rest: Map::new() }
    }

    /// The header value.
    #[must_use]
    pub fn encode(&self) -> String {
        codec::encode_header(self)
    }

    /// Reads a header value of at most [`limits::PAYMENT_HEADER`] characters.
    ///
    /// # Errors
    /// [`Reason::PaymentTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::MalformedPayment`].
    pub fn decode(text: &str) -> Result<Self, Refusal> {
        let value = codec::header_value(text, limits::PAYMENT_HEADER)?;
        version::check(&value)?;
        codec::typed(value, Reason::MalformedPayment)
    }

    /// Reads JSON that stands in another message, at most [`limits::PAYMENT_META`] bytes.
    ///
    /// # Errors
    /// [`Reason::PaymentTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::MalformedPayment`].
    pub fn decode_json(json: &[u8]) -> Result<Self, Refusal> {
        let value = codec::payment_value(json)?;
        version::check(&value)?;
        codec::typed(value, Reason::MalformedPayment)
    }
}

/// The payload of `batch-settlement` backed by credit: the sum promised. Who promises is said by
/// the message signature, not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredPayload {
    /// How much, in atomic units.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
}

impl DeferredPayload {
    /// Reads the scheme's part of a payment; members it does not know are ignored.
    ///
    /// # Errors
    /// [`Reason::MalformedPayment`] if amount or asset is missing or malformed.
    pub fn from_map(payload: &Map<String, Value>) -> Result<Self, Refusal> {
        codec::typed(Value::Object(payload.clone()), Reason::MalformedPayment)
    }

    /// The scheme's part of a payment.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        Map::from_iter([
            ("amount".to_owned(), self.amount.to_string().into()),
            ("asset".to_owned(), self.asset.as_str().into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deferred_payload_round_trips_and_refuses_odd_sums() {
        let sum = DeferredPayload { amount: Amount::new(5), asset: Asset::usd() };
        assert_eq!(DeferredPayload::from_map(&sum.to_map()), Ok(sum));
        for odd in [json!({"amount": 5, "asset": "USD"}), json!({"amount": "5"}), json!({})] {
            let refusal = DeferredPayload::from_map(odd.as_object().unwrap()).unwrap_err();
            assert_eq!(refusal.reason, Reason::MalformedPayment);
        }
    }
}

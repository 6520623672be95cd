//! What a seller asks for before it serves (x402 v2, `PaymentRequired`).

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::codec;
use crate::limits;
use crate::reason::{Reason, Refusal};
use crate::requirements::PaymentRequirements;
use crate::resource::ResourceInfo;
use crate::version::{self, Version2};

/// The content of the demand header of a 402, or of the same JSON in a body or an MCP result.
///
/// An entry of `accepts` that cannot be read is left out: a buyer could not pay it, and a stranger
/// among the offers must not hide those it can pay. With no entry left the message is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Always 2.
    pub x402_version: Version2,
    /// Why the request was not served as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is for sale.
    pub resource: ResourceInfo,
    /// The ways to pay, at least one.
    #[serde(deserialize_with = "readable")]
    pub accepts: Vec<PaymentRequirements>,
    /// Extension name to its object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Map<String, Value>>,
    /// Fields of later versions. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl PaymentRequired {
    /// A demand without error or extensions.
    #[must_use]
    pub fn new(resource: ResourceInfo, accepts: Vec<PaymentRequirements>) -> Self {
        Self { x402_version: Version2, error: None, resource, accepts, extensions: None, rest: Map::new() }
    }

    /// The header value.
    #[must_use]
    pub fn encode(&self) -> String {
        codec::encode_header(self)
    }

    /// Reads a header value of at most [`limits::DEMAND_HEADER_READ`] characters.
    ///
    /// # Errors
    /// [`Reason::PaymentTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::MalformedPayment`].
    pub fn decode(text: &str) -> Result<Self, Refusal> {
        let value = codec::header_value(text, limits::DEMAND_HEADER_READ)?;
        version::check(&value)?;
        codec::typed(value, Reason::MalformedPayment)
    }

    /// Reads JSON of at most [`limits::DEMAND_BODY`] bytes, as an MCP result carries it.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::InvalidPayload`].
    pub fn decode_json(json: &[u8]) -> Result<Self, Refusal> {
        let value = codec::json_value(json, limits::DEMAND_BODY)?;
        version::check(&value)?;
        codec::typed(value, Reason::InvalidPayload)
    }
}

/// The entries of an `accepts` that are of type `T`, at least one.
pub(crate) fn readable<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let entries = Vec::<Value>::deserialize(deserializer)?;
    let offers: Vec<T> = entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect();
    if offers.is_empty() {
        return Err(D::Error::custom("accepts holds no offer that can be read"));
    }
    Ok(offers)
}

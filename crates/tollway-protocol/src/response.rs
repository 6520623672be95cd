//! What a facilitator is asked and what it answers (x402 v2), and the receipt made of the answer.
//!
//! An answer is read by its `isValid` or `success`, which must be there: "not known" never becomes
//! yes or no. An answer that says yes and names an error is refused.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::codec;
use crate::limits;
use crate::network::Network;
use crate::payload::PaymentPayload;
use crate::reason::{Reason, Refusal};
use crate::requirements::PaymentRequirements;
use crate::version::{self, Version2};
use crate::wire::{SettleWire, VerifyWire};

/// The body of a request to verify or to settle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest {
    /// Always 2.
    pub x402_version: Version2,
    /// The buyer's payment.
    pub payment_payload: PaymentPayload,
    /// The seller's own offer; never the buyer's echo of it.
    pub payment_requirements: PaymentRequirements,
    /// Fields of later versions. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What any answer may carry besides its outcome.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attachments {
    /// Extension name to its object.
    pub extensions: Option<Map<String, Value>>,
    /// What the facilitator's extensions answered.
    pub extension_responses: Option<Map<String, Value>>,
    /// What the scheme adds.
    pub extra: Option<Map<String, Value>>,
    /// Every other top-level field, such as `asset` and `timestamp` of a deferred receipt.
    pub rest: Map<String, Value>,
}

/// Whether a payment would settle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "VerifyWire", into = "VerifyWire")]
pub enum VerifyResponse {
    /// It would.
    Valid {
        /// Who pays, if the scheme can tell.
        payer: Option<String>,
        /// What else was said.
        attachments: Attachments,
    },
    /// It would not.
    Invalid {
        /// A code; other implementations have codes of their own.
        reason: Option<String>,
        /// The same for people.
        message: Option<String>,
        /// Who would have paid.
        payer: Option<String>,
        /// What else was said.
        attachments: Attachments,
    },
}

/// Whether a payment settled; also the content of the receipt header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SettleWire", into = "SettleWire")]
pub enum SettleResponse {
    /// It did.
    Settled(Settlement),
    /// It did not.
    Failed(SettleFailure),
}

/// A payment that settled, or a promise that was booked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Id on the network: a chain's transfer, or the commitment id. Empty only for schemes that
    /// settle later without an id.
    pub transaction: String,
    /// Where it settled.
    pub network: Network,
    /// Who paid.
    pub payer: Option<String>,
    /// What was charged, in atomic units.
    pub amount: Option<Amount>,
    /// What else was said.
    pub attachments: Attachments,
}

/// A payment that did not settle.
#[derive(Debug, Clone, PartialEq)]
pub struct SettleFailure {
    /// A code; other implementations have codes of their own.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// Id of the attempt, if there is one: a reverted transfer still has an id.
    pub transaction: Option<String>,
    /// Where it was attempted.
    pub network: Option<Network>,
    /// Who would have paid.
    pub payer: Option<String>,
    /// What would have been charged, in atomic units.
    pub amount: Option<Amount>,
    /// What else was said.
    pub attachments: Attachments,
}

/// What a facilitator speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SupportedResponse {
    /// Each pair of scheme and network, by version.
    pub kinds: Vec<SupportedKind>,
    /// Names of extensions.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// The addresses it signs with, by network family such as `eip155:*`.
    #[serde(default)]
    pub signers: Map<String, Value>,
    /// Fields of later versions. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One pair of scheme and network that a facilitator speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    /// 1 or 2; others may appear and are not ours to judge.
    pub x402_version: u64,
    /// The manner of payment.
    pub scheme: String,
    /// A network id, or in version 1 a network's name.
    pub network: String,
    /// What an offer of this kind must say in its `extra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
    /// Fields of later versions. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl FacilitatorRequest {
    /// Asks about this payment against the seller's own offer.
    #[must_use]
    pub fn new(payment_payload: PaymentPayload, payment_requirements: PaymentRequirements) -> Self {
        Self { x402_version: Version2, payment_payload, payment_requirements, rest: Map::new() }
    }

    /// Reads a body of at most [`limits::FACILITATOR_REQUEST`] bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::InvalidPayload`].
    pub fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let value = codec::json_value(body, limits::FACILITATOR_REQUEST)?;
        version::check(&value)?;
        codec::typed(value, Reason::InvalidPayload)
    }
}

impl Settlement {
    /// The receipt of a booked promise, in the form that readers of every published version find
    /// their fields in: asset and time stand at top level, the time in `extra` too.
    ///
    /// `payer` is the agent, `timestamp` the time of booking in Unix seconds.
    #[must_use]
    pub fn promise(
        commitment: impl Into<String>,
        network: Network,
        payer: impl Into<String>,
        charged: (Amount, &Asset),
        timestamp: u64,
    ) -> Self {
        let rest = Map::from_iter([
            ("asset".to_owned(), charged.1.as_str().into()),
            ("timestamp".to_owned(), timestamp.into()),
        ]);
        let extra = Map::from_iter([("timestamp".to_owned(), timestamp.into())]);
        Self {
            transaction: commitment.into(),
            network,
            payer: Some(payer.into()),
            amount: Some(charged.0),
            attachments: Attachments { extra: Some(extra), rest, ..Attachments::default() },
        }
    }

    /// The asset, if the receipt names one.
    #[must_use]
    pub fn asset(&self) -> Option<Asset> {
        self.attachments.rest.get("asset")?.as_str()?.parse().ok()
    }

    /// When it was booked, in Unix seconds, wherever the receipt says it.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        let extra = self.attachments.extra.as_ref();
        let nested = extra.and_then(|extra| extra.get("timestamp"));
        self.attachments.rest.get("timestamp").or(nested)?.as_u64()
    }
}

impl SettleResponse {
    /// The receipt header's value.
    #[must_use]
    pub fn encode(&self) -> String {
        codec::encode_header(self)
    }

    /// Reads a receipt header of at most [`limits::RECEIPT_HEADER`] characters.
    ///
    /// # Errors
    /// [`Reason::ReceiptInvalid`]: it was the seller's to write.
    pub fn decode(text: &str) -> Result<Self, Refusal> {
        codec::decode_header(text, limits::RECEIPT_HEADER)
            .map_err(|refusal| Refusal::new(Reason::ReceiptInvalid, refusal.detail))
    }
}

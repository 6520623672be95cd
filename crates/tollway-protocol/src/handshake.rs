//! The deferred handshake as announced in September 2025: offers in the body of a 402, one RFC 9651
//! dictionary in the request ([`PaymentHeader`]), one in the answer ([`PaymentResponseHeader`]).
//!
//! Ours adds members that the announcement does not have: the sum to a payment, and commitment, sum,
//! sequence and head to a response. Every addition is optional when read.

use std::num::NonZeroU64;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::codec;
use crate::dictionary::{Dictionary, DictionaryWriter, MAX_INTEGER, member};
use crate::limits;
use crate::payload::DeferredPayload;
use crate::reason::{Reason, Refusal};
use crate::reference::Reference;
use crate::required::readable;

const SCHEME: &str = "deferred";

/// The JSON body of a 402. Entries of another scheme, or that cannot be read, are left out; with no
/// entry left it is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandshakeDemand {
    /// The offers, at least one.
    #[serde(deserialize_with = "readable")]
    pub accepts: Vec<HandshakeOffer>,
    /// Other fields of the body. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One offer to pay later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeOffer {
    /// Always `deferred`.
    pub scheme: DeferredScheme,
    /// Who will send the bill. The announcement's own example is no network id, so any name may stand.
    pub network: Reference,
    /// What is for sale: a URL.
    pub resource: String,
    /// How much, in atomic units.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// To whom.
    pub pay_to: String,
    /// How long the seller may take to answer, and the price holds: whole seconds, at least 1.
    pub max_timeout_seconds: NonZeroU64,
    /// Id and terms.
    pub extras: HandshakeExtras,
    /// Other fields of the offer. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What the announcement puts beside an offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeExtras {
    /// The offer's id, which a commitment names.
    pub id: Reference,
    /// Where the terms are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_url: Option<String>,
    /// Other members. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The word `deferred`, and nothing else reads as it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DeferredScheme;

/// A buyer's commitment: the value of [`header::PAYMENT`](crate::header::PAYMENT).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentHeader {
    /// The network of the offer.
    pub network: Reference,
    /// The id of the offer.
    pub id: Reference,
    /// The sum of the offer, so that what was signed says it by itself. Ours.
    pub sum: Option<DeferredPayload>,
}

/// A seller's receipt: the value of
/// [`header::PAYMENT_RESPONSE`](crate::header::PAYMENT_RESPONSE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentResponseHeader {
    /// The network of the offer.
    pub network: Reference,
    /// The id of the offer that was paid.
    pub id: Reference,
    /// When it was booked, in Unix seconds.
    pub timestamp: u64,
    /// The commitment's id in the books. Ours.
    pub commitment: Option<Reference>,
    /// What was charged. Ours.
    pub sum: Option<DeferredPayload>,
    /// The line's number in the seller's journal. Ours.
    pub sequence: Option<u64>,
    /// The journal's head after that line. Ours.
    pub head: Option<Reference>,
}

impl HandshakeDemand {
    /// A body with these offers and nothing else.
    #[must_use]
    pub fn new(accepts: Vec<HandshakeOffer>) -> Self {
        Self { accepts, rest: Map::new() }
    }

    /// The body.
    #[must_use]
    pub fn encode(&self) -> String {
        codec::encode_json(self)
    }

    /// Reads a body of at most [`limits::DEMAND_BODY`] bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`] or [`Reason::InvalidPayload`].
    pub fn decode(body: &[u8]) -> Result<Self, Refusal> {
        codec::decode_json(body, limits::DEMAND_BODY)
    }
}

impl PaymentHeader {
    /// The header value.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut writer = start(&self.network, &self.id);
        write_sum(&mut writer, self.sum.as_ref());
        writer.finish()
    }

    /// Reads a header value of at most [`limits::HANDSHAKE_HEADER`] characters. Every member must be
    /// a string without parameters; members it does not know are ignored.
    ///
    /// # Errors
    /// [`Reason::PaymentTooLarge`], [`Reason::MalformedPayment`] or [`Reason::UnsupportedScheme`].
    pub fn decode(text: &str) -> Result<Self, Refusal> {
        let dictionary = Dictionary::read(text)?.of_strings()?;
        check_scheme(&dictionary)?;
        Ok(Self {
            network: required(&dictionary, "network")?,
            id: required(&dictionary, "id")?,
            sum: read_sum(&dictionary)?,
        })
    }
}

impl PaymentResponseHeader {
    /// The header value.
    ///
    /// # Errors
    /// [`Reason::Internal`] if timestamp or sequence has more than the 15 digits of a header integer.
    pub fn encode(&self) -> Result<String, Refusal> {
        if self.timestamp.max(self.sequence.unwrap_or(0)) > MAX_INTEGER {
            return Err(Refusal::new(Reason::Internal, "a number has more than 15 digits"));
        }
        let mut writer = start(&self.network, &self.id);
        writer.integer("timestamp", self.timestamp);
        if let Some(commitment) = &self.commitment {
            writer.text("commitment", commitment.as_str());
        }
        write_sum(&mut writer, self.sum.as_ref());
        if let Some(sequence) = self.sequence {
            writer.integer("sequence", sequence);
        }
        if let Some(head) = &self.head {
            writer.text("head", head.as_str());
        }
        Ok(writer.finish())
    }

    /// Reads a header value of at most [`limits::HANDSHAKE_HEADER`] characters; members it does not
    /// know are ignored, of whatever type.
    ///
    /// # Errors
    /// [`Reason::ReceiptInvalid`]: it was the seller's to write.
    pub fn decode(text: &str) -> Result<Self, Refusal> {
        Self::read(text).map_err(|refusal| Refusal::new(Reason::ReceiptInvalid, refusal.detail))
    }

    fn read(text: &str) -> Result<Self, Refusal> {
        let dictionary = Dictionary::read(text)?;
        check_scheme(&dictionary)?;
        let timestamp = dictionary.integer("timestamp")?;
        Ok(Self {
            network: required(&dictionary, "network")?,
            id: required(&dictionary, "id")?,
            timestamp: timestamp.ok_or_else(|| member("timestamp", "is missing"))?,
            commitment: dictionary.parsed("commitment")?,
            sum: read_sum(&dictionary)?,
            sequence: dictionary.integer("sequence")?,
            head: dictionary.parsed("head")?,
        })
    }
}

impl Serialize for DeferredScheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SCHEME)
    }
}

impl<'de> Deserialize<'de> for DeferredScheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if String::deserialize(deserializer)? == SCHEME {
            Ok(Self)
        } else {
            Err(serde::de::Error::custom("scheme is not deferred"))
        }
    }
}

fn start(network: &Reference, id: &Reference) -> DictionaryWriter {
    let mut writer = DictionaryWriter::default();
    writer.text("scheme", SCHEME);
    writer.text("network", network.as_str());
    writer.text("id", id.as_str());
    writer
}

fn write_sum(writer: &mut DictionaryWriter, sum: Option<&DeferredPayload>) {
    if let Some(sum) = sum {
        writer.text("amount", &sum.amount.to_string());
        writer.text("asset", sum.asset.as_str());
    }
}

fn check_scheme(dictionary: &Dictionary) -> Result<(), Refusal> {
    match dictionary.text("scheme")? {
        Some(SCHEME) => Ok(()),
        Some(_) => Err(Refusal::new(Reason::UnsupportedScheme, "scheme is not deferred")),
        None => Err(member("scheme", "is missing")),
    }
}

fn required(dictionary: &Dictionary, key: &'static str) -> Result<Reference, Refusal> {
    dictionary.parsed(key)?.ok_or_else(|| member(key, "is missing"))
}

/// An amount without its asset, or the reverse, says nothing and is refused.
fn read_sum(dictionary: &Dictionary) -> Result<Option<DeferredPayload>, Refusal> {
    match (dictionary.parsed("amount")?, dictionary.parsed("asset")?) {
        (Some(amount), Some(asset)) => Ok(Some(DeferredPayload { amount, asset })),
        (None, None) => Ok(None),
        _ => Err(member("amount", "and asset stand together or not at all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_too_long_for_a_header_is_refused_when_written() {
        let word = |text: &str| text.parse::<Reference>().unwrap();
        let response = PaymentResponseHeader {
            network: word("tollway:402"),
            id: word("abc123"),
            timestamp: MAX_INTEGER,
            commitment: None,
            sum: None,
            sequence: Some(MAX_INTEGER),
            head: None,
        };
        let header = response.encode().unwrap();
        assert_eq!(PaymentResponseHeader::decode(&header), Ok(response.clone()));
        let sequence = Some(MAX_INTEGER + 1);
        let late = PaymentResponseHeader { timestamp: MAX_INTEGER + 1, ..response.clone() };
        for longer in [PaymentResponseHeader { sequence, ..response }, late] {
            assert_eq!(longer.encode().unwrap_err().reason, Reason::Internal);
        }
    }
}

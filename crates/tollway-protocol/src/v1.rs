//! Version 1 of x402, as its deployed clients, servers and facilitators write it
//! (`specs/x402-specification-v1.md`). The only file that knows it: everything else is said in the
//! words of version 2, and this file turns one into the other.
//!
//! What differs: the demand is the 402's body; networks have names; the price is called
//! `maxAmountRequired`; the resource stands in each entry; a payment does not echo what it accepts.

use std::num::NonZeroU64;

use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::codec;
use crate::limits;
use crate::network::Network;
use crate::reason::{Reason, Refusal};
use crate::requirements::PaymentRequirements as Requirements2;
use crate::resource::ResourceInfo;
use crate::response::{FacilitatorRequest as FacilitatorRequest2, SettleResponse, VerifyResponse};

const NUMBER: u64 = 1;
/// The one scheme of version 1.
const EXACT: &str = "exact";
/// The one way in which an asset moves there (`assetTransferMethod` in version 2).
const EIP3009: &str = "eip3009";
/// The longest URL of a resource that is read.
const MAX_URL: usize = 2048;

/// Names of networks and the ids they stand for (CAIP-2).
const NETWORKS: &[(&str, &str)] = &[
    ("base", "eip155:8453"),
    ("base-sepolia", "eip155:84532"),
    ("ethereum", "eip155:1"),
    ("sepolia", "eip155:11155111"),
    ("abstract", "eip155:2741"),
    ("abstract-testnet", "eip155:11124"),
    ("avalanche", "eip155:43114"),
    ("avalanche-fuji", "eip155:43113"),
    ("iotex", "eip155:4689"),
    ("sei", "eip155:1329"),
    ("sei-testnet", "eip155:1328"),
    ("polygon", "eip155:137"),
    ("polygon-amoy", "eip155:80002"),
    ("peaq", "eip155:3338"),
    ("story", "eip155:1514"),
    ("educhain", "eip155:41923"),
    ("skale-base-sepolia", "eip155:324705682"),
    ("megaeth", "eip155:4326"),
    ("monad", "eip155:143"),
    ("stable", "eip155:988"),
    ("stable-testnet", "eip155:2201"),
    ("celo", "eip155:42220"),
    ("flare", "eip155:14"),
    ("solana", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
    ("solana-devnet", "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"),
    ("solana-testnet", "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z"),
];

/// `x402Version` of a v1 message: the number 1, and nothing else reads as it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version1;

/// The body of a v1 402.
///
/// Entries of `accepts` that cannot be read are left out; with none left the message is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// Always 1.
    pub x402_version: Version1,
    /// Why the request was not served as it came.
    #[serde(default)]
    pub error: String,
    /// The ways to pay, at least one.
    #[serde(deserialize_with = "crate::required::readable")]
    pub accepts: Vec<PaymentRequirements>,
    /// Fields that other servers add.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One way to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// The manner of payment.
    pub scheme: String,
    /// Where it settles.
    #[serde(with = "named")]
    pub network: Network,
    /// How much, in atomic units.
    pub max_amount_required: Amount,
    /// What is sold: its URL.
    #[serde(deserialize_with = "url")]
    pub resource: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Its media type.
    #[serde(default)]
    pub mime_type: String,
    /// What the resource takes and gives, for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// To whom.
    pub pay_to: String,
    /// How long the seller may take to answer, in whole seconds.
    pub max_timeout_seconds: NonZeroU64,
    /// Of what.
    pub asset: Asset,
    /// What the scheme needs besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
}

/// The content of the v1 payment header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// Always 1.
    pub x402_version: Version1,
    /// The manner of payment.
    pub scheme: String,
    /// Where it settles.
    #[serde(with = "named")]
    pub network: Network,
    /// What the scheme defines.
    pub payload: Map<String, Value>,
}

/// The body of a v1 request to verify or to settle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest {
    /// Always 1.
    pub x402_version: Version1,
    /// The buyer's payment.
    pub payment_payload: PaymentPayload,
    /// The seller's own offer.
    pub payment_requirements: PaymentRequirements,
}

/// The v1 name of a network, if it has one.
#[must_use]
pub fn network_name(network: &Network) -> Option<&'static str> {
    NETWORKS.iter().find(|(_, id)| *id == network.as_str()).map(|(name, _)| *name)
}

/// The network with this v1 name.
#[must_use]
pub fn network_named(name: &str) -> Option<Network> {
    NETWORKS.iter().find(|(known, _)| *known == name).and_then(|(_, id)| id.parse().ok())
}

/// Whether a facilitator's request, or any message of x402, says that it is of version 1.
#[must_use]
pub fn is_v1(body: &[u8], cap: usize) -> bool {
    codec::json_value(body, cap).is_ok_and(|value| version(&value) == Some(NUMBER))
}

impl PaymentRequired {
    /// A demand in version 1, made of entries of version 2; those without a v1 form are left out,
    /// and with none left there is no such demand.
    #[must_use]
    pub fn of(error: &str, resource: &ResourceInfo, accepts: &[Requirements2]) -> Option<Self> {
        let accepts: Vec<_> = accepts.iter().filter_map(|entry| PaymentRequirements::of(resource, entry)).collect();
        let demand = |accepts| Self { x402_version: Version1, error: error.to_owned(), accepts, rest: Map::new() };
        (!accepts.is_empty()).then(|| demand(accepts))
    }

    /// The body of the 402.
    #[must_use]
    pub fn encode(&self) -> String {
        codec::encode_json(self)
    }

    /// Reads a body of at most [`limits::DEMAND_BODY`] bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::InvalidPayload`].
    pub fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let value = codec::json_value(body, limits::DEMAND_BODY)?;
        check(&value)?;
        codec::typed(value, Reason::InvalidPayload)
    }
}

impl PaymentRequirements {
    /// The v1 form of an entry, if it has one: its scheme is `exact`, its network has a v1 name, and
    /// its asset moves in the one way that v1 knows. A v1 client told of another would sign for this.
    #[must_use]
    pub fn of(resource: &ResourceInfo, entry: &Requirements2) -> Option<Self> {
        network_name(&entry.network)?;
        let method = entry.extra("assetTransferMethod");
        if entry.scheme != EXACT || method.is_some_and(|method| method != EIP3009) {
            return None;
        }
        Some(Self {
            scheme: entry.scheme.clone(),
            network: entry.network.clone(),
            max_amount_required: entry.amount,
            resource: resource.url.clone(),
            description: resource.description.clone().unwrap_or_default(),
            mime_type: resource.mime_type.clone().unwrap_or_default(),
            output_schema: None,
            pay_to: entry.pay_to.clone(),
            max_timeout_seconds: entry.max_timeout_seconds,
            asset: entry.asset.clone(),
            extra: entry.extra.clone(),
        })
    }

    /// What is sold, in the words of version 2.
    #[must_use]
    pub fn resource(&self) -> ResourceInfo {
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        ResourceInfo {
            description: said(&self.description),
            mime_type: said(&self.mime_type),
            ..ResourceInfo::at(self.resource.clone())
        }
    }

    /// The same in the words of version 2.
    #[must_use]
    pub fn to_v2(&self) -> Requirements2 {
        Requirements2 {
            scheme: self.scheme.clone(),
            network: self.network.clone(),
            amount: self.max_amount_required,
            asset: self.asset.clone(),
            pay_to: self.pay_to.clone(),
            max_timeout_seconds: self.max_timeout_seconds,
            extra: self.extra.clone(),
            rest: Map::new(),
        }
    }
}

impl PaymentPayload {
    /// A payment for these requirements.
    ///
    /// # Errors
    /// [`Reason::UnsupportedNetwork`] where the network has no v1 name.
    pub fn answering(requirements: &Requirements2, payload: Map<String, Value>) -> Result<Self, Refusal> {
        if network_name(&requirements.network).is_none() {
            return Err(Refusal::new(Reason::UnsupportedNetwork, "the network has no name in version 1"));
        }
        let (scheme, network) = (requirements.scheme.clone(), requirements.network.clone());
        Ok(Self { x402_version: Version1, scheme, network, payload })
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
        check(&value)?;
        codec::typed(value, Reason::MalformedPayment)
    }

    /// Reads JSON that stands in another message, at most [`limits::PAYMENT_META`] bytes.
    ///
    /// # Errors
    /// [`Reason::PaymentTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::MalformedPayment`].
    pub fn decode_json(json: &[u8]) -> Result<Self, Refusal> {
        let value = codec::payment_value(json)?;
        check(&value)?;
        codec::typed(value, Reason::MalformedPayment)
    }

    /// The same payment in the words of version 2, as an answer to our own entry. A v1 payment names
    /// scheme and network only; everything else of `accepted` is what we say it is.
    ///
    /// # Errors
    /// [`Reason::UnsupportedScheme`] or [`Reason::UnsupportedNetwork`] where the entry is not of the
    /// payment's scheme and network.
    pub fn to_v2(&self, accepted: &Requirements2) -> Result<crate::payload::PaymentPayload, Refusal> {
        if self.scheme != accepted.scheme {
            return Err(Refusal::new(Reason::UnsupportedScheme, "the payment is of another scheme"));
        }
        if self.network != accepted.network {
            return Err(Refusal::new(Reason::UnsupportedNetwork, "the payment is on another network"));
        }
        Ok(crate::payload::PaymentPayload::new(accepted.clone(), self.payload.clone()))
    }
}

impl FacilitatorRequest {
    /// Reads a body of at most [`limits::FACILITATOR_REQUEST`] bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`], [`Reason::UnsupportedVersion`] or [`Reason::InvalidPayload`].
    pub fn decode(body: &[u8]) -> Result<Self, Refusal> {
        let value = codec::json_value(body, limits::FACILITATOR_REQUEST)?;
        check(&value)?;
        codec::typed(value, Reason::InvalidPayload)
    }

    /// The same in the words of version 2.
    ///
    /// # Errors
    /// As [`PaymentPayload::to_v2`].
    pub fn to_v2(&self) -> Result<FacilitatorRequest2, Refusal> {
        let requirements = self.payment_requirements.to_v2();
        let mut payment = self.payment_payload.to_v2(&requirements)?;
        payment.resource = Some(self.payment_requirements.resource());
        Ok(FacilitatorRequest2::new(payment, requirements))
    }
}

/// A v1 receipt header, or a facilitator's v1 answer to `/settle` as JSON: version 2 with the
/// network's name.
#[must_use]
pub fn settle_response(response: &SettleResponse) -> Value {
    let mut value = serde_json::to_value(response).unwrap_or_default();
    let network = match response {
        SettleResponse::Settled(settlement) => Some(&settlement.network),
        SettleResponse::Failed(failure) => failure.network.as_ref(),
    };
    let name = network.map(|network| network_name(network).unwrap_or(network.as_str()));
    if let Some(object) = value.as_object_mut() {
        object.insert("network".to_owned(), name.unwrap_or_default().into());
        // Version 1 has no amount, and its readers' schemas are closed.
        object.retain(|key, _| RECEIPT.contains(&key.as_str()));
    }
    value
}

/// Members of a v1 receipt.
const RECEIPT: [&str; 5] = ["success", "errorReason", "transaction", "network", "payer"];

/// What version 1 calls a reason by another name.
const REASONS: [(&str, &str); 1] =
    [("invalid_exact_evm_payload_authorization_value_mismatch", "invalid_exact_evm_authorization_value")];

/// A facilitator's v1 answer to `/verify` as JSON.
#[must_use]
pub fn verify_response(response: &VerifyResponse) -> Value {
    let mut value = serde_json::to_value(response).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        let reason = object.get("invalidReason").and_then(Value::as_str);
        if let Some((_, old)) = REASONS.iter().find(|(new, _)| Some(*new) == reason) {
            object.insert("invalidReason".to_owned(), (*old).into());
        }
        object.retain(|key, _| ["isValid", "invalidReason", "payer"].contains(&key.as_str()));
    }
    value
}

/// The value of a v1 receipt header.
#[must_use]
pub fn encode_receipt(response: &SettleResponse) -> String {
    codec::encode_header(&settle_response(response))
}

/// Reads a v1 receipt header of at most [`limits::RECEIPT_HEADER`] characters.
///
/// # Errors
/// [`Reason::ReceiptInvalid`]: it was the seller's to write.
pub fn decode_receipt(text: &str) -> Result<SettleResponse, Refusal> {
    let invalid = |refusal: Refusal| Refusal::new(Reason::ReceiptInvalid, refusal.detail);
    read_receipt(codec::header_value(text, limits::RECEIPT_HEADER).map_err(invalid)?)
}

/// Reads a v1 receipt as JSON of at most [`limits::RECEIPT_HEADER`] bytes.
///
/// # Errors
/// [`Reason::ReceiptInvalid`]: it was the seller's to write.
pub fn decode_receipt_json(json: &[u8]) -> Result<SettleResponse, Refusal> {
    let invalid = |refusal: Refusal| Refusal::new(Reason::ReceiptInvalid, refusal.detail);
    read_receipt(codec::json_value(json, limits::RECEIPT_HEADER).map_err(invalid)?)
}

fn read_receipt(mut value: Value) -> Result<SettleResponse, Refusal> {
    if let Some(name) = value.get("network").and_then(Value::as_str)
        && let Some(network) = network_named(name)
    {
        value["network"] = network.as_str().into();
    }
    codec::typed(value, Reason::ReceiptInvalid)
}

fn version(message: &Value) -> Option<u64> {
    message.get("x402Version").and_then(Value::as_u64)
}

fn check(message: &Value) -> Result<(), Refusal> {
    match version(message) {
        Some(other) if other != NUMBER => {
            Err(Refusal::new(Reason::UnsupportedVersion, format!("x402Version is {other}, not 1")))
        }
        _ => Ok(()),
    }
}

impl Serialize for Version1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            NUMBER => Ok(Self),
            other => Err(D::Error::custom(format_args!("x402Version is {other}, not 1"))),
        }
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    if url.is_empty() || url.len() > MAX_URL {
        return Err(D::Error::custom("resource is not 1 to 2048 characters"));
    }
    Ok(url)
}

/// Serde for a network by its v1 name.
mod named {
    use super::{Deserialize, Deserializer, Error, Network, Serializer, network_name, network_named};

    pub(super) fn serialize<S: Serializer>(network: &Network, serializer: S) -> Result<S::Ok, S::Error> {
        let unnamed = || serde::ser::Error::custom("the network has no name in version 1");
        serializer.serialize_str(network_name(network).ok_or_else(unnamed)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        let name = String::deserialize(deserializer)?;
        network_named(&name).ok_or_else(|| D::Error::custom("not the name of a network in version 1"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

    fn entry(network: &str) -> Requirements2 {
        serde_json::from_value(json!({"scheme": "exact", "network": network, "amount": "1000", "payTo": PAYEE,
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "maxTimeoutSeconds": 60,
            "extra": {"name": "USDC", "version": "2"}}))
        .unwrap()
    }

    #[test]
    fn names_and_ids_stand_for_each_other() {
        for (name, id) in NETWORKS {
            let network = network_named(name).unwrap();
            assert_eq!((network.as_str(), network_name(&network)), (*id, Some(*name)));
        }
        assert_eq!(network_named("eip155:8453"), None);
        assert_eq!(network_name(&Network::tollway()), None);
    }

    #[test]
    fn a_demand_holds_only_what_version_1_can_say() {
        let resource = ResourceInfo::at("https://shop.example/a");
        let entries = [entry("tollway:402"), entry("eip155:84532"), entry("eip155:42161")];
        let demand = PaymentRequired::of("Payment required", &resource, &entries).unwrap();
        let expected = json!({"x402Version": 1, "error": "Payment required", "accepts": [{
            "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "1000",
            "resource": "https://shop.example/a", "description": "", "mimeType": "", "payTo": PAYEE,
            "maxTimeoutSeconds": 60, "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "extra": {"name": "USDC", "version": "2"}}]});
        assert_eq!(serde_json::from_str::<Value>(&demand.encode()).unwrap(), expected);
        let read = PaymentRequired::decode(demand.encode().as_bytes()).unwrap();
        assert_eq!(read.accepts[0].to_v2(), entry("eip155:84532"));
        assert_eq!(PaymentRequired::of("", &resource, &entries[..1]), None);
    }

    #[test]
    fn a_payment_becomes_an_answer_to_our_own_entry() {
        let payload = json!({"signature": "0x01", "authorization": {}}).as_object().unwrap().clone();
        let sent = PaymentPayload::answering(&entry("eip155:84532"), payload.clone()).unwrap().encode();
        let read = PaymentPayload::decode(&sent).unwrap();
        let answer = read.to_v2(&entry("eip155:84532")).unwrap();
        assert_eq!((answer.accepted, answer.payload), (entry("eip155:84532"), payload.clone()));
        let reason = |entry: &Requirements2| read.to_v2(entry).unwrap_err().reason;
        assert_eq!(reason(&entry("eip155:8453")), Reason::UnsupportedNetwork);
        assert_eq!(
            reason(&Requirements2 { scheme: "upto".to_owned(), ..entry("eip155:84532") }),
            Reason::UnsupportedScheme
        );
        assert!(PaymentPayload::answering(&entry("tollway:402"), payload).is_err());
    }

    #[test]
    fn threat_70_what_is_no_v1_payment_is_refused_with_its_reason() {
        let reason = |value: Value| PaymentPayload::decode(&codec::encode_header(&value)).unwrap_err().reason;
        let good = json!({"x402Version": 1, "scheme": "exact", "network": "base", "payload": {}});
        assert!(PaymentPayload::decode(&codec::encode_header(&good)).is_ok());
        for (key, wrong, expected) in [
            ("x402Version", json!(2), Reason::UnsupportedVersion),
            ("x402Version", json!("1"), Reason::MalformedPayment),
            ("network", json!("eip155:8453"), Reason::MalformedPayment),
            ("network", json!("nowhere"), Reason::MalformedPayment),
            ("payload", json!("e30="), Reason::MalformedPayment),
            ("scheme", json!(null), Reason::MalformedPayment),
        ] {
            let mut value = good.clone();
            value[key] = wrong;
            assert_eq!(reason(value), expected, "{key}");
        }
        assert_eq!(PaymentPayload::decode("!!!").unwrap_err().reason, Reason::MalformedPayment);
        assert_eq!(PaymentPayload::decode(&"A".repeat(10_000)).unwrap_err().reason, Reason::PaymentTooLarge);
    }

    #[test]
    fn receipts_go_there_and_back() {
        for value in [
            json!({"success": true, "transaction": "0xab", "network": "base-sepolia", "payer": PAYEE}),
            json!({"success": false, "errorReason": "settlement_pending", "transaction": "0xab", "network": "base-sepolia"}),
        ] {
            let read = decode_receipt(&codec::encode_header(&value)).unwrap();
            assert_eq!(settle_response(&read), value);
            assert_eq!(decode_receipt(&encode_receipt(&read)).unwrap(), read);
        }
        let two = json!({"success": true, "transaction": "0xab", "network": "base", "amount": "5", "extra": {"a": 1}});
        let told = settle_response(&decode_receipt(&codec::encode_header(&two)).unwrap());
        assert_eq!(told, json!({"success": true, "transaction": "0xab", "network": "base"}));
        let empty = json!({"success": true, "transaction": "0xab"});
        assert_eq!(decode_receipt(&codec::encode_header(&empty)).unwrap_err().reason, Reason::ReceiptInvalid);
    }

    #[test]
    fn a_facilitator_s_request_is_read_in_the_words_of_version_2() {
        let resource = ResourceInfo::at("https://shop.example/a");
        let requirements = PaymentRequirements::of(&resource, &entry("eip155:84532")).unwrap();
        let body = json!({"x402Version": 1, "paymentRequirements": requirements,
            "paymentPayload": {"x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": {"signature": "0x"}}});
        let body = body.to_string();
        assert!(is_v1(body.as_bytes(), limits::FACILITATOR_REQUEST));
        let request = FacilitatorRequest::decode(body.as_bytes()).unwrap().to_v2().unwrap();
        assert_eq!(request.payment_requirements, entry("eip155:84532"));
        assert!(!is_v1(b"{\"x402Version\":2}", 100));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..512), text in "[ -~]{0,200}") {
            let _ = PaymentRequired::decode(&bytes);
            let _ = FacilitatorRequest::decode(&bytes);
            let _ = PaymentPayload::decode(&text);
            let _ = decode_receipt(&text);
        }
    }
}

//! Every wire form by name: decode it to neutral JSON, and encode it from there.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tollway_protocol::crawl;
use tollway_protocol::limits::FACILITATOR_RESPONSE;
use tollway_protocol::{
    Amount, Asset, CrawlerCommitment, CrawlerError, DeferredPayload, Dress, FacilitatorRequest, HandshakeDemand,
    Network, PaymentHeader, PaymentPayload, PaymentRequired, PaymentResponseHeader, Price, Reference, Refusal,
    SettleResponse, SupportedResponse, VerifyResponse, decode_json, encode_header, encode_json, v1,
};

/// What a wire text means, and how this crate writes the same again.
pub(crate) struct Reading {
    pub(crate) decoded: Value,
    pub(crate) encoded: String,
}

/// Every kind that [`read`] knows.
pub(crate) const KINDS: &[&str] = &[
    "payment_required",
    "payment_payload",
    "receipt",
    "settle_response",
    "verify_response",
    "supported_response",
    "facilitator_request",
    "handshake_demand",
    "payment",
    "payment_response",
    "crawler_price",
    "crawler_charged",
    "crawler_exact_price",
    "crawler_max_price",
    "crawler_error",
    "v1_demand",
    "v1_payment",
    "v1_receipt",
    "v1_facilitator_request",
    "v1_network",
    "network",
    "dress",
    "asset",
    "amount",
];

/// Decodes a wire text of this kind. `None` where the kind has no typed refusal of its own.
pub(crate) fn read(kind: &str, wire: &str) -> Result<Reading, Option<Refusal>> {
    match kind {
        "payment_required" => message(PaymentRequired::decode(wire)?, PaymentRequired::encode),
        "payment_payload" => message(PaymentPayload::decode(wire)?, PaymentPayload::encode),
        "receipt" => message(SettleResponse::decode(wire)?, SettleResponse::encode),
        "settle_response" => body::<SettleResponse>(wire, FACILITATOR_RESPONSE),
        "verify_response" => body::<VerifyResponse>(wire, FACILITATOR_RESPONSE),
        "supported_response" => body::<SupportedResponse>(wire, FACILITATOR_RESPONSE),
        "facilitator_request" => message(FacilitatorRequest::decode(wire.as_bytes())?, encode_json),
        "handshake_demand" => message(HandshakeDemand::decode(wire.as_bytes())?, HandshakeDemand::encode),
        "payment" => payment(wire),
        "payment_response" => payment_response(wire),
        "crawler_price" | "crawler_charged" => {
            let price = crawl::decode_price(wire)?;
            Ok(Reading { decoded: price_json(&price), encoded: price.to_crawler() })
        }
        "crawler_exact_price" => commitment(Some(wire), None),
        "crawler_max_price" => commitment(None, Some(wire)),
        "crawler_error" => word::<CrawlerError>(wire),
        "v1_demand" => message(v1::PaymentRequired::decode(wire.as_bytes())?, encode_json),
        "v1_payment" => message(v1::PaymentPayload::decode(wire)?, v1::PaymentPayload::encode),
        "v1_receipt" => {
            let receipt = v1::decode_receipt(wire)?;
            Ok(Reading { decoded: v1::settle_response(&receipt), encoded: v1::encode_receipt(&receipt) })
        }
        "v1_facilitator_request" => message(v1::FacilitatorRequest::decode(wire.as_bytes())?, encode_json),
        "v1_network" => {
            let network = v1::network_named(wire).ok_or(None)?;
            let encoded = v1::network_name(&network).ok_or(None)?.to_owned();
            Ok(Reading { decoded: encoded.clone().into(), encoded })
        }
        "network" => word::<Network>(wire),
        "dress" => word::<Dress>(wire),
        "asset" => word::<Asset>(wire),
        "amount" => word::<Amount>(wire),
        other => panic!("no such kind: {other}"),
    }
}

/// Encodes neutral JSON as a wire text of this kind, without having read one.
pub(crate) fn write(kind: &str, decoded: &Value) -> String {
    match kind {
        "payment_required" => from_json::<PaymentRequired>(decoded).encode(),
        "payment_payload" => from_json::<PaymentPayload>(decoded).encode(),
        "receipt" => from_json::<SettleResponse>(decoded).encode(),
        "settle_response" => encode_json(&from_json::<SettleResponse>(decoded)),
        "verify_response" => encode_json(&from_json::<VerifyResponse>(decoded)),
        "supported_response" => encode_json(&from_json::<SupportedResponse>(decoded)),
        "facilitator_request" => encode_json(&from_json::<FacilitatorRequest>(decoded)),
        "handshake_demand" => from_json::<HandshakeDemand>(decoded).encode(),
        "payment" => {
            let (network, id) = (name(decoded, "network"), name(decoded, "id"));
            PaymentHeader { network, id, sum: sum(decoded) }.encode()
        }
        "payment_response" => response_from(decoded).encode().unwrap(),
        "crawler_price" | "crawler_charged" => price_from(decoded).to_crawler(),
        "crawler_exact_price" => CrawlerCommitment::Exact(price_from(decoded)).encode().1,
        "crawler_max_price" => CrawlerCommitment::Max(price_from(decoded)).encode().1,
        "crawler_error" => decoded.as_str().unwrap().parse::<CrawlerError>().unwrap().to_string(),
        "v1_demand" => encode_json(&from_json::<v1::PaymentRequired>(decoded)),
        "v1_payment" => from_json::<v1::PaymentPayload>(decoded).encode(),
        "v1_receipt" => v1::encode_receipt(&v1::decode_receipt(&encode_header(decoded)).unwrap()),
        "v1_facilitator_request" => encode_json(&from_json::<v1::FacilitatorRequest>(decoded)),
        "v1_network" => decoded.as_str().unwrap().to_owned(),
        "network" => from_json::<Network>(decoded).to_string(),
        "dress" => from_json::<Dress>(decoded).to_string(),
        "asset" => from_json::<Asset>(decoded).to_string(),
        "amount" => from_json::<Amount>(decoded).to_string(),
        other => panic!("no such kind: {other}"),
    }
}

fn message<T: Serialize>(read: T, encode: fn(&T) -> String) -> Result<Reading, Option<Refusal>> {
    let encoded = encode(&read);
    Ok(Reading { decoded: serde_json::to_value(read).unwrap(), encoded })
}

fn body<T: Serialize + DeserializeOwned>(wire: &str, cap: usize) -> Result<Reading, Option<Refusal>> {
    message(decode_json::<T>(wire.as_bytes(), cap)?, encode_json)
}

fn word<T: std::str::FromStr + ToString>(wire: &str) -> Result<Reading, Option<Refusal>> {
    let encoded = wire.parse::<T>().map_err(|_| None)?.to_string();
    Ok(Reading { decoded: encoded.clone().into(), encoded })
}

fn commitment(exact: Option<&str>, max: Option<&str>) -> Result<Reading, Option<Refusal>> {
    let commitment = CrawlerCommitment::decode(exact, max)?.expect("one header is there");
    let (_, encoded) = commitment.encode();
    Ok(Reading { decoded: price_json(commitment.ceiling()), encoded })
}

fn payment(wire: &str) -> Result<Reading, Option<Refusal>> {
    let header = PaymentHeader::decode(wire)?;
    let mut decoded = Map::new();
    decoded.insert("network".into(), header.network.as_str().into());
    decoded.insert("id".into(), header.id.as_str().into());
    insert_sum(&mut decoded, header.sum.as_ref());
    Ok(Reading { decoded: decoded.into(), encoded: header.encode() })
}

fn payment_response(wire: &str) -> Result<Reading, Option<Refusal>> {
    let header = PaymentResponseHeader::decode(wire)?;
    let mut decoded = Map::new();
    decoded.insert("network".into(), header.network.as_str().into());
    decoded.insert("id".into(), header.id.as_str().into());
    decoded.insert("timestamp".into(), header.timestamp.into());
    if let Some(commitment) = &header.commitment {
        decoded.insert("commitment".into(), commitment.as_str().into());
    }
    insert_sum(&mut decoded, header.sum.as_ref());
    if let Some(sequence) = header.sequence {
        decoded.insert("sequence".into(), sequence.into());
    }
    if let Some(head) = &header.head {
        decoded.insert("head".into(), head.as_str().into());
    }
    Ok(Reading { decoded: decoded.into(), encoded: header.encode().unwrap() })
}

fn response_from(decoded: &Value) -> PaymentResponseHeader {
    let optional = |key: &str| Some(decoded.get(key)?.as_str()?.parse::<Reference>().unwrap());
    PaymentResponseHeader {
        network: name(decoded, "network"),
        id: name(decoded, "id"),
        timestamp: decoded["timestamp"].as_u64().unwrap(),
        commitment: optional("commitment"),
        sum: sum(decoded),
        sequence: decoded.get("sequence").map(|sequence| sequence.as_u64().unwrap()),
        head: optional("head"),
    }
}

fn insert_sum(decoded: &mut Map<String, Value>, sum: Option<&DeferredPayload>) {
    decoded.extend(sum.map(DeferredPayload::to_map).unwrap_or_default());
}

fn sum(decoded: &Value) -> Option<DeferredPayload> {
    decoded.get("amount")?;
    Some(DeferredPayload::from_map(decoded.as_object()?).unwrap())
}

fn name(decoded: &Value, key: &str) -> Reference {
    decoded[key].as_str().unwrap().parse().unwrap()
}

fn price_json(price: &Price) -> Value {
    json!({"amount": price.amount, "asset": price.asset, "scale": price.scale})
}

fn price_from(decoded: &Value) -> Price {
    Price {
        amount: from_json(&decoded["amount"]),
        asset: from_json(&decoded["asset"]),
        scale: from_json(&decoded["scale"]),
    }
}

fn from_json<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

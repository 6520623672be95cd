//! What an unpaid call is answered: one demand in every published place, and the same found again by a buyer whoever
//! wrote it.

use serde_json::{Map, Value, json};
use tollway_protocol::{PaymentRequired, PaymentRequirements, Reason, Refusal, ResourceInfo, limits, v1};

use super::json::text_within;
use super::names;
use super::payment::PaymentForm;

/// Code of the JSON-RPC error that carries a demand (x402 transport `mcp`).
pub const PAYMENT_REQUIRED_CODE: i64 = 402;

/// A demand as a buyer found it. Everything in it is the seller's word.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// What is for sale, in the words of version 2.
    pub resource: ResourceInfo,
    /// The ways to pay, at least one, in the words of version 2.
    pub accepts: Vec<PaymentRequirements>,
    /// Why the call was not served as it came.
    pub error: Option<String>,
    /// Extension name to its object.
    pub extensions: Option<Map<String, Value>>,
    /// The version that the seller speaks, 1 or 2: a payment answers in the same.
    pub version: u8,
    /// The form in which this seller takes a payment.
    pub form: PaymentForm,
}

/// The result of a refused tool call: the demand as `structuredContent`, as text and as `_meta["x402/error"]`.
pub fn refusal_result(demand: &PaymentRequired) -> Map<String, Value> {
    let value = demand_value(demand);
    let mut result = Map::new();
    result.insert("content".to_owned(), json!([{"type": "text", "text": value.to_string()}]));
    result.insert("structuredContent".to_owned(), value.clone());
    result.insert("isError".to_owned(), true.into());
    result.insert(names::META.to_owned(), Value::Object(Map::from_iter([(names::ERROR.to_owned(), value)])));
    result
}

/// The JSON-RPC error of a refused request whose result has no place for errors, such as `resources/read`.
pub fn refusal_error(demand: &PaymentRequired) -> Map<String, Value> {
    let message = demand.error.clone().unwrap_or_else(|| Reason::PaymentRequired.meaning().to_owned());
    Map::from_iter([
        ("code".to_owned(), PAYMENT_REQUIRED_CODE.into()),
        ("message".to_owned(), message.into()),
        ("data".to_owned(), demand_value(demand)),
    ])
}

/// The result of a tool call that was not served and for which nothing is asked: no buyer may take it for a demand.
pub fn refusal_without_demand(refusal: &Refusal) -> Map<String, Value> {
    let told = json!({"error": refusal.reason.code(), "detail": refusal.detail});
    let text = format!("{}: {}", refusal.reason.code(), refusal.detail);
    let mut result = Map::new();
    result.insert("content".to_owned(), json!([{"type": "text", "text": text}]));
    result.insert("structuredContent".to_owned(), told);
    result.insert("isError".to_owned(), true.into());
    result
}

/// The demand in a refusing tool result, wherever it stands: `structuredContent`, `_meta["x402/error"]`, or the text.
/// `None` for a result that asks for no payment.
///
/// # Errors
/// `body_too_large`, `invalid_x402_version`, `invalid_payload` for a demand that cannot be read.
pub fn demand_in_result(result: &Map<String, Value>) -> Result<Option<Demand>, Refusal> {
    if result.get("isError") != Some(&Value::Bool(true)) {
        return Ok(None);
    }
    let error = result.get(names::META).and_then(Value::as_object).and_then(|meta| meta.get(names::ERROR));
    let structured = result.get("structuredContent");
    if let Some(value) = structured.filter(|value| is_demand(value)) {
        return read(value, PaymentForm::Object).map(Some);
    }
    if let Some(value) = error.filter(|value| is_demand(value)) {
        // Who writes it only there reads a payment only as base64.
        return read(value, PaymentForm::Base64).map(Some);
    }
    let Some(text) = first_text(result) else { return Ok(None) };
    if !text.trim_start().starts_with('{') || text.len() > limits::DEMAND_BODY {
        return Ok(None);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) if is_demand(&value) => decode(text.as_bytes(), PaymentForm::Object).map(Some),
        _ => Ok(None),
    }
}

/// The demand in a JSON-RPC error with code 402; `None` for every other error.
///
/// # Errors
/// As [`demand_in_result`].
pub fn demand_in_error(error: &Map<String, Value>) -> Result<Option<Demand>, Refusal> {
    if error.get("code").and_then(Value::as_i64) != Some(PAYMENT_REQUIRED_CODE) {
        return Ok(None);
    }
    error.get("data").filter(|value| is_demand(value)).map(|value| read(value, PaymentForm::Object)).transpose()
}

/// The members of a demand, as JSON.
fn demand_value(demand: &PaymentRequired) -> Value {
    serde_json::to_value(demand).expect("a demand is plain data")
}

fn is_demand(value: &Value) -> bool {
    value.get("x402Version").is_some() && value.get("accepts").is_some_and(Value::is_array)
}

fn first_text(result: &Map<String, Value>) -> Option<&str> {
    result.get("content")?.as_array()?.first()?.get("text")?.as_str()
}

fn read(value: &Value, form: PaymentForm) -> Result<Demand, Refusal> {
    let too_large = || Refusal::new(Reason::BodyTooLarge, "the demand is larger than 64 KiB");
    decode(&text_within(value, limits::DEMAND_BODY).ok_or_else(too_large)?, form)
}

fn decode(json: &[u8], form: PaymentForm) -> Result<Demand, Refusal> {
    if v1::is_v1(json, limits::DEMAND_BODY) {
        return Ok(of_v1(&v1::PaymentRequired::decode(json)?, form));
    }
    let demand = PaymentRequired::decode_json(json)?;
    Ok(Demand {
        resource: demand.resource,
        accepts: demand.accepts,
        error: demand.error,
        extensions: demand.extensions,
        version: 2,
        form,
    })
}

fn of_v1(demand: &v1::PaymentRequired, form: PaymentForm) -> Demand {
    let resource = demand.accepts.first().map(v1::PaymentRequirements::resource);
    Demand {
        resource: resource.unwrap_or_else(|| ResourceInfo::at("")),
        accepts: demand.accepts.iter().map(v1::PaymentRequirements::to_v2).collect(),
        error: Some(demand.error.clone()).filter(|error| !error.is_empty()),
        extensions: None,
        version: 1,
        form,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked() -> PaymentRequired {
        let entry = json!({"scheme": "exact", "network": "eip155:84532", "amount": "10000", "asset": "0xAb",
            "payTo": "0xdead", "maxTimeoutSeconds": 300, "extra": {"name": "USDC"}});
        let mut demand =
            PaymentRequired::new(ResourceInfo::at("mcp://tool/square"), vec![serde_json::from_value(entry).unwrap()]);
        demand.error = Some("payment_required".into());
        demand
    }

    fn v1_demand() -> Value {
        let asked = asked();
        serde_json::to_value(v1::PaymentRequired::of("pay", &asked.resource, &asked.accepts).unwrap()).unwrap()
    }

    #[test]
    fn one_demand_stands_in_every_published_place() {
        let result = refusal_result(&asked());
        let value = serde_json::to_value(asked()).unwrap();
        assert_eq!(result["isError"], true);
        assert_eq!(result["structuredContent"], value);
        assert_eq!(result[names::META][names::ERROR], value);
        assert_eq!(serde_json::from_str::<Value>(result["content"][0]["text"].as_str().unwrap()).unwrap(), value);
    }

    #[test]
    fn a_buyer_finds_it_in_each_place_alone() {
        let whole = refusal_result(&asked());
        let only = |key: &str| {
            let mut result = Map::from_iter([("isError".to_owned(), true.into())]);
            result.insert(key.to_owned(), whole[key].clone());
            demand_in_result(&result).unwrap().unwrap()
        };
        assert_eq!(only("structuredContent").form, PaymentForm::Object);
        assert_eq!(only("content").form, PaymentForm::Object);
        assert_eq!(only(names::META).form, PaymentForm::Base64);
        let in_error = demand_in_error(&refusal_error(&asked())).unwrap().unwrap();
        assert_eq!((in_error.version, in_error.accepts), (2, asked().accepts));
        let old = json!({"isError": true, "structuredContent": v1_demand()});
        let old = demand_in_result(old.as_object().unwrap()).unwrap().unwrap();
        assert_eq!((old.version, old.accepts[0].amount.get()), (1, 10_000));
        assert_eq!(old.resource.url, "mcp://tool/square");
    }

    #[test]
    fn an_ordinary_answer_asks_for_nothing() {
        let demand = serde_json::to_value(asked()).unwrap();
        for result in [
            json!({"content": []}),
            json!({"isError": true, "content": [{"type": "text", "text": "it failed"}]}),
            json!({"isError": true, "content": [{"type": "text", "text": "{\"a\":1}"}]}),
            json!({"isError": false, "structuredContent": demand}),
            json!({"structuredContent": demand}),
        ] {
            assert_eq!(demand_in_result(result.as_object().unwrap()), Ok(None), "{result}");
        }
        assert_eq!(demand_in_error(json!({"code": -32602, "data": demand}).as_object().unwrap()), Ok(None));
        let plain = refusal_without_demand(&Reason::SettlementPending.into());
        assert_eq!(demand_in_result(&plain), Ok(None), "what is not known is never a demand");
    }

    #[test]
    fn threat_71_a_demand_of_megabytes_is_refused() {
        let mut demand = serde_json::to_value(asked()).unwrap();
        demand["accepts"] = vec![demand["accepts"][0].clone(); 20_000].into();
        let result = json!({"isError": true, "structuredContent": demand});
        assert_eq!(demand_in_result(result.as_object().unwrap()).unwrap_err().reason, Reason::BodyTooLarge);
        let text = json!({"isError": true, "content": [{"type": "text", "text": demand.to_string()}]});
        assert_eq!(demand_in_result(text.as_object().unwrap()), Ok(None));
        let none = json!({"isError": true, "structuredContent": {"x402Version": 2, "accepts": [],
            "resource": {"url": "mcp://tool/a"}}});
        assert_eq!(demand_in_result(none.as_object().unwrap()).unwrap_err().reason, Reason::InvalidPayload);
    }

    proptest! {
        #[test]
        fn no_result_makes_the_reader_panic(text in ".{0,200}", version in 0_u8..4) {
            let value = json!({"x402Version": version, "accepts": [text], "resource": text, "error": text});
            for result in [
                json!({"isError": true, "structuredContent": value}),
                json!({"isError": true, "content": [{"text": value.to_string()}]}),
                json!({"isError": true, "content": [{"text": text}], "_meta": {names::ERROR: value}}),
            ] {
                let _ = demand_in_result(result.as_object().unwrap());
            }
        }
    }
}

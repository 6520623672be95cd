//! The buyer's payment: `_meta["x402/payment"]` as an object (x402 transport `mcp`) or as base64 (`agents/x402`), or an
//! HTTP header of the request that carried the message.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use serde_json::{Map, Value};
use tollway_protocol::{PaymentPayload, Reason, Refusal, header, limits, v1};

use super::json::text_within;
use super::names;

/// Most characters of base64 that are read.
const TEXT_MAX: usize = limits::PAYMENT_META.div_ceil(3) * 4;

/// A payment, decoded and not believed, in the words of its version.
#[derive(Debug, Clone, PartialEq)]
pub enum Payment {
    /// Version 1.
    V1(Box<v1::PaymentPayload>),
    /// Version 2.
    V2(Box<PaymentPayload>),
}

/// How a payment is written into `_meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PaymentForm {
    /// An object: x402's own transport.
    #[default]
    Object,
    /// Base64 of the object: servers made with `agents/x402` take nothing else.
    Base64,
}

impl Payment {
    /// Reads JSON of at most [`limits::PAYMENT_META`] bytes.
    ///
    /// # Errors
    /// `payment_too_large`, `invalid_x402_version`, `malformed_payment`.
    pub fn decode(json: &[u8]) -> Result<Self, Refusal> {
        if v1::is_v1(json, limits::PAYMENT_META) {
            return v1::PaymentPayload::decode_json(json).map(|payment| Self::V1(Box::new(payment)));
        }
        PaymentPayload::decode_json(json).map(|payment| Self::V2(Box::new(payment)))
    }

    /// Reads the value of `_meta["x402/payment"]` in either form.
    ///
    /// # Errors
    /// Those of [`Payment::decode`].
    pub fn read(value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(_) => {
                let json = text_within(value, limits::PAYMENT_META).ok_or_else(too_large)?;
                Self::decode(&json)
            }
            Value::String(text) => Self::decode_base64(text),
            _ => Err(malformed("the payment is neither an object nor a string")),
        }
    }

    fn decode_base64(text: &str) -> Result<Self, Refusal> {
        if text.len() > TEXT_MAX {
            return Err(too_large());
        }
        let json = BASE64_STANDARD.decode(text).map_err(|_| malformed("the payment is not base64"))?;
        Self::decode(&json)
    }

    fn to_value(&self) -> Value {
        let value = match self {
            Self::V1(payment) => serde_json::to_value(payment),
            Self::V2(payment) => serde_json::to_value(payment),
        };
        value.expect("a payment is plain data")
    }
}

/// The payment of a request: of its `params._meta`, or of the HTTP request around it.
///
/// # Errors
/// Those of [`Payment::decode`]; `conflicting_payment` where two payments differ, `field_repeated` for a header that
/// stands twice.
pub fn payment_in(meta: Option<&Map<String, Value>>, headers: Option<&HeaderMap>) -> Result<Option<Payment>, Refusal> {
    let mut found = meta.and_then(|meta| meta.get(names::PAYMENT)).map(Payment::read).transpose()?;
    for field in [header::PAYMENT_SIGNATURE, header::X_PAYMENT] {
        let mut lines = headers.into_iter().flat_map(|headers| headers.get_all(field));
        let Some(line) = lines.next() else { continue };
        if lines.next().is_some() {
            return Err(Refusal::new(Reason::FieldRepeated, "a payment's header stands twice"));
        }
        let text = line.to_str().map_err(|_| malformed("the payment's header is not ASCII"))?;
        let other = Payment::decode_base64(text)?;
        match &found {
            Some(first) if *first != other => {
                return Err(Refusal::new(Reason::ConflictingPayment, "the call carries two payments that differ"));
            }
            _ => found = Some(other),
        }
    }
    Ok(found)
}

/// Takes the payment out of a request's `params`: it is nobody else's business. An empty `_meta` goes too.
pub fn without_payment(params: &mut Map<String, Value>) {
    let Some(Value::Object(meta)) = params.get_mut(names::META) else { return };
    if meta.remove(names::PAYMENT).is_some() && meta.is_empty() {
        params.remove(names::META);
    }
}

/// Puts a payment into a request's `params`.
pub fn write_payment(params: &mut Map<String, Value>, payment: &Payment, form: PaymentForm) {
    let value = payment.to_value();
    let value = match form {
        PaymentForm::Object => value,
        PaymentForm::Base64 => BASE64_STANDARD.encode(value.to_string()).into(),
    };
    meta_of(params).insert(names::PAYMENT.to_owned(), value);
}

/// `_meta` of an object, made where it is missing; something else in its place is replaced.
pub(super) fn meta_of(object: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let meta = object.entry(names::META).or_insert_with(|| Value::Object(Map::new()));
    if !meta.is_object() {
        *meta = Value::Object(Map::new());
    }
    meta.as_object_mut().expect("it was just made one")
}

fn too_large() -> Refusal {
    Refusal::new(Reason::PaymentTooLarge, "the payment is larger than 32 KiB")
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Reason::MalformedPayment, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn v2() -> Value {
        json!({"x402Version": 2, "accepted": {"scheme": "exact", "network": "eip155:84532", "amount": "10000",
            "asset": "0xAb", "payTo": "0xdead", "maxTimeoutSeconds": 300}, "payload": {"signature": "0x"}})
    }

    fn v1() -> Value {
        json!({"x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": {"signature": "0x"}})
    }

    fn meta(payment: Value) -> Map<String, Value> {
        Map::from_iter([(names::PAYMENT.to_owned(), payment)])
    }

    fn base64(value: &Value) -> String {
        BASE64_STANDARD.encode(value.to_string())
    }

    #[test]
    fn a_payment_is_read_as_object_and_as_base64_in_both_versions() {
        for payment in [v1(), v2()] {
            let object = payment_in(Some(&meta(payment.clone())), None).unwrap().unwrap();
            let text = payment_in(Some(&meta(base64(&payment).into())), None).unwrap().unwrap();
            assert_eq!(object, text);
            assert_eq!(matches!(object, Payment::V1(_)), payment["x402Version"] == 1);
            for form in [PaymentForm::Object, PaymentForm::Base64] {
                let mut params = Map::new();
                write_payment(&mut params, &object, form);
                assert_eq!(payment_in(params[names::META].as_object(), None).unwrap().as_ref(), Some(&object));
                without_payment(&mut params);
                assert!(params.is_empty());
            }
        }
        assert_eq!(payment_in(None, None), Ok(None));
    }

    #[test]
    fn token_from_headers_in_any_case_and_legacy_x_payment() {
        for name in ["payment-signature", "PAYMENT-SIGNATURE", "Payment-Signature", "x-payment", "X-PAYMENT"] {
            let mut headers = HeaderMap::new();
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name.clone(), HeaderValue::from_str(&base64(&v2())).unwrap());
            assert!(matches!(payment_in(None, Some(&headers)), Ok(Some(Payment::V2(_)))), "{name}");
            let same = payment_in(Some(&meta(v2())), Some(&headers));
            assert!(same.is_ok(), "the same payment in both places is one payment");
            let other = payment_in(Some(&meta(v1())), Some(&headers)).unwrap_err();
            assert_eq!(other.reason, Reason::ConflictingPayment);
            headers.append(name, HeaderValue::from_static("e30="));
            assert_eq!(payment_in(None, Some(&headers)).unwrap_err().reason, Reason::FieldRepeated);
        }
    }

    #[test]
    fn threat_72_a_malformed_payment_has_its_own_reason() {
        let mut foreign = v2();
        foreign["x402Version"] = json!(3);
        let long = json!({"x402Version": 2, "payload": {"a": "x".repeat(40_000)}});
        for (value, reason) in [
            (json!(7), Reason::MalformedPayment),
            (json!(null), Reason::MalformedPayment),
            (json!([v2()]), Reason::MalformedPayment),
            (json!({}), Reason::MalformedPayment),
            (json!("not base64!"), Reason::MalformedPayment),
            (json!("bm90IGpzb24="), Reason::MalformedPayment),
            (BASE64_STANDARD.encode(r#"{"x402Version":2,"x402Version":2}"#).into(), Reason::MalformedPayment),
            (foreign, Reason::UnsupportedVersion),
            (long.clone(), Reason::PaymentTooLarge),
            (base64(&long).into(), Reason::PaymentTooLarge),
            ("A".repeat(TEXT_MAX + 1).into(), Reason::PaymentTooLarge),
        ] {
            assert_eq!(payment_in(Some(&meta(value.clone())), None).unwrap_err().reason, reason, "{value:.60}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = payment_in(Some(&meta(text.clone().into())), None);
            let _ = payment_in(Some(&meta(BASE64_STANDARD.encode(&bytes).into())), None);
            let _ = Payment::decode(&bytes);
        }
    }
}

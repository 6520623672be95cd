//! Minified JSON, bare or in base64, read strictly: one text has one meaning or is refused.
//!
//! Stricter than RFC 8259 where readers differ: no repeated key, at most 32 levels, numbers only
//! where every reader has the same value (RFC 7493), base64 only as RFC 4648 section 4 writes it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits;
use crate::reason::{Reason, Refusal};

/// The largest whole number every JSON reader holds exactly: 2^53 - 1.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Minified JSON of a message.
///
/// # Panics
/// If `T` cannot be JSON at all (a map whose keys are not strings). No message of this crate is such.
pub fn encode_json<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("messages are structs with string keys")
}

/// A message as a header value: base64, standard alphabet, padded, of its minified JSON.
///
/// # Panics
/// As [`encode_json`].
pub fn encode_header<T: Serialize>(message: &T) -> String {
    STANDARD.encode(encode_json(message))
}

/// Reads a message from a header value of at most `cap` characters.
///
/// # Errors
/// [`Reason::PaymentTooLarge`] or [`Reason::MalformedPayment`].
pub fn decode_header<T: DeserializeOwned>(text: &str, cap: usize) -> Result<T, Refusal> {
    typed(header_value(text, cap)?, Reason::MalformedPayment)
}

/// Reads a message from at most `cap` bytes of JSON.
///
/// # Errors
/// [`Reason::BodyTooLarge`] or [`Reason::InvalidPayload`].
pub fn decode_json<T: DeserializeOwned>(bytes: &[u8], cap: usize) -> Result<T, Refusal> {
    typed(json_value(bytes, cap)?, Reason::InvalidPayload)
}

/// The strict JSON in a header, not yet of any type.
pub(crate) fn header_value(text: &str, cap: usize) -> Result<Value, Refusal> {
    if text.len() > cap {
        return Err(too_large(Reason::PaymentTooLarge, text.len(), cap));
    }
    let malformed = |detail: String| Refusal::new(Reason::MalformedPayment, detail);
    let json = STANDARD.decode(text).map_err(|error| malformed(clip(&format_args!("base64: {error}"))))?;
    strict(&json).map_err(malformed)
}

/// The strict JSON in a body, not yet of any type.
pub(crate) fn json_value(bytes: &[u8], cap: usize) -> Result<Value, Refusal> {
    if bytes.len() > cap {
        return Err(too_large(Reason::BodyTooLarge, bytes.len(), cap));
    }
    strict(bytes).map_err(|detail| Refusal::new(Reason::InvalidPayload, detail))
}

/// The strict JSON of a payment that stands in another message, not yet of any type.
pub(crate) fn payment_value(json: &[u8]) -> Result<Value, Refusal> {
    if json.len() > limits::PAYMENT_META {
        return Err(too_large(Reason::PaymentTooLarge, json.len(), limits::PAYMENT_META));
    }
    strict(json).map_err(|detail| Refusal::new(Reason::MalformedPayment, detail))
}

/// Gives strict JSON its type; `reason` says what a mismatch is called where the text came from.
pub(crate) fn typed<T: DeserializeOwned>(value: Value, reason: Reason) -> Result<T, Refusal> {
    serde_json::from_value(value).map_err(|error| Refusal::new(reason, clip(&error)))
}

/// A reader's complaint, made fit to send: printable ASCII and short, whatever it quotes.
pub(crate) fn clip(complaint: &dyn fmt::Display) -> String {
    let safe = |c: char| {
        if c == ' ' || c.is_ascii_graphic() { c } else { '?' }
    };
    complaint.to_string().chars().take(limits::DETAIL).map(safe).collect()
}

pub(crate) fn too_large(reason: Reason, size: usize, cap: usize) -> Refusal {
    Refusal::new(reason, format!("{size} bytes, at most {cap} are read"))
}

fn strict(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = StrictValue { levels: limits::JSON_DEPTH }.deserialize(&mut reader).map_err(|error| clip(&error))?;
    reader.end().map_err(|error| clip(&error))?;
    Ok(value)
}

/// Builds a [`Value`] and refuses what `Value`'s own reader lets pass.
#[derive(Clone, Copy)]
struct StrictValue {
    levels: usize,
}

impl StrictValue {
    fn inside<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        in_range(number.unsigned_abs())?;
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        in_range(number)?;
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        // 2^53 as a float: from here on readers of integers and of floats disagree.
        if number.abs() >= 9_007_199_254_740_992.0 {
            return Err(E::custom("number is outside the exact range"));
        }
        let number = Number::from_f64(number).ok_or_else(|| E::custom("number is not finite"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut array = Vec::new();
        while let Some(entry) = entries.next_element_seed(inner)? {
            array.push(entry);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom("a key is repeated"));
            }
            object.insert(key, entries.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

fn in_range<E: Error>(magnitude: u64) -> Result<(), E> {
    if magnitude > MAX_INTEGER {
        return Err(E::custom("number is outside the exact range"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Refusal> {
        decode_json(text.as_bytes(), 4096)
    }

    #[test]
    fn threat_72_ambiguous_json_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"extra":{"deep":[{"k":1,"k":1}]}}"#,
            r#"{"n":9007199254740992}"#,
            r#"{"n":-9007199254740992}"#,
            r#"{"n":18446744073709551616}"#,
            r#"{"n":1e400}"#,
            r#"{"s":"\ud800"}"#,
            "{\"s\":\"\u{1}\"}",
            "\u{feff}{}",
            "{} {}",
            "{'a':1}",
            r#"{"a":01}"#,
            r#"{"a":NaN}"#,
            r#"[1,]"#,
            "",
        ] {
            assert_eq!(read(text).unwrap_err().reason, Reason::InvalidPayload, "{text}");
        }
        assert!(decode_json::<Value>(b"\"\xff\"", 10).is_err());
        assert_eq!(read(r#"{"n":-9007199254740991}"#).unwrap()["n"], -9_007_199_254_740_991_i64);
    }

    #[test]
    fn threat_72_depth_is_capped_at_32() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(limits::JSON_DEPTH)).is_ok());
        assert!(read(&nested(limits::JSON_DEPTH + 1)).is_err());
        assert!(decode_json::<Value>(nested(50_000).as_bytes(), 200_000).is_err());
    }

    #[test]
    fn threat_71_size_is_judged_before_content() {
        let refusal = decode_json::<Value>(b"[[[", 2).unwrap_err();
        assert_eq!(refusal.reason, Reason::BodyTooLarge);
        let refusal = decode_header::<Value>("!!!", 2).unwrap_err();
        assert_eq!(refusal.reason, Reason::PaymentTooLarge);
        assert_eq!(decode_header::<Value>("e30=", 4).unwrap(), Value::Object(Map::new()));
    }

    #[test]
    fn threat_70_base64_has_one_spelling() {
        // `{}` is e30=; e31= has stray bits, the others drop padding, use another alphabet or add space.
        for text in ["e30", "e31=", "e30==", " e30=", "e30=\n", "e3-=", "e3_=", "e3%30", ""] {
            let refusal = decode_header::<Value>(text, 100).unwrap_err();
            assert_eq!(refusal.reason, Reason::MalformedPayment, "{text:?}");
        }
    }

    #[test]
    fn complaints_are_short_and_printable() {
        let text = format!("{{\"{}\u{7}\u{e9}\":1}}", "x".repeat(3000));
        let refusal = decode_json::<std::collections::HashMap<String, bool>>(text.as_bytes(), 8000);
        let detail = refusal.unwrap_err().detail;
        assert!(detail.len() <= limits::DETAIL && detail.is_ascii());
        assert_eq!(clip(&"a\r\nb\u{e9}"), "a??b?");
    }

    #[test]
    fn floats_keep_every_digit() {
        let text = r#"{"n":0.30000000000000004}"#;
        assert_eq!(encode_json(&read(text).unwrap()), text);
    }
}

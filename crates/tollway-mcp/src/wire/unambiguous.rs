//! JSON with one meaning: what is priced by one reading must not be served by another.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The value of a JSON text; `None` where it is none, or holds a name twice in one object: some readers take the first,
/// some the last.
#[must_use]
pub fn unambiguous(json: &str) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = Once.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

#[derive(Clone, Copy)]
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a name that stands twice")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("number is not finite"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(entry) = entries.next_element_seed(self)? {
            array.push(entry);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn threat_72_params_with_two_readings_are_none() {
        for text in [
            r#"{"name":"square","name":"echo"}"#,
            r#"{"name":"square","\u006eame":"echo"}"#,
            r#"{"name":"search","arguments":{"depth":100,"depth":1}}"#,
            r#"{"arguments":{"list":[{"a":1,"a":2}]}}"#,
            r#"{"name":"a"} {"name":"b"}"#,
            "",
        ] {
            assert_eq!(unambiguous(text), None, "{text}");
        }
        assert!(unambiguous(&"[".repeat(100_000)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_every_reader_reads(text in ".{0,20}", number: i64, float: f64, flag: bool) {
            let value = serde_json::json!({text.clone(): [number, float, flag, null, {"a": text}], "z": {}});
            prop_assert_eq!(unambiguous(&value.to_string()), serde_json::from_str(&value.to_string()).ok());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\{\\}\\[\\]a-z\":0-9, .e-]{0,200}") {
            let _ = unambiguous(&text);
        }
    }
}

//! Canonical JSON (RFC 8785) for the values the journal uses: objects, strings, whole numbers, booleans.
//!
//! Structs of this crate list their fields in key order, so that serialising them gives canonical text
//! at once; [`recanonical`] brings foreign text into the same form and refuses what has no place in it.

use serde::Serialize;
use serde_json::Value;

/// Largest integer every JSON reader keeps exactly.
pub(crate) const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The canonical text of a struct whose fields are declared in key order.
pub(crate) fn to_canonical<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("structs of this crate have string keys and serialise")
}

/// The canonical text of any JSON value, or `None` if it holds a null, a fraction or a number beyond 2^53 - 1.
pub(crate) fn recanonical(value: &Value) -> Option<String> {
    let mut text = String::new();
    write(value, &mut text)?;
    Some(text)
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => return None,
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let number = number.as_u64().filter(|number| *number <= SAFE_INTEGER)?;
            out.push_str(&number.to_string());
        }
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut keys: Vec<_> = members.iter().collect();
            keys.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            out.push('{');
            for (index, (key, member)) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write(member, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// The library escapes as the scheme does: what must be, in the shortest way.
fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a text is JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Option<String> {
        recanonical(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn sorts_keys_and_drops_spaces() {
        assert_eq!(
            again(r#" { "b" : [ 1 , true ] , "a" : { "é" : "x" , "d" : "\u0041\/" } } "#).unwrap(),
            r#"{"a":{"d":"A/","é":"x"},"b":[1,true]}"#
        );
        // UTF-16 order puts a surrogate pair before U+FB33.
        assert_eq!(again("{\"\u{fb33}\":1,\"\u{1f600}\":2}").unwrap(), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn refuses_values_without_one_spelling() {
        for text in ["null", "1.5", "-1", "1e3", "9007199254740992", "[null]", "{\"a\":1.0}"] {
            assert_eq!(again(text), None, "{text}");
        }
        assert_eq!(again("9007199254740991").unwrap(), "9007199254740991");
    }

    #[test]
    fn what_must_be_escaped_is_and_nothing_else() {
        // RFC 8785 section 3.2.2.2.
        let text = "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}\u{e9}\u{2028}";
        let expected = "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\u{7f}\u{e9}\u{2028}\"";
        assert_eq!(recanonical(&Value::String(text.to_owned())).unwrap(), expected);
    }
}

//! One text for one JSON value (RFC 8785, JSON Canonicalization Scheme), so that its hash can be signed.
//!
//! Stricter than the scheme where it would lose something: a whole number that a double cannot hold
//! exactly is refused, since two such numbers would have one text.

use serde_json::{Map, Number, Value};

use crate::limits;
use crate::reason::{Reason, Refusal};

/// The largest whole number every JSON reader holds exactly: 2^53 - 1.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Containers inside one another that are written.
const DEPTH: usize = 64;

/// The canonical text of an object, at most [`limits::ARGUMENTS`] bytes.
///
/// # Errors
/// [`Reason::BodyTooLarge`]; [`Reason::InvalidPayload`] for a number without an exact text and for more
/// than 64 levels.
pub fn canonical_object(object: &Map<String, Value>) -> Result<String, Refusal> {
    let mut text = String::new();
    write_object(object, DEPTH, &mut text)?;
    Ok(text)
}

/// The canonical text of any value, at most [`limits::ARGUMENTS`] bytes.
///
/// # Errors
/// As [`canonical_object`].
pub fn canonical(value: &Value) -> Result<String, Refusal> {
    let mut text = String::new();
    write(value, DEPTH, &mut text)?;
    Ok(text)
}

fn write(value: &Value, levels: usize, out: &mut String) -> Result<(), Refusal> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            let inner = inside(levels)?;
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, inner, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => return write_object(members, levels, out),
    }
    within(out)
}

/// Members in the order of their keys' UTF-16 code units.
fn write_object(object: &Map<String, Value>, levels: usize, out: &mut String) -> Result<(), Refusal> {
    let inner = inside(levels)?;
    let mut members: Vec<_> = object.iter().collect();
    members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    out.push('{');
    for (index, (key, member)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(key, out);
        out.push(':');
        write(member, inner, out)?;
    }
    out.push('}');
    within(out)
}

fn inside(levels: usize) -> Result<usize, Refusal> {
    levels.checked_sub(1).ok_or_else(|| Refusal::new(Reason::InvalidPayload, "nested too deep"))
}

fn within(out: &str) -> Result<(), Refusal> {
    if out.len() > limits::ARGUMENTS {
        return Err(Refusal::new(Reason::BodyTooLarge, format!("at most {} bytes are read", limits::ARGUMENTS)));
    }
    Ok(())
}

fn write_number(number: &Number, out: &mut String) -> Result<(), Refusal> {
    let inexact = || Refusal::new(Reason::InvalidPayload, "number is outside the exact range");
    if let Some(whole) = number.as_i64() {
        if whole.unsigned_abs() > MAX_INTEGER {
            return Err(inexact());
        }
        out.push_str(&whole.to_string());
        return Ok(());
    }
    // What is left is a float, or a whole number that only u64 holds.
    let float = number.as_f64().filter(|float| float.is_finite() && !number.is_u64()).ok_or_else(inexact)?;
    out.push_str(&as_ecmascript(float));
    Ok(())
}

/// ECMAScript's `Number::toString`: the shortest digits that read back as the same double.
fn as_ecmascript(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    let shortest = format!("{float:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest.as_str(), "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The value is 0.digits times ten to the power of `point`.
    let point = exponent + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    let body = if count <= point && point <= 21 {
        format!("{digits}{}", zeros(point - count))
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
        format!("{whole}.{fraction}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let fraction = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        let plus = if point > 0 { "+" } else { "" };
        format!("{first}{fraction}e{plus}{}", point - 1)
    };
    format!("{sign}{body}")
}

/// The library escapes as the scheme does: what must be, in the shortest way.
fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a text is JSON"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn again(text: &str) -> String {
        canonical(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn rfc_8785_appendix_b_numbers() {
        for (bits, text) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(as_ecmascript(f64::from_bits(bits)), text);
        }
    }

    #[test]
    fn rfc_8785_section_3_2_example() {
        let text = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
            "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(again(text), expected);
        let keys = "{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7}";
        assert_eq!(
            again(keys),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn threat_72_what_has_no_one_text_is_refused() {
        for text in ["9007199254740992", "-9007199254740992", "18446744073709551615"] {
            assert_eq!(canonical(&serde_json::from_str(text).unwrap()).unwrap_err().reason, Reason::InvalidPayload);
        }
        let deep = (0..=DEPTH).fold(Value::Null, |inner, _| json!([inner]));
        assert_eq!(canonical(&deep).unwrap_err().reason, Reason::InvalidPayload);
        let long = json!({"a": "x".repeat(limits::ARGUMENTS)});
        assert_eq!(canonical(&long).unwrap_err().reason, Reason::BodyTooLarge);
        assert_eq!(again("1.0"), again("1"), "one number, one text");
    }

    proptest! {
        #[test]
        fn a_double_reads_back(bits: u64) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            let read = as_ecmascript(float).parse::<f64>().unwrap();
            // Zero has one text whatever its sign.
            prop_assert!(read.to_bits() == bits || (read.to_bits() == 0 && bits << 1 == 0));
        }

        #[test]
        fn canonical_text_is_its_own_canonical_text(text in "[ -~\u{e9}\u{1f600}]{0,40}", number in -1_000_000_i64..1_000_000, float in -1e9_f64..1e9) {
            let value = json!({text.clone(): [number, float, text, null], "z": {"b": 1, "a": true}});
            let once = canonical(&value).unwrap();
            prop_assert_eq!(again(&once), once);
        }
    }
}

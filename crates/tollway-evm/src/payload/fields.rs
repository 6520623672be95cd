//! Reading the members of a payload: each in its one spelling, none without a bound.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::{Map, Value};

/// Members a payload may have that are not known here.
const MAX_UNKNOWN: usize = 16;
/// Digits of the largest `uint256`.
const MAX_DIGITS: usize = 78;

/// Why a payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {fault}")]
pub struct PayloadError {
    /// Which member; the name is ours, never the sender's.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: PayloadFault,
}

/// What is wrong with a member of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFault {
    /// It is not there.
    Missing,
    /// It is not a JSON text, or not a JSON object where one belongs.
    Kind,
    /// Not `0x` and 40 hexadecimal digits.
    Address,
    /// Not `0x` and whole bytes in hexadecimal digits, or not as many as belong there.
    Hex,
    /// Not a plain decimal that fits 256 bits: digits without a leading zero.
    Decimal,
    /// More than is read.
    TooLong,
    /// None of the forms a payload has, or more than one of them.
    Form,
}

impl fmt::Display for PayloadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Kind => "is of another JSON type",
            Self::Address => "is not an address",
            Self::Hex => "is not hexadecimal of the right length",
            Self::Decimal => "is not a plain decimal of at most 256 bits",
            Self::TooLong => "is longer than is read",
            Self::Form => "is of no known form",
        })
    }
}

/// The members of one object that have not been read yet.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn of(map: &Map<String, Value>) -> Self {
        Self(map.clone())
    }

    pub(crate) fn object(&mut self, field: &'static str) -> Result<Self, PayloadError> {
        match self.take(field)? {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(fault(field, PayloadFault::Kind)),
        }
    }

    pub(crate) fn address(&mut self, field: &'static str) -> Result<Address, PayloadError> {
        let text = self.text(field)?;
        address(&text).ok_or_else(|| fault(field, PayloadFault::Address))
    }

    pub(crate) fn decimal(&mut self, field: &'static str) -> Result<U256, PayloadError> {
        let text = self.text(field)?;
        decimal(&text).ok_or_else(|| fault(field, PayloadFault::Decimal))
    }

    pub(crate) fn word(&mut self, field: &'static str) -> Result<B256, PayloadError> {
        let bytes = self.bytes(field, 32)?;
        B256::try_from(bytes.as_ref()).map_err(|_| fault(field, PayloadFault::Hex))
    }

    /// At most `cap` bytes.
    pub(crate) fn bytes(&mut self, field: &'static str, cap: usize) -> Result<Bytes, PayloadError> {
        let text = self.text(field)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| fault(field, PayloadFault::Hex))?;
        if digits.len() > 2 * cap {
            return Err(fault(field, PayloadFault::TooLong));
        }
        // The decoder takes a second prefix; one is all there is.
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = if plain { hex::decode(digits).ok() } else { None };
        bytes.map(Bytes::from).ok_or_else(|| fault(field, PayloadFault::Hex))
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, PayloadError> {
        match self.take(field)? {
            Value::String(text) => Ok(text),
            _ => Err(fault(field, PayloadFault::Kind)),
        }
    }

    /// What nobody asked for; kept, because an echo has to equal what was sent.
    pub(crate) fn rest(self, object: &'static str) -> Result<Map<String, Value>, PayloadError> {
        if self.0.len() > MAX_UNKNOWN {
            return Err(fault(object, PayloadFault::TooLong));
        }
        Ok(self.0)
    }

    fn take(&mut self, field: &'static str) -> Result<Value, PayloadError> {
        self.0.remove(field).ok_or_else(|| fault(field, PayloadFault::Missing))
    }
}

pub(crate) fn fault(field: &'static str, fault: PayloadFault) -> PayloadError {
    PayloadError { field, fault }
}

/// Reads an address in any letter case: inside a payload its signature is its checksum.
pub(crate) fn address(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x")?;
    if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    digits.parse().ok()
}

/// Reads an address where nothing is signed yet: mixed letter case has to be the checksum.
pub(crate) fn address_with_checksum(text: &str) -> Option<Address> {
    let address = address(text)?;
    let digits = &text[2..];
    let one_case = !digits.bytes().any(|b| b.is_ascii_uppercase()) || !digits.bytes().any(|b| b.is_ascii_lowercase());
    (one_case || address.to_checksum(None) == text).then_some(address)
}

pub(crate) fn decimal(text: &str) -> Option<U256> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { U256::from_str_radix(text, 10).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn threat_26_a_number_has_one_spelling() {
        let most = U256::MAX.to_string();
        for text in ["0", "1", "10", most.as_str()] {
            assert_eq!(decimal(text).unwrap().to_string(), text);
        }
        let over = format!("{}6", &most[..77]);
        for text in ["", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "\u{0661}", over.as_str()] {
            assert_eq!(decimal(text), None, "{text}");
        }
        assert_eq!(decimal(&"9".repeat(79)), None);
    }

    #[test]
    fn an_address_is_read_in_any_case_and_a_wrong_checksum_only_where_it_is_signed() {
        let sum = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
        let wrong = "0x036cbD53842c5426634e7929541eC2318f3dCF7e";
        for text in [sum.to_owned(), sum.to_lowercase(), format!("0x{}", sum[2..].to_uppercase())] {
            assert_eq!(address(&text), address(sum));
            assert_eq!(address_with_checksum(&text), address(sum));
        }
        assert!(address(wrong).is_some());
        assert_eq!(address_with_checksum(wrong), None);
        for text in ["", "0x", "036CbD53842c5426634e7929541eC2318f3dCF7e", "0X036CbD53842c5426634e7929541eC2318f3dCF7e"]
        {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(address(&format!("{sum}0")), None);
        assert_eq!(address(&format!("0x0x{}", &sum[4..])), None);
    }

    #[test]
    fn bytes_are_whole_prefixed_and_capped() {
        let read = |value: Value, cap| Fields::of(json!({"b": value}).as_object().unwrap()).bytes("b", cap);
        assert_eq!(read(json!("0xAbcD"), 2).unwrap().as_ref(), [0xab, 0xcd]);
        assert_eq!(read(json!("0x"), 2).unwrap().len(), 0);
        for (value, kind) in [
            (json!("abcd"), PayloadFault::Hex),
            (json!("0xabc"), PayloadFault::Hex),
            (json!("0xgg"), PayloadFault::Hex),
            (json!("0x0xab"), PayloadFault::Hex),
            (json!("0x0x"), PayloadFault::Hex),
            (json!("0xabcdef"), PayloadFault::TooLong),
            (json!(7), PayloadFault::Kind),
        ] {
            assert_eq!(read(value.clone(), 2).unwrap_err().fault, kind, "{value}");
        }
    }
}

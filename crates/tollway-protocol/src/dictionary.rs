//! Structured-field dictionaries (RFC 9651) of strings and integers without parameters.
//!
//! Stricter than the RFC, which lets the last of two equal keys win: a payment that says a thing
//! twice is refused, since signer and reader might choose differently.

use std::collections::BTreeMap;
use std::convert::Infallible;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};

use crate::codec::{clip, too_large};
use crate::limits;
use crate::reason::{Reason, Refusal};

/// The largest whole number of a structured field: 15 digits.
pub(crate) const MAX_INTEGER: u64 = 999_999_999_999_999;

/// A dictionary as received: each key once.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    members: BTreeMap<String, Member>,
    repeated: bool,
}

#[derive(Debug, PartialEq)]
enum Member {
    Text(String),
    Integer(i64),
    Other,
}

impl Dictionary {
    pub(crate) fn read(text: &str) -> Result<Self, Refusal> {
        if text.len() > limits::HANDSHAKE_HEADER {
            return Err(too_large(Reason::PaymentTooLarge, text.len(), limits::HANDSHAKE_HEADER));
        }
        let dictionary = Parser::new(text)
            .parse_dictionary_with_visitor(Self::default())
            .map_err(|error| Refusal::new(Reason::MalformedPayment, clip(&error)))?;
        if dictionary.repeated {
            return Err(Refusal::new(Reason::MalformedPayment, "a key is repeated"));
        }
        Ok(dictionary)
    }

    /// Refuses members that are not plain strings, whatever their key.
    pub(crate) fn of_strings(self) -> Result<Self, Refusal> {
        if self.members.values().all(|member| matches!(member, Member::Text(_))) {
            return Ok(self);
        }
        Err(Refusal::new(Reason::MalformedPayment, "a member is not a string without parameters"))
    }

    /// A string, if the key is there.
    pub(crate) fn text(&self, key: &'static str) -> Result<Option<&str>, Refusal> {
        match self.members.get(key) {
            None => Ok(None),
            Some(Member::Text(text)) => Ok(Some(text)),
            Some(_) => Err(member(key, "is not a string without parameters")),
        }
    }

    /// A string read as `T`, if the key is there.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, key: &'static str) -> Result<Option<T>, Refusal>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(key)?;
        text.map(|text| text.parse().map_err(|error: T::Err| member(key, &error.to_string()))).transpose()
    }

    /// A whole number from 0, if the key is there.
    pub(crate) fn integer(&self, key: &'static str) -> Result<Option<u64>, Refusal> {
        match self.members.get(key) {
            None => Ok(None),
            Some(&Member::Integer(number)) => u64::try_from(number).map(Some).map_err(|_| member(key, "is negative")),
            Some(_) => Err(member(key, "is not an integer without parameters")),
        }
    }
}

/// The refusal of one member.
pub(crate) fn member(key: &'static str, complaint: &str) -> Refusal {
    Refusal::new(Reason::MalformedPayment, format!("{key}: {complaint}"))
}

/// A dictionary to send.
#[derive(Debug, Default)]
pub(crate) struct DictionaryWriter {
    text: String,
}

impl DictionaryWriter {
    /// Adds a string; `value` is visible ASCII, as every name and amount of this crate is.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.text.push('"');
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                self.text.push('\\');
            }
            self.text.push(c);
        }
        self.text.push('"');
    }

    /// Adds a whole number of at most [`MAX_INTEGER`].
    pub(crate) fn integer(&mut self, key: &str, value: u64) {
        self.key(key);
        self.text.push_str(&value.to_string());
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn key(&mut self, key: &str) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(key);
        self.text.push('=');
    }
}

impl<'de> DictionaryVisitor<'de> for Dictionary {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        let repeated = &mut self.repeated;
        let member = self.members.entry(key.as_str().to_owned());
        Ok(Slot(member.and_modify(|_| *repeated = true).or_insert(Member::Other)))
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

/// Where the value of one key goes.
struct Slot<'a>(&'a mut Member);

impl<'de> EntryVisitor<'de> for Slot<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Slot<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        *self.0 = match item {
            BareItemFromInput::String(text) => Member::Text(text.as_str().to_owned()),
            BareItemFromInput::Integer(number) => Member::Integer(number.into()),
            _ => Member::Other,
        };
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for Slot<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, _: &'de KeyRef, _: BareItemFromInput<'de>) -> Result<(), Infallible> {
        *self.0 = Member::Other;
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_73_a_repeated_key_is_refused() {
        for text in [r#"id="a", id="a""#, r#"id="a", id="b""#, r#"id=1, x="y", id="a""#] {
            let refusal = Dictionary::read(text).unwrap_err();
            assert_eq!(refusal.reason, Reason::MalformedPayment, "{text}");
        }
    }

    #[test]
    fn threat_73_parameters_and_other_types_are_not_strings() {
        for text in ["id=token", "id", "id=?0", "id=1.5", "id=:YQ==:", r#"id=("a")"#, r#"id="a";p"#] {
            let dictionary = Dictionary::read(text).unwrap();
            assert!(dictionary.text("id").is_err(), "{text}");
            assert!(dictionary.of_strings().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = DictionaryWriter::default();
        writer.text("id", r#"a"b\c"#);
        writer.integer("n", MAX_INTEGER);
        let text = writer.finish();
        assert_eq!(text, r#"id="a\"b\\c", n=999999999999999"#);
        let dictionary = Dictionary::read(&text).unwrap();
        assert_eq!(dictionary.text("id").unwrap(), Some(r#"a"b\c"#));
        assert_eq!(dictionary.integer("n").unwrap(), Some(MAX_INTEGER));
    }
}

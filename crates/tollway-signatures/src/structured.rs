//! The few structured-field (RFC 9651) steps that RFC 9421 builds on: writing bare items, joining lines, finding one
//! member of a dictionary and refusing what is ambiguous there, and strict re-serialisation of a whole field.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Write as _};

use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, FieldType as _, ItemSerializer, KeyRef, Parser};
use tollway_protocol::header;

use crate::components::FieldLines;

/// Writes `text`, which the structured grammar allows as a string, with quotes and escapes.
pub(crate) fn write_string(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        let (plain, special) = rest.split_at(at);
        out.write_str(plain)?;
        out.write_char('\\')?;
        out.write_str(&special[..1])?;
        rest = &special[1..];
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// Appends the canonical form of a bare item.
pub(crate) fn push_bare(out: &mut String, item: &BareItemFromInput<'_>) {
    match item {
        BareItemFromInput::Integer(value) => {
            write!(out, "{value}").expect("writing to a string cannot fail");
        }
        BareItemFromInput::String(value) => {
            write_string(out, value.as_str()).expect("writing to a string cannot fail");
        }
        other => {
            let _: &mut String = ItemSerializer::with_buffer(out).bare_item(other).finish();
        }
    }
}

/// Appends the canonical form of a parameter.
pub(crate) fn push_param(out: &mut String, key: &str, value: &BareItemFromInput<'_>) {
    out.push(';');
    out.push_str(key);
    if !matches!(value, BareItemFromInput::Boolean(true)) {
        out.push('=');
        push_bare(out, value);
    }
}

/// A line without the white space round it.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(start, |last| last + 1);
    &line[start..end]
}

/// The lines of a field as one value: each trimmed, joined with `, ` (RFC 9421, section 2.1).
pub(crate) fn join<'a>(lines: &FieldLines<'a>) -> Cow<'a, [u8]> {
    if let Some(line) = lines.single() {
        return Cow::Borrowed(trim(line));
    }
    let mut joined = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(trim(line));
    }
    Cow::Owned(joined)
}

/// What a dictionary says about one of its keys.
pub(crate) enum Member {
    /// The field is not a dictionary.
    Malformed,
    /// No such key.
    Absent,
    /// The key, or a parameter of its value, is there more than once.
    Repeated,
    /// Its value in strict serialisation.
    Found(String),
}

/// The member `key` of the dictionary in `value`, in strict serialisation (RFC 9421, section 2.1.2).
pub(crate) fn member(value: &[u8], key: &str) -> Member {
    let visitor = MemberVisitor { key, found: 0, text: String::new(), params: Vec::new(), repeated: false };
    match Parser::new(value).parse_dictionary_with_visitor(visitor) {
        Err(_) => Member::Malformed,
        Ok(done) if done.found == 0 => Member::Absent,
        Ok(done) if done.found > 1 || done.repeated => Member::Repeated,
        Ok(done) => Member::Found(done.text),
    }
}

/// The strict serialisation of a whole field, or `None` if the field's type is not known or its value malformed.
pub(crate) fn strict(name: &str, value: &[u8]) -> Option<String> {
    match field_type(name)? {
        Type::Dictionary => Parser::new(value).parse::<sfv::Dictionary>().ok()?.serialize(),
        Type::List => Parser::new(value).parse::<sfv::List>().ok()?.serialize(),
        Type::Item => Some(Parser::new(value).parse::<sfv::Item>().ok()?.serialize()),
    }
}

enum Type {
    Dictionary,
    List,
    Item,
}

/// The structured fields whose type is registered; `;sf` on any other field would be a guess.
fn field_type(name: &str) -> Option<Type> {
    Some(match name {
        header::SIGNATURE | header::SIGNATURE_INPUT | header::ACCEPT_SIGNATURE | header::CONTENT_DIGEST => {
            Type::Dictionary
        }
        header::PAYMENT | "repr-digest" | "want-content-digest" | "want-repr-digest" | "priority" => Type::Dictionary,
        "accept-ch" | "cache-status" | "proxy-status" | "client-cert-chain" => Type::List,
        "client-cert" | "cross-origin-opener-policy" | "cross-origin-embedder-policy" | "origin-agent-cluster" => {
            Type::Item
        }
        _ => return None,
    })
}

struct MemberVisitor<'k, 'de> {
    key: &'k str,
    found: u32,
    text: String,
    params: Vec<&'de str>,
    repeated: bool,
}

impl<'de> DictionaryVisitor<'de> for MemberVisitor<'_, 'de> {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        if key.as_str() != self.key {
            return Ok(None);
        }
        self.found = self.found.saturating_add(1);
        self.text.clear();
        Ok(Some(Value { member: self, in_list: false }))
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

/// Writes one value, or an inner list of them, as it is read.
struct Value<'a, 'k, 'de> {
    member: &'a mut MemberVisitor<'k, 'de>,
    in_list: bool,
}

impl<'de> EntryVisitor<'de> for Value<'_, '_, 'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        self.member.text.push('(');
        Ok(self)
    }
}

impl<'de> InnerListVisitor<'de> for Value<'_, '_, 'de> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        if self.in_list {
            self.member.text.push(' ');
        }
        self.in_list = true;
        Ok(Value { member: &mut *self.member, in_list: false })
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        self.member.text.push(')');
        self.member.params.clear();
        Ok(self)
    }
}

impl<'de> ItemVisitor<'de> for Value<'_, '_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        push_bare(&mut self.member.text, &item);
        self.member.params.clear();
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for Value<'_, '_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.member.repeated |= self.member.params.contains(&key.as_str());
        self.member.params.push(key.as_str());
        push_param(&mut self.member.text, key.as_str(), &value);
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

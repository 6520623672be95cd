//! Reads the bytes of one label of `Signature` (RFC 9421, section 4.2).

use std::convert::Infallible;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};
use tollway_protocol::{Reason, Refusal};

use crate::input::MAX_SIGNATURE_FIELD;

/// The bytes that a `Signature` value holds under `label`.
pub(crate) fn read(value: &[u8], label: &str) -> Result<Vec<u8>, Refusal> {
    if value.len() > MAX_SIGNATURE_FIELD {
        return Err(Refusal::new(Reason::MalformedSignature, "longer than 8 KiB"));
    }
    let visitor = SignatureVisitor { label, found: 0, bytes: None, has_params: false };
    let found = Parser::new(value)
        .parse_dictionary_with_visitor(visitor)
        .map_err(|error| Refusal::new(Reason::MalformedSignature, error.to_string()))?;
    match (found.found, found.bytes) {
        (0, _) => Err(Refusal::new(Reason::LabelMismatch, format!("no signature under label {label}"))),
        (1, Some(bytes)) if !found.has_params => Ok(bytes),
        (1, _) => Err(Refusal::new(Reason::MalformedSignature, "a plain byte sequence (:base64:) is expected")),
        _ => Err(Refusal::new(Reason::MalformedSignature, format!("label {label} is there more than once"))),
    }
}

struct SignatureVisitor<'k> {
    label: &'k str,
    found: u32,
    bytes: Option<Vec<u8>>,
    has_params: bool,
}

impl<'de> DictionaryVisitor<'de> for SignatureVisitor<'_> {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        if key.as_str() != self.label {
            return Ok(None);
        }
        self.found = self.found.saturating_add(1);
        Ok(Some(self))
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

impl<'de> EntryVisitor<'de> for &mut SignatureVisitor<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for &mut SignatureVisitor<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        if let BareItemFromInput::ByteSequence(bytes) = item {
            self.bytes = Some(bytes);
        }
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for &mut SignatureVisitor<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, _: &'de KeyRef, _: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.has_params = true;
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

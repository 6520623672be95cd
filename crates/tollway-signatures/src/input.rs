//! Reads `Signature-Input` (RFC 9421, section 4.1) in one pass. Every label is read, none is judged:
//! a fault stays with its label until the label is chosen, so that a stranger's label never causes a refusal.

use std::convert::Infallible;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};
use tollway_protocol::{Reason, Refusal};

use crate::component::{Component, Param};
use crate::structured;

/// Longest `Signature-Input` or `Signature` that is read, all lines together, in bytes.
pub const MAX_SIGNATURE_FIELD: usize = 8 * 1024;
/// Most components one signature may cover.
pub const MAX_COMPONENTS: usize = 32;
/// Longest text parameter (`nonce`, `keyid`, `tag`, `alg`), in bytes.
pub const MAX_PARAM_TEXT: usize = 256;

/// One label of `Signature-Input`, read but not judged.
#[derive(Debug)]
pub(crate) struct Input<'de> {
    pub(crate) label: &'de str,
    components: Vec<Component>,
    /// The inner list with its parameters in canonical form and received order: the `@signature-params` value.
    pub(crate) canonical: String,
    pub(crate) created: Given<u64>,
    pub(crate) expires: Given<u64>,
    pub(crate) keyid: Given<String>,
    pub(crate) alg: Given<String>,
    pub(crate) nonce: Given<String>,
    pub(crate) tag: Given<String>,
    seen: Vec<&'de str>,
    fault: Option<Refusal>,
}

/// A signature parameter as it was given.
#[derive(Debug, Default)]
pub(crate) enum Given<T> {
    #[default]
    Absent,
    WrongType,
    Value(T),
}

impl<T> Given<T> {
    /// The value if there is one; refuses one of the wrong type.
    pub(crate) fn optional(self, name: &'static str) -> Result<Option<T>, Refusal> {
        match self {
            Self::Absent => Ok(None),
            Self::WrongType => Err(Refusal::new(Reason::ParamType, name)),
            Self::Value(value) => Ok(Some(value)),
        }
    }

    /// The value; refuses when it is absent or of the wrong type.
    pub(crate) fn required(self, name: &'static str) -> Result<T, Refusal> {
        self.optional(name)?.ok_or_else(|| Refusal::new(Reason::ParamMissing, name))
    }
}

/// Reads all labels of a `Signature-Input` value, in order, duplicates included.
pub(crate) fn parse(value: &[u8]) -> Result<Vec<Input<'_>>, Refusal> {
    if value.len() > MAX_SIGNATURE_FIELD {
        return Err(Refusal::new(Reason::MalformedSignatureInput, "longer than 8 KiB"));
    }
    Parser::new(value)
        .parse_dictionary_with_visitor(Inputs(Vec::with_capacity(1)))
        .map_err(|error| Refusal::new(Reason::MalformedSignatureInput, error.to_string()))
}

impl<'de> Input<'de> {
    fn new(label: &'de str) -> Self {
        Self {
            label,
            components: Vec::new(),
            canonical: String::new(),
            created: Given::Absent,
            expires: Given::Absent,
            keyid: Given::Absent,
            alg: Given::Absent,
            nonce: Given::Absent,
            tag: Given::Absent,
            seen: Vec::new(),
            fault: None,
        }
    }

    /// The covered components, each known and none twice.
    pub(crate) fn components(&mut self) -> Result<Vec<Component>, Refusal> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let components = std::mem::take(&mut self.components);
        check_all(&components)?;
        Ok(components)
    }

    pub(crate) fn into_components(self) -> Result<Vec<Component>, Refusal> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.components),
        }
    }

    fn fail(&mut self, reason: Reason, detail: impl Into<std::borrow::Cow<'static, str>>) {
        if self.fault.is_none() {
            self.fault = Some(Refusal::new(reason, detail));
        }
    }
}

/// Refuses an empty list, too long a list, a component without meaning, and a component covered twice.
pub(crate) fn check_all(components: &[Component]) -> Result<(), Refusal> {
    if components.is_empty() {
        return Err(Refusal::new(Reason::EmptyComponents, "the signature covers nothing"));
    }
    if components.len() > MAX_COMPONENTS {
        return Err(Refusal::new(Reason::MalformedSignatureInput, "more than 32 components"));
    }
    for (index, component) in components.iter().enumerate() {
        component.check()?;
        if components[..index].contains(component) {
            return Err(Refusal::new(Reason::DuplicateComponent, component.to_string()));
        }
    }
    Ok(())
}

struct Inputs<'de>(Vec<Input<'de>>);

impl<'de> DictionaryVisitor<'de> for Inputs<'de> {
    type Out = Vec<Input<'de>>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        self.0.push(Input::new(key.as_str()));
        Ok(self.0.last_mut())
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

impl<'de> EntryVisitor<'de> for &mut Input<'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        self.fail(Reason::MalformedSignatureInput, "a list of components is expected");
        Ok(Ignored)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        self.components.reserve(8);
        self.canonical.reserve(384);
        self.canonical.push('(');
        Ok(self)
    }
}

impl<'de> InnerListVisitor<'de> for &mut Input<'de> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(Covered(self))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        self.canonical.push(')');
        Ok(SignatureParam(self))
    }
}

/// One item of the inner list: a component identifier.
struct Covered<'a, 'de>(&'a mut Input<'de>);

impl<'de> ItemVisitor<'de> for Covered<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        if !self.0.canonical.ends_with('(') {
            self.0.canonical.push(' ');
        }
        structured::push_bare(&mut self.0.canonical, &item);
        match &item {
            BareItemFromInput::String(name) => self.0.components.push(Component::new(name.as_str())),
            _ => {
                self.0.fail(Reason::MalformedSignatureInput, "a component name is a quoted string");
                self.0.components.push(Component::new(""));
            }
        }
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for Covered<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        structured::push_param(&mut self.0.canonical, key.as_str(), &value);
        let param = match (key.as_str(), value) {
            ("sf", BareItemFromInput::Boolean(true)) => Param::Sf,
            ("bs", BareItemFromInput::Boolean(true)) => Param::Bs,
            ("req", BareItemFromInput::Boolean(true)) => Param::Req,
            ("tr", BareItemFromInput::Boolean(true)) => Param::Tr,
            ("key", BareItemFromInput::String(text)) => Param::Key(text.as_str().to_owned()),
            ("name", BareItemFromInput::String(text)) => Param::Name(text.as_str().to_owned()),
            (other, _) => {
                self.0.fail(Reason::UnsupportedComponentParam, format!(";{other}"));
                return Ok(());
            }
        };
        if let Some(component) = self.0.components.last_mut() {
            component.push(param);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The parameters behind the inner list.
struct SignatureParam<'a, 'de>(&'a mut Input<'de>);

impl<'de> ParameterVisitor<'de> for SignatureParam<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        let input = &mut *self.0;
        let key = key.as_str();
        structured::push_param(&mut input.canonical, key, &value);
        if input.seen.contains(&key) {
            input.fail(Reason::MalformedSignatureInput, format!("parameter {key} is there more than once"));
        }
        input.seen.push(key);
        match key {
            "created" => input.created = instant(&value),
            "expires" => input.expires = instant(&value),
            "keyid" => input.keyid = text(value),
            "alg" => input.alg = text(value),
            "nonce" => input.nonce = text(value),
            "tag" => input.tag = text(value),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn instant(value: &BareItemFromInput<'_>) -> Given<u64> {
    match value {
        BareItemFromInput::Integer(integer) => u64::try_from(*integer).map_or(Given::WrongType, Given::Value),
        _ => Given::WrongType,
    }
}

fn text(value: BareItemFromInput<'_>) -> Given<String> {
    match value {
        BareItemFromInput::String(text) if text.as_str().len() <= MAX_PARAM_TEXT => {
            Given::Value(text.as_str().to_owned())
        }
        _ => Given::WrongType,
    }
}

//! Component identifiers: a name and its parameters (RFC 9421, sections 2 and 2.1).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use tollway_protocol::{Reason, Refusal, header};

use crate::structured;

/// The identifier of one thing a signature covers, such as `"@method"`, `"signature-agent";key="sig1"` or `"@path";req`.
///
/// Two identifiers are equal when name and parameters are, whatever the order of the parameters; [`fmt::Display`] keeps
/// the order, because the signature base does.
#[derive(Clone, Debug)]
pub struct Component {
    name: Cow<'static, str>,
    params: Vec<Param>,
}

/// A parameter of a component identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// `;sf`: the field's strict structured serialisation.
    Sf,
    /// `;key="..."`: one member of a dictionary field.
    Key(String),
    /// `;bs`: each line as a byte sequence.
    Bs,
    /// `;req`: from the request that a response answers.
    Req,
    /// `;tr`: from the trailers. Understood, and refused: trailers are not available when a request is judged.
    Tr,
    /// `;name="..."`: the name of a query parameter.
    Name(String),
}

/// Names that cost no allocation when read from a message.
const KNOWN: [&str; 21] = [
    "@method",
    "@authority",
    "@path",
    "@query",
    "@target-uri",
    "@scheme",
    "@status",
    "@query-param",
    "@request-target",
    "content-type",
    "content-length",
    "date",
    "accept",
    "user-agent",
    header::CONTENT_DIGEST,
    header::SIGNATURE_AGENT,
    header::PAYMENT,
    header::PAYMENT_SIGNATURE,
    header::PAYMENT_RESPONSE,
    header::CRAWLER_EXACT_PRICE,
    header::CRAWLER_MAX_PRICE,
];

/// The derived components this crate computes.
const DERIVED: [&str; 8] =
    ["@method", "@authority", "@path", "@query", "@target-uri", "@scheme", "@status", "@query-param"];

impl Component {
    /// The component called `name`, without parameters. Whether there is such a component is judged where it is used.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = match KNOWN.iter().find(|known| **known == name) {
            Some(known) => Cow::Borrowed(*known),
            None => Cow::Owned(name.to_owned()),
        };
        Self { name, params: Vec::new() }
    }

    /// This component taken from the request that a response answers (`;req`).
    #[must_use]
    pub fn req(self) -> Self {
        self.with(Param::Req)
    }

    /// One member of this dictionary field (`;key="..."`).
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.with(Param::Key(key.to_owned()))
    }

    /// This field in strict structured serialisation (`;sf`).
    #[must_use]
    pub fn sf(self) -> Self {
        self.with(Param::Sf)
    }

    /// This field's lines as byte sequences (`;bs`).
    #[must_use]
    pub fn bs(self) -> Self {
        self.with(Param::Bs)
    }

    /// The query parameter called `name` (form-encoded), as `"@query-param";name="..."`.
    #[must_use]
    pub fn query_param(name: &str) -> Self {
        Self::new("@query-param").named(name)
    }

    /// This `@query-param` for the parameter called `name`, form-encoded (`;name="..."`).
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.with(Param::Name(name.to_owned()))
    }

    /// The name without parameters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters, in order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Whether it is derived from the message rather than one of its fields.
    #[must_use]
    pub fn is_derived(&self) -> bool {
        self.name.starts_with('@')
    }

    pub(crate) fn with(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }

    pub(crate) fn push(&mut self, param: Param) {
        self.params.push(param);
    }

    pub(crate) fn is_plain(&self, name: &str) -> bool {
        self.params.is_empty() && self.name == name
    }

    pub(crate) fn has(&self, param: &Param) -> bool {
        self.params.contains(param)
    }

    pub(crate) fn member(&self) -> Option<&str> {
        self.params.iter().find_map(|param| match param {
            Param::Key(key) => Some(key.as_str()),
            _ => None,
        })
    }

    pub(crate) fn query_name(&self) -> Option<&str> {
        self.params.iter().find_map(|param| match param {
            Param::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Refuses names and combinations of parameters that have no meaning (RFC 9421, section 2).
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.is_derived() {
            if !DERIVED.contains(&self.name()) {
                return Err(Refusal::new(Reason::UnknownComponent, format!("{self} is not supported")));
            }
        } else if self.name.is_empty() || !self.name.bytes().all(is_field_name_byte) {
            return Err(Refusal::new(Reason::UnknownComponent, format!("{self} is not a lower-case field name")));
        }
        let query = self.name == "@query-param";
        let fits = self.params.iter().all(|param| match param {
            Param::Req => true,
            Param::Tr => false,
            Param::Name(_) => query,
            Param::Sf | Param::Bs | Param::Key(_) => !self.is_derived(),
        });
        let bytes_only = !self.has(&Param::Bs) || (!self.has(&Param::Sf) && self.member().is_none());
        let distinct = (1..self.params.len()).all(|at| {
            let kind = std::mem::discriminant(&self.params[at]);
            self.params[..at].iter().all(|earlier| std::mem::discriminant(earlier) != kind)
        });
        if fits && bytes_only && distinct && (!query || self.query_name().is_some()) {
            return Ok(());
        }
        Err(Refusal::new(Reason::UnsupportedComponentParam, format!("{self} has parameters without meaning there")))
    }
}

impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.params.len() == other.params.len()
            && self.params.iter().all(|param| other.params.contains(param))
    }
}

impl Eq for Component {}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        structured::write_string(f, &self.name)?;
        for param in &self.params {
            match param {
                Param::Sf => f.write_str(";sf")?,
                Param::Bs => f.write_str(";bs")?,
                Param::Req => f.write_str(";req")?,
                Param::Tr => f.write_str(";tr")?,
                Param::Key(key) => {
                    f.write_str(";key=")?;
                    structured::write_string(f, key)?;
                }
                Param::Name(name) => {
                    f.write_str(";name=")?;
                    structured::write_string(f, name)?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Component {
    type Err = Refusal;

    /// Reads a serialised identifier, such as `"signature-agent";key="sig1"`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let input = format!("x=({text})");
        let mut inputs = crate::input::parse(input.as_bytes())?;
        let mut parsed = match inputs.pop() {
            Some(entry) if inputs.is_empty() => entry.into_components()?,
            _ => Vec::new(),
        };
        match (parsed.pop(), parsed.is_empty()) {
            (Some(component), true) => component.check().map(|()| component),
            _ => Err(Refusal::new(Reason::UnknownComponent, "not one component identifier")),
        }
    }
}

fn is_field_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-'
        | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

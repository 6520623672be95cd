//! The `Signature-Agent` field in its forms: a dictionary member `sig1="https://..."`, the legacy string `"https://..."`,
//! and the bare host of the announcement. What is believed is exactly what the signature covers.

use std::convert::Infallible;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};
use tollway_protocol::{Reason, Refusal, header};

use crate::agent::{AgentPolicy, AgentUrl};
use crate::component::Component;
use crate::components::Components;
use crate::structured;

/// Longest `Signature-Agent` that is read, in bytes.
pub const MAX_AGENT_FIELD: usize = 2 * 1024;

/// The agent of the signature called `label` that covers `components`.
pub(crate) fn read(
    message: &dyn Components,
    label: &str,
    components: &[Component],
    policy: AgentPolicy,
) -> Result<AgentUrl, Refusal> {
    let lines = message
        .field(header::SIGNATURE_AGENT)
        .ok_or_else(|| Refusal::new(Reason::AgentMissing, "no Signature-Agent"))?;
    let line = lines.single().ok_or_else(|| Refusal::new(Reason::FieldRepeated, header::SIGNATURE_AGENT))?;
    let value = structured::trim(line);
    if value.is_empty() {
        return Err(Refusal::new(Reason::AgentMissing, "Signature-Agent is empty"));
    }
    if value.len() > MAX_AGENT_FIELD {
        return Err(malformed("longer than 2 KiB"));
    }
    let covered = covered(components)?;
    let found = match covered {
        Coverage::Member(key) if value.starts_with(b"\"") => return Err(missing_member(key)),
        Coverage::Whole if value.starts_with(b"\"") => legacy(value)?,
        _ => dictionary(value, covered, label)?,
    };
    let url = match found {
        Found::Url(url) => url,
        // Whether a bare host is allowed is for the URL's parser to say.
        Found::Key => String::from_utf8(value.to_vec()).map_err(|_| malformed("not a host"))?,
    };
    AgentUrl::parse(&url, policy)
}

#[derive(Clone, Copy)]
enum Coverage<'a> {
    Whole,
    Member(&'a str),
}

fn covered(components: &[Component]) -> Result<Coverage<'_>, Refusal> {
    let not_covered = || Refusal::new(Reason::AgentNotCovered, "the signature does not cover Signature-Agent");
    let mut agents = components.iter().filter(|component| component.name() == header::SIGNATURE_AGENT);
    let agent = agents.next().ok_or_else(not_covered)?;
    if agents.next().is_some() {
        return Err(malformed("the signature covers more than one agent"));
    }
    match (agent.member(), agent.params().len()) {
        (Some(key), 1) => Ok(Coverage::Member(key)),
        (None, 0) => Ok(Coverage::Whole),
        _ => Err(not_covered()),
    }
}

fn legacy(value: &[u8]) -> Result<Found, Refusal> {
    let mut item = AgentMember::new("");
    match Parser::new(value).parse_item_with_visitor(&mut item) {
        Ok(()) => item.found(),
        Err(_) => Err(malformed("one quoted URL is expected")),
    }
}

enum Found {
    Url(String),
    /// A key without a value: what a bare host looks like to a dictionary parser.
    Key,
}

fn dictionary(value: &[u8], covered: Coverage<'_>, label: &str) -> Result<Found, Refusal> {
    let members = Parser::new(value)
        .parse_dictionary_with_visitor(Members(Vec::with_capacity(1)))
        .map_err(|_| malformed("neither a dictionary nor a quoted URL"))?;
    let key = match (covered, members.as_slice()) {
        (Coverage::Member(key), _) => key,
        (Coverage::Whole, [only]) => only.key,
        (Coverage::Whole, _) => label,
    };
    let mut own = members.into_iter().filter(|member| member.key == key);
    let member = own.next().ok_or_else(|| missing_member(key))?;
    if own.next().is_some() {
        return Err(Refusal::new(Reason::FieldRepeated, format!("agent {key} is there more than once")));
    }
    match member.found()? {
        Found::Key if matches!(covered, Coverage::Member(_)) => Err(malformed("a quoted URL is expected")),
        found => Ok(found),
    }
}

struct AgentMember<'de> {
    key: &'de str,
    value: Value,
    /// A `;type` other than `directory`.
    other_type: bool,
}

enum Value {
    Text(String),
    Key,
    Other,
}

impl<'de> AgentMember<'de> {
    fn new(key: &'de str) -> Self {
        Self { key, value: Value::Other, other_type: false }
    }

    fn found(self) -> Result<Found, Refusal> {
        match self.value {
            _ if self.other_type => Err(malformed("only agents of type directory are supported")),
            Value::Text(url) => Ok(Found::Url(url)),
            Value::Key => Ok(Found::Key),
            Value::Other => Err(malformed("a quoted URL is expected")),
        }
    }
}

struct Members<'de>(Vec<AgentMember<'de>>);

impl<'de> DictionaryVisitor<'de> for Members<'de> {
    type Out = Vec<AgentMember<'de>>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        self.0.push(AgentMember::new(key.as_str()));
        Ok(self.0.last_mut())
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

impl<'de> EntryVisitor<'de> for &mut AgentMember<'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for &mut AgentMember<'de> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        self.value = match item {
            BareItemFromInput::String(text) => Value::Text(text.as_str().to_owned()),
            BareItemFromInput::Boolean(true) => Value::Key,
            _ => Value::Other,
        };
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for &mut AgentMember<'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        let directory = match &value {
            BareItemFromInput::String(text) => text.as_str() == "directory",
            BareItemFromInput::Token(token) => token.as_str() == "directory",
            _ => false,
        };
        self.other_type |= key.as_str() == "type" && !directory;
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Reason::AgentMalformed, detail)
}

fn missing_member(key: &str) -> Refusal {
    Refusal::new(Reason::ComponentMissing, format!("Signature-Agent has no member {key}"))
}

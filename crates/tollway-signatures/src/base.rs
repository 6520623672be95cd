//! The signature base (RFC 9421, section 2.5): one line per covered component in the order received, then
//! `@signature-params`.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tollway_protocol::{Reason, Refusal, header};

use crate::component::{Component, Param};
use crate::components::Components;
use crate::structured::{self, Member};
use crate::{input, query};

/// Longest signature base that is built, in bytes.
pub const MAX_BASE: usize = 64 * 1024;

/// The base over `components` in their order; `signature_params` is the serialised inner list with its parameters.
///
/// # Errors
/// What [`Component`] values refuse: `unknown_component`, `unsupported_component_param`, `component_missing`,
/// `empty_components`, `duplicate_component`, `field_repeated`.
pub fn build(message: &dyn Components, components: &[Component], signature_params: &str) -> Result<String, Refusal> {
    input::check_all(components)?;
    build_checked(message, components, signature_params)
}

/// The base that the signer of `label` must have signed, rebuilt from `Signature-Input` without judging anything: for
/// explaining a refusal, and for messages outside every policy.
///
/// # Errors
/// `missing_signature`, `malformed_signature_input`, `label_mismatch`, and those of [`build`].
pub fn received(message: &dyn Components, label: &str) -> Result<String, Refusal> {
    let lines = message
        .field(header::SIGNATURE_INPUT)
        .ok_or_else(|| Refusal::new(Reason::MissingSignature, header::SIGNATURE_INPUT))?;
    let value = structured::join(&lines);
    let mut inputs = input::parse(&value)?;
    inputs.retain(|input| input.label == label);
    match (inputs.pop(), inputs.is_empty()) {
        (Some(mut input), true) => {
            let components = input.components()?;
            build_checked(message, &components, &input.canonical)
        }
        (Some(_), false) => Err(Refusal::new(Reason::MalformedSignatureInput, "the label is there more than once")),
        (None, _) => Err(Refusal::new(Reason::LabelMismatch, "no such label")),
    }
}

/// [`build`] for components that were checked when they were read.
pub(crate) fn build_checked(
    message: &dyn Components,
    components: &[Component],
    signature_params: &str,
) -> Result<String, Refusal> {
    let mut base = String::with_capacity(512 + signature_params.len());
    for component in components {
        write!(base, "{component}: ").expect("writing to a string cannot fail");
        push_value(&mut base, message, component)?;
        base.push('\n');
        if base.len() > MAX_BASE {
            return Err(Refusal::new(Reason::MalformedSignatureInput, "the signature base exceeds 64 KiB"));
        }
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(signature_params);
    Ok(base)
}

fn push_value(base: &mut String, message: &dyn Components, component: &Component) -> Result<(), Refusal> {
    let source =
        if component.has(&Param::Req) { message.request().ok_or_else(|| missing(component))? } else { message };
    let start = base.len();
    if component.is_derived() {
        push_derived(base, source, component)?;
    } else {
        push_field(base, source, component)?;
    }
    // A line break would let one component pose as two; anything but printable ASCII has no place in a base.
    if base.as_bytes()[start..].iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::ComponentMissing,
        format!("{component} holds bytes that cannot stand in a signature base"),
    ))
}

fn push_derived(base: &mut String, source: &dyn Components, component: &Component) -> Result<(), Refusal> {
    let absent = || missing(component);
    match component.name() {
        "@method" => base.push_str(source.method().ok_or_else(absent)?),
        "@scheme" => base.push_str(&lower(source.scheme().ok_or_else(absent)?)),
        "@authority" => base.push_str(&authority(source).ok_or_else(absent)?),
        "@path" => base.push_str(target(source).ok_or_else(absent)?.0),
        "@query" => {
            base.push('?');
            base.push_str(target(source).ok_or_else(absent)?.1.unwrap_or_default());
        }
        "@target-uri" => {
            let (path, query) = target(source).ok_or_else(absent)?;
            base.push_str(&lower(source.scheme().ok_or_else(absent)?));
            base.push_str("://");
            base.push_str(&authority(source).ok_or_else(absent)?);
            base.push_str(path);
            if let Some(query) = query {
                base.push('?');
                base.push_str(query);
            }
        }
        "@status" => {
            let status = source.status().ok_or_else(absent)?;
            write!(base, "{status:03}").expect("writing to a string cannot fail");
        }
        "@query-param" => {
            let (_, query) = target(source).ok_or_else(absent)?;
            let name = component.query_name().ok_or_else(absent)?;
            base.push_str(&query::single(query.unwrap_or_default(), name).ok_or_else(absent)?);
        }
        _ => {
            return Err(Refusal::new(Reason::UnknownComponent, component.to_string()));
        }
    }
    Ok(())
}

fn push_field(base: &mut String, source: &dyn Components, component: &Component) -> Result<(), Refusal> {
    let lines = source.field(component.name()).ok_or_else(|| missing(component))?;
    if component.has(&Param::Bs) {
        for (index, line) in lines.iter().enumerate() {
            base.push_str(if index > 0 { ", :" } else { ":" });
            BASE64_STANDARD.encode_string(structured::trim(line), base);
            base.push(':');
        }
        return Ok(());
    }
    let value = structured::join(&lines);
    if let Some(key) = component.member() {
        match structured::member(&value, key) {
            Member::Found(text) => base.push_str(&text),
            Member::Repeated => {
                return Err(Refusal::new(Reason::FieldRepeated, component.to_string()));
            }
            Member::Absent | Member::Malformed => return Err(missing(component)),
        }
    } else if component.has(&Param::Sf) {
        let strict = structured::strict(component.name(), &value).ok_or_else(|| {
            Refusal::new(Reason::UnsupportedComponentParam, format!("{component}: not a structured field known here"))
        })?;
        base.push_str(&strict);
    } else {
        base.push_str(std::str::from_utf8(&value).map_err(|_| missing(component))?);
    }
    Ok(())
}

/// Host in lower case, without the default port of the scheme (RFC 9421, section 2.2.3).
pub(crate) fn authority(source: &dyn Components) -> Option<Cow<'_, str>> {
    let sent = source.authority()?;
    if sent.is_empty() || sent.contains(['@', '/', '?', '#', ' ', ',']) {
        return None;
    }
    let default_port = match source.scheme() {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => ":443",
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => ":80",
        _ => ":",
    };
    let host = sent.strip_suffix(default_port).or_else(|| sent.strip_suffix(':')).unwrap_or(sent);
    Some(lower(host))
}

/// Path (never empty) and query, raw.
fn target(source: &dyn Components) -> Option<(&str, Option<&str>)> {
    let raw = source.path_and_query()?;
    let (path, query) = match raw.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (raw, None),
    };
    let origin_form = path.is_empty() || path.starts_with('/');
    (origin_form && !raw.contains(['#', ' '])).then_some((if path.is_empty() { "/" } else { path }, query))
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn missing(component: &Component) -> Refusal {
    Refusal::new(Reason::ComponentMissing, format!("the message has no {component}"))
}

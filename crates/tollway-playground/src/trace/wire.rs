//! Messages as texts: the raw form, what their headers say when decoded, and the command that sends them again.

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tollway_http::payer::Outgoing;
use tollway_protocol::{PaymentPayload, PaymentRequired, decode_header, header};
use tollway_signatures::{Message, base};

use super::event::{Part, Scheme};

/// Headers that carry JSON in base64.
const ENCODED: [&str; 6] = [
    header::PAYMENT_REQUIRED,
    header::PAYMENT_SIGNATURE,
    header::PAYMENT_RESPONSE,
    header::X_PAYMENT,
    header::X_PAYMENT_RESPONSE,
    header::PAYMENT_CONTEXT,
];
/// Longest header that is decoded.
const ENCODED_MAX: usize = 64 << 10;
/// The label under which the payer signs.
const LABEL: &str = "sig1";

/// A request as it goes over the wire.
pub(super) fn request(sent: &Outgoing) -> Part {
    let target = match sent.url.query() {
        Some(query) => format!("{}?{query}", sent.url.path()),
        None => sent.url.path().to_owned(),
    };
    let authority = &sent.url[url::Position::BeforeHost..url::Position::AfterPort];
    let head = format!("{} {target} HTTP/1.1\nhost: {authority}", sent.method);
    Part::new("Request", message(&head, &sent.headers, &sent.body))
}

/// An answer as it came.
pub(super) fn response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Part {
    Part::new("Response", message(&format!("HTTP/1.1 {status}"), headers, body))
}

/// What the payment headers say.
pub(super) fn decoded(headers: &HeaderMap) -> Vec<Part> {
    let lines = ENCODED.iter().filter_map(|name| {
        let text = headers.get(*name)?.to_str().ok()?;
        let value: Value = decode_header(text, ENCODED_MAX).ok()?;
        Some(Part::new(format!("{name}, decoded"), pretty(&value)))
    });
    lines.collect()
}

/// The one scheme that a demand takes; `None` where there are several, or it cannot be read.
pub(super) fn asked_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let demand = PaymentRequired::decode(headers.get(header::PAYMENT_REQUIRED)?.to_str().ok()?).ok()?;
    let exact = demand.accepts.iter().filter(|entry| entry.scheme == "exact").count();
    match exact {
        0 => Some(Scheme::Deferred),
        all if all == demand.accepts.len() => Some(Scheme::Exact),
        _ => None,
    }
}

/// The text under a request's signature.
pub(super) fn signature_base(sent: &Outgoing) -> Option<Part> {
    let authority = &sent.url[url::Position::BeforeHost..url::Position::AfterPort];
    let target = &sent.url[url::Position::BeforePath..url::Position::AfterQuery];
    let fields = sent.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let message = Message::request(sent.method.as_str(), sent.url.scheme(), authority, target);
    let message = fields.fold(message, |message, (name, value)| message.with(name, value));
    let text = base::received(&message, LABEL).ok()?;
    Some(Part::new("Signature base", text))
}

/// What the wallet signs of an exact payment: typed data (EIP-712), of which only the digest is under the signature.
pub(crate) fn typed_data(payment: &PaymentPayload) -> Option<Part> {
    let (accepted, authorization) = (&payment.accepted, payment.payload.get("authorization")?);
    let extra = |name: &str| accepted.extra.as_ref().and_then(|extra| extra.get(name)).cloned();
    let data = json!({
        "domain": {
            "name": extra("name"),
            "version": extra("version"),
            "chainId": accepted.network.reference(),
            "verifyingContract": accepted.asset,
        },
        "primaryType": "TransferWithAuthorization",
        "message": authorization,
    });
    Some(Part::new("Typed data that the wallet signs (EIP-712)", pretty(&data)))
}

/// The exact payment of a request, where it has one.
pub(super) fn exact_payment(headers: &HeaderMap) -> Option<PaymentPayload> {
    PaymentPayload::decode(headers.get(header::PAYMENT_SIGNATURE)?.to_str().ok()?).ok()
}

/// A command that sends the same request again.
pub(crate) fn curl(sent: &Outgoing) -> String {
    let mut command = format!("curl -i -X {} {}", sent.method, quoted(sent.url.as_str()));
    for (name, value) in &sent.headers {
        command.push_str(&format!(
            " \\\n  -H {}",
            quoted(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        ));
    }
    if !sent.body.is_empty() {
        command.push_str(&format!(" \\\n  --data-binary {}", quoted(&String::from_utf8_lossy(&sent.body))));
    }
    command
}

/// JSON for people.
pub(super) fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn message(head: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = head.to_owned();
    for (name, value) in headers {
        text.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    text.push_str("\n\n");
    text.push_str(&String::from_utf8_lossy(body));
    text
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert("x-note", "it's here".parse().unwrap());
        Outgoing {
            method: http::Method::GET,
            url: "http://127.0.0.1:8/a?b=c".parse().unwrap(),
            headers,
            body: bytes::Bytes::new(),
        }
    }

    #[test]
    fn a_request_reads_as_it_was_sent() {
        assert_eq!(request(&outgoing()).text, "GET /a?b=c HTTP/1.1\nhost: 127.0.0.1:8\nx-note: it's here\n\n");
    }

    #[test]
    fn a_command_is_quoted_for_the_shell() {
        let command = curl(&outgoing());
        assert_eq!(command, "curl -i -X GET 'http://127.0.0.1:8/a?b=c' \\\n  -H 'x-note: it'\\''s here'");
    }
}

//! MCP over HTTP (MCP transports, "Streamable HTTP"): sessions, streams of events, resumption; at both sides of a relay.

mod body;
mod door;
mod front;
mod seat;
mod stream;
mod upstream;

pub use body::EventBody;
pub use door::Door;
pub use front::HttpFront;
pub use upstream::{HttpUpstream, UpstreamError};

/// Names the session, where there is one.
const SESSION: http::HeaderName = http::HeaderName::from_static("mcp-session-id");
/// The revision both sides agreed on.
const VERSION: http::HeaderName = http::HeaderName::from_static("mcp-protocol-version");
/// The event to go on after.
const LAST_EVENT: http::HeaderName = http::HeaderName::from_static("last-event-id");
/// One message.
const JSON: &str = "application/json";
/// Many of them.
const EVENTS: &str = "text/event-stream";

/// A name nobody can guess: 128 random bits.
///
/// # Panics
/// On a machine without a source of randomness.
pub(super) fn random_name() -> String {
    use std::fmt::Write as _;
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("this machine has a source of randomness");
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a field names a media type, whatever its parameters.
fn is_media(value: Option<&http::HeaderValue>, media: &str) -> bool {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().is_some_and(|own| own.trim().eq_ignore_ascii_case(media))
}

//! Gathers bodies under a cap.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tollway_protocol::{Reason, Refusal};

use crate::body::Body;

/// How long a paid request's body may take to arrive.
const UPLOAD_WAIT: Duration = Duration::from_secs(30);

/// Reads a request body of at most `cap` bytes.
///
/// # Errors
/// `body_too_large` above the cap, `malformed_target` when the client broke it off.
pub(crate) async fn gather(body: Body, cap: usize) -> Result<Bytes, Refusal> {
    let Ok(gathered) = tokio::time::timeout(UPLOAD_WAIT, read(body, cap)).await else {
        return Err(Refusal::new(Reason::MalformedTarget, "the request body did not arrive in time"));
    };
    match gathered {
        Gathered::Whole(bytes) => Ok(bytes),
        Gathered::TooLong => Err(Refusal::new(Reason::BodyTooLarge, "a paid request's body is at most 1 MiB")),
        Gathered::Cut => Err(Refusal::new(Reason::MalformedTarget, "the request body broke off")),
    }
}

/// How reading a body ended.
pub(crate) enum Gathered {
    Whole(Bytes),
    TooLong,
    Cut,
}

/// Reads a body to its end, or to the cap.
pub(crate) async fn read(mut body: Body, cap: usize) -> Gathered {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Gathered::Cut };
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        if total > cap {
            return Gathered::TooLong;
        }
        // A body that comes in one piece is passed on without a copy.
        match (&first, rest.is_empty()) {
            (None, true) => first = Some(data),
            (Some(piece), true) => {
                rest.extend_from_slice(piece);
                rest.extend_from_slice(&data);
            }
            _ => rest.extend_from_slice(&data),
        }
    }
    if rest.is_empty() { Gathered::Whole(first.unwrap_or_default()) } else { Gathered::Whole(rest.freeze()) }
}

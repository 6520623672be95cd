//! Requests that leave HTTP (RFC 9110 section 7.8), such as WebSocket: once both sides agree, bytes
//! are copied until one of them ends.

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::Body;

/// Streams open at once that have left HTTP.
const STREAMS_MAX: usize = 1_024;

/// Whether a request asks to change to another protocol. `h2c` is none: every client may go on without it.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    let words = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let connection = words.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let other = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"h2c");
    connection && headers.get(UPGRADE).is_some_and(other)
}

/// Places for streams that have left HTTP.
#[derive(Clone)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
}

/// A request's way out of HTTP: its client's end, and a place.
pub(super) struct WayOut {
    client: OnUpgrade,
    place: OwnedSemaphorePermit,
    protocol: HeaderValue,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

impl Streams {
    /// Takes the way out of a request that asks for it, where the connection has one and a place is free.
    pub(super) fn take(&self, request: &mut Request<Body>) -> Option<WayOut> {
        if !is_upgrade(request.headers()) {
            return None;
        }
        let protocol = request.headers().get(UPGRADE)?.clone();
        let client = request.extensions_mut().remove::<OnUpgrade>()?;
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(WayOut { client, place, protocol })
    }
}

impl WayOut {
    /// Asks the upstream for the same.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// Joins both ends, once the upstream has agreed and its 101 has gone to the client.
    pub(super) fn join<B>(self, response: &mut Response<B>) {
        let Some(upstream) = response.extensions_mut().remove::<OnUpgrade>() else { return };
        let Self { client, place, .. } = self;
        tokio::spawn(async move {
            let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else { return };
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut upstream).await {
                tracing::debug!(%error, "a stream that had left HTTP broke off");
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_http_says_so_twice() {
        let headers = |lines: &[(&'static str, &str)]| -> HeaderMap {
            lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        assert!(is_upgrade(&headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")])));
        assert!(!is_upgrade(&headers(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")])));
        assert!(!is_upgrade(&headers(&[("upgrade", "websocket")])));
        assert!(!is_upgrade(&headers(&[("connection", "upgrade")])));
    }
}

//! The body of an answer: all there, or events as they come.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::stream::Reader;

/// A silent stream says that it lives, so that nothing between closes it.
const ALIVE: Duration = Duration::from_secs(15);

type Next = Pin<Box<dyn Future<Output = (Option<String>, Reader)> + Send>>;

/// What a relay answers over HTTP.
pub struct EventBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Events {
        prime: Option<String>,
        next: Next,
        /// Ends with the body.
        _kept: Option<Box<dyn Send>>,
    },
    Ended,
}

impl EventBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Whole(Some(bytes.into())))
    }

    /// What `reader` reads; `kept` lives as long as somebody reads it.
    pub(super) fn events(reader: Reader, prime: bool, kept: Option<Box<dyn Send>>) -> Self {
        let prime = prime.then(|| reader.prime());
        Self(Inner::Events { prime, next: Box::pin(next(reader)), _kept: kept })
    }
}

async fn next(mut reader: Reader) -> (Option<String>, Reader) {
    let event = match tokio::time::timeout(ALIVE, reader.next()).await {
        Ok(event) => event,
        Err(_) => Some(": still here\n\n".to_owned()),
    };
    (event, reader)
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |text: String| Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Inner::Ended => Poll::Ready(None),
            Inner::Events { prime, next: waiting, .. } => {
                if let Some(prime) = prime.take() {
                    return frame(prime);
                }
                match waiting.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready((Some(event), reader)) => {
                        *waiting = Box::pin(next(reader));
                        frame(event)
                    }
                    Poll::Ready((None, _)) => {
                        self.0 = Inner::Ended;
                        Poll::Ready(None)
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Ended | Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Whole(None) | Inner::Ended => SizeHint::with_exact(0),
            Inner::Events { .. } => SizeHint::default(),
        }
    }
}

//! Windows on bodies: an upload that goes on keeps a request alive, an answer that stops ends.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};

use crate::body::{Body, BoxError};

/// When something last moved.
#[derive(Clone)]
pub(super) struct Progress {
    last: Arc<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn now() -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Ends when nothing has moved for `window`.
    pub(super) async fn stalled(&self, window: Duration) {
        loop {
            let until = *self.last.lock() + window;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A request body that tells when it moves.
pub(super) struct Upload {
    pub(super) body: Body,
    pub(super) progress: Progress,
}

/// A response body that breaks off when nothing of it comes for a while.
pub(super) struct Download {
    body: Body,
    window: Duration,
    until: Pin<Box<Sleep>>,
}

impl Download {
    pub(super) fn new(body: Body, window: Duration) -> Self {
        Self { body, window, until: Box::pin(sleep(window)) }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            *self.progress.last.lock() = Instant::now();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let until = Instant::now() + self.window;
            self.until.as_mut().reset(until);
            return Poll::Ready(frame);
        }
        match self.until.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the upstream stopped in the middle of its answer".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

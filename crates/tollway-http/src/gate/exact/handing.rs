//! A paid body on its way: when its last byte was taken, what was kept for its buyer is given up; when
//! it breaks off, the buyer can still collect it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::spool::Lent;
use crate::body::{Body, BoxError};

pub(super) struct Handing {
    body: Body,
    lent: Option<Lent>,
}

impl Handing {
    pub(super) fn new(body: Body, lent: Lent) -> Self {
        Self { body, lent: Some(lent) }
    }

    fn end(&mut self) {
        if let Some(lent) = self.lent.take() {
            lent.delivered();
        }
    }
}

impl HttpBody for Handing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if self.body.is_end_stream() => self.end(),
            None => self.end(),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // An empty body is never asked for a frame: it is delivered when it is dropped unread.
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

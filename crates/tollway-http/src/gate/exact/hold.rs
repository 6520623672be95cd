//! Holds an answer while its payment settles: a short one is gathered whole, of a long one the head and
//! what was read of it are held and no more is asked for.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::body::{Body, BoxError, boxed};
use crate::gate::answers::Answer;
use crate::gate::sell::{is_short, told_length};

/// An answer that is held.
pub(super) enum Held {
    /// All of it.
    Whole(Answer),
    /// Longer than is gathered: its head, and a body that has been read no further.
    Long(Response<Body>),
    /// It broke off, or was longer than it said.
    Broken,
}

/// Takes an answer in hand. Of one that says it is long nothing is read.
pub(super) async fn hold(response: Response<Body>, cap: usize) -> Held {
    if told_length(&response).is_some() && !is_short(&response, cap) {
        return Held::Long(response);
    }
    let told = told_length(&response);
    let (parts, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    loop {
        match body.frame().await {
            None => break,
            Some(Err(_)) => return Held::Broken,
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                read.extend_from_slice(&data);
                if read.len() > cap {
                    if told.is_some() {
                        return Held::Broken;
                    }
                    let body = boxed(Resumed { first: Some(read.freeze()), rest: body });
                    return Held::Long(Response::from_parts(parts, body));
                }
            }
        }
    }
    Held::Whole(Answer { status: parts.status, headers: parts.headers, body: read.freeze() })
}

/// What was read, then the rest.
struct Resumed {
    first: Option<Bytes>,
    rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

//! Watches a paid body on its way: when the upstream cuts it, the charge is taken back; when it is
//! complete, the books get a delivery note.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use http_body::{Body as HttpBody, Frame, SizeHint};
use sha2::{Digest as _, Sha256};
use tollway_core::seller::Seller;
use tollway_ledger::{CommitmentId, DeliveryNote, Hash};

use crate::body::{Body, BoxError};

/// A streamed body that was paid for.
pub(super) struct Delivered {
    body: Body,
    seen: Sha256,
    bytes: u64,
    note: Option<(Seller, CommitmentId)>,
    /// When the last piece was taken, and whether the client ever left one waiting too long.
    taken: Option<Instant>,
    stalled: bool,
}

/// A client that leaves the upstream waiting for longer may be why it breaks off: the charge stands.
const STALL: Duration = Duration::from_secs(10);

impl Delivered {
    pub(super) fn new(body: Body, seller: Seller, id: CommitmentId) -> Self {
        Self { body, seen: Sha256::new(), bytes: 0, note: Some((seller, id)), taken: None, stalled: false }
    }

    /// Sends the note, once, in a task that outlives the connection.
    fn send_note(&mut self, complete: bool) {
        let Some((seller, id)) = self.note.take() else { return };
        let digest = complete.then(|| Hash::from_bytes(self.seen.clone().finalize().into()));
        let note = DeliveryNote { bytes: self.bytes, digest, complete };
        tokio::spawn(async move {
            let now = seller.now();
            if let Err(error) = seller.books().delivery_note(&id, note, now).await {
                tracing::error!(%id, complete, %error, "a delivery note was not written");
            }
            if !complete && let Err(refusal) = seller.take_back_pass(id.into()).await {
                tracing::error!(%id, reason = refusal.reason.code(), "a pass is open whose charge was taken back");
            }
        });
    }
}

impl HttpBody for Delivered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.taken.take().is_some_and(|taken| taken.elapsed() > STALL) {
            self.stalled = true;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.taken = Some(Instant::now());
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.bytes += data.len() as u64;
                    self.seen.update(data);
                }
                if self.body.is_end_stream() {
                    self.send_note(true);
                }
            }
            Some(Err(_)) if self.stalled => self.note = None,
            Some(Err(_)) => self.send_note(false),
            None => self.send_note(true),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

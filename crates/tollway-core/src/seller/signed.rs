//! What a buyer signed, whichever way: an HTTP message (RFC 9421) or a commitment of its own (JWS). The
//! books keep the same of both.

use tollway_ledger::{Evidence, EvidenceKind};
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{Thumbprint, Verified};

/// A proved signature: the holder of the key with this thumbprint signed exactly [`Signed::base`].
#[derive(Debug, Clone)]
pub struct Signed {
    kind: EvidenceKind,
    thumbprint: Thumbprint,
    created: u64,
    expires: u64,
    nonce: Option<String>,
    base: String,
    signature: [u8; 64],
}

/// When a commitment was signed, until when it holds, and its nonce.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) nonce: String,
}

impl Signed {
    pub(crate) fn message(verified: &Verified) -> Self {
        Self {
            kind: EvidenceKind::Rfc9421,
            thumbprint: *verified.thumbprint(),
            created: verified.created(),
            expires: verified.expires(),
            nonce: verified.nonce().map(str::to_owned),
            base: verified.base().to_owned(),
            signature: *verified.signature(),
        }
    }

    /// Of a compact JWS whose signature has just been verified: the base is its signing input.
    pub(crate) fn document(thumbprint: Thumbprint, window: Window, (base, signature): (&str, [u8; 64])) -> Self {
        Self {
            kind: EvidenceKind::Jws,
            thumbprint,
            created: window.created,
            expires: window.expires,
            nonce: Some(window.nonce),
            base: base.to_owned(),
            signature,
        }
    }

    /// The key that signed.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// When it was made, by the signer's clock, in seconds since the epoch.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The last second at which it holds.
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// The nonce, if one was signed.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The signed bytes: a signature base, or the signing input of a JWS.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What the books keep of it.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence { kind: self.kind, base: self.base.clone(), signature: self.signature }
    }

    /// Whether it holds at `now` if clocks differ by at most `skew` seconds.
    ///
    /// # Errors
    /// `created_in_future`, `expired`.
    pub fn in_window(&self, now: u64, skew: u64) -> Result<(), Refusal> {
        if self.created > now.saturating_add(skew) {
            return Err(Refusal::new(Reason::CreatedInFuture, format!("created {}", self.created)));
        }
        if now > self.expires.saturating_add(skew) {
            return Err(Refusal::new(Reason::Expired, format!("expired {}", self.expires)));
        }
        Ok(())
    }
}

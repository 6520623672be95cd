//! Entries of passes. Fields are declared in key order: see [`crate::canonical`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{PassId, Sequence};
use crate::journal::EntryKind;
use crate::pass::{Pass, PassUse};

/// `pass_opened`: what a payment has opened; its first request is the one that was paid.
#[derive(Serialize, Deserialize)]
pub(crate) struct PassOpenedBody<'a> {
    pub(crate) at: u64,
    pub(crate) ends: u64,
    pub(crate) id: PassId,
    pub(crate) kind: EntryKind,
    pub(crate) payer: Cow<'a, str>,
    pub(crate) requests: u32,
    pub(crate) rule: Cow<'a, str>,
    pub(crate) sequence: Sequence,
}

/// `pass_used`: a request within a pass. Moves nothing.
#[derive(Serialize, Deserialize)]
pub(crate) struct PassUsedBody<'a> {
    pub(crate) at: u64,
    pub(crate) id: PassId,
    pub(crate) kind: EntryKind,
    pub(crate) method: Cow<'a, str>,
    /// How many are taken with it.
    pub(crate) number: u32,
    pub(crate) sequence: Sequence,
    pub(crate) url: Cow<'a, str>,
}

/// `pass_returned`: the request whose entry stands at `taken` was not served.
#[derive(Serialize, Deserialize)]
pub(crate) struct PassReturnedBody {
    pub(crate) at: u64,
    pub(crate) id: PassId,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
    pub(crate) taken: Sequence,
}

/// `pass_revoked`: the seller has ended it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PassRevokedBody {
    pub(crate) at: u64,
    pub(crate) id: PassId,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

impl<'a> PassOpenedBody<'a> {
    pub(crate) fn of(pass: &'a Pass, at: u64, sequence: Sequence) -> Self {
        Self {
            at,
            ends: pass.ends,
            id: pass.id,
            kind: EntryKind::PassOpened,
            payer: Cow::Borrowed(&pass.payer),
            requests: pass.requests,
            rule: Cow::Borrowed(&pass.rule),
            sequence,
        }
    }
}

impl<'a> PassUsedBody<'a> {
    pub(crate) fn of(id: &PassId, used: &'a PassUse, number: u32, (at, sequence): (u64, Sequence)) -> Self {
        Self {
            at,
            id: *id,
            kind: EntryKind::PassUsed,
            method: Cow::Borrowed(&used.method),
            number,
            sequence,
            url: Cow::Borrowed(&used.url),
        }
    }
}

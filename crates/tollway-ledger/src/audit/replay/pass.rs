//! Passes as an auditor follows them: each was paid, and no more of it was used than was bought.

use std::collections::{HashMap, HashSet};

use super::{Checked, Replay, expect};
use crate::audit::FaultKind;
use crate::body::pass::{PassOpenedBody, PassReturnedBody, PassRevokedBody, PassUsedBody};
use crate::exact::ExactState;
use crate::id::{CommitmentId, PassId, PaymentId, Sequence};
use crate::sale::SaleState;

/// What must be remembered of a pass.
pub(super) struct Track {
    requests: u32,
    used: u32,
    ends: u64,
    revoked: bool,
    /// Requests that are taken and not given back.
    taken: HashSet<Sequence>,
}

/// Passes by their ids.
pub(super) type Passes = HashMap<PassId, Track>;

impl Replay<'_> {
    pub(super) fn pass_opened(&mut self, body: &PassOpenedBody<'_>) -> Checked {
        let paid = self.paid_by(&body.id, &body.payer, &body.rule);
        let track = Track { requests: body.requests, used: 1, ends: body.ends, revoked: false, taken: HashSet::new() };
        let known = self.passes.insert(body.id, track);
        expect(known.is_none(), FaultKind::Duplicate, "the pass stands in the journal before")?;
        expect(paid, FaultKind::Transfer, "no payment of its payer under its rule has opened it")
    }

    pub(super) fn pass_used(&mut self, body: &PassUsedBody<'_>) -> Checked {
        let track = self.pass(&body.id)?;
        track.used = track.used.saturating_add(1);
        track.taken.insert(body.sequence);
        let right = !track.revoked && body.at < track.ends && track.used <= track.requests;
        let counted = body.number == track.used;
        expect(right, FaultKind::Limit, "the pass was over")?;
        expect(counted, FaultKind::State, "it is not the next request of its pass")
    }

    pub(super) fn pass_returned(&mut self, body: &PassReturnedBody) -> Checked {
        let track = self.pass(&body.id)?;
        track.used = track.used.saturating_sub(1);
        let right = track.taken.remove(&body.taken);
        expect(right, FaultKind::State, "no request of its pass was taken there")
    }

    pub(super) fn pass_revoked(&mut self, body: &PassRevokedBody) -> Checked {
        let track = self.pass(&body.id)?;
        let before = std::mem::replace(&mut track.revoked, true);
        expect(!before, FaultKind::State, "the pass was revoked before")
    }

    fn pass(&mut self, id: &PassId) -> Result<&mut Track, (FaultKind, String)> {
        self.passes.get_mut(id).ok_or((FaultKind::State, "there is no such pass".to_owned()))
    }

    fn paid_by(&self, id: &PassId, payer: &str, rule: &str) -> bool {
        let promised = self.sales.get(&CommitmentId::from_bytes(*id.as_bytes()));
        let promised = promised.is_some_and(|sale| {
            let charged = matches!(sale.state, SaleState::Posted | SaleState::Undelivered);
            charged && sale.agent.as_str() == payer && sale.rule == rule
        });
        promised || self.payments.paid(&PaymentId::from_bytes(*id.as_bytes()), payer, rule, ExactState::Settled)
    }
}

//! Exact payments and paid statements as an auditor follows them: each step from the one before, every
//! asset on its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use tollway_protocol::{Amount, Asset, Network};

use super::{Checked, Replay, expect};
use crate::account::add;
use crate::audit::{AssetTotals, AuditReport, FaultKind, PaymentProof};
use crate::body::exact::{
    BillPaidBody, ExactClaimBody, ExactSettledBody, ExactStepBody, RefundOwedBody, asset_key, rail_account,
    received_account, refund_account,
};
use crate::body::{payer_account, revenue_account};
use crate::exact::ExactState;
use crate::id::{AgentId, PaymentId, Sequence};
use crate::journal::EntryKind;
use crate::period::Period;
use crate::statement::{Balance, Statement};

/// What must be remembered of payments.
#[derive(Default)]
pub(super) struct Payments {
    tracks: HashMap<PaymentId, Track>,
    identifiers: HashSet<String>,
    /// Accounts of each asset.
    balances: BTreeMap<String, BTreeMap<String, i128>>,
    statements: HashMap<(AgentId, Period), Bill>,
    references: HashSet<(String, String)>,
}

struct Track {
    state: ExactState,
    amount: Amount,
    network: Network,
    asset: Asset,
    debit: String,
    credit: String,
    refund: String,
}

struct Bill {
    sequence: Sequence,
    payable: Amount,
    paid: bool,
}

impl Payments {
    pub(super) fn bill(&mut self, sequence: Sequence, statement: &Statement) {
        let name = (statement.agent.clone(), statement.period);
        self.statements.insert(name, Bill { sequence, payable: statement.payable, paid: false });
    }

    /// The accounts of each asset into the report.
    pub(super) fn finish(self, last: Sequence, report: &mut AuditReport) {
        for (asset, accounts) in self.balances {
            if accounts.values().sum::<i128>() != 0 {
                report.fault(last, FaultKind::Balance, format!("the accounts in {asset} do not sum to zero"));
            }
            let totals = report.assets.entry(asset).or_default();
            totals.balances = accounts.into_iter().map(|(name, sum)| (name, Balance::new(sum))).collect();
        }
    }

    fn transfer(&mut self, asset: String, debit: &str, credit: &str, amount: Amount) {
        let amount = i128::try_from(amount.get()).unwrap_or(i128::MAX);
        let accounts = self.balances.entry(asset).or_default();
        let left = accounts.entry(debit.to_owned()).or_default();
        *left = left.saturating_add(amount);
        let right = accounts.entry(credit.to_owned()).or_default();
        *right = right.saturating_sub(amount);
    }

    /// Whether a payment of this payer for this rule is in this state.
    pub(super) fn paid(&self, id: &PaymentId, payer: &str, rule: &str, state: ExactState) -> bool {
        self.tracks.get(id).is_some_and(|track| {
            let own = track.refund == refund_account(&track.network, payer) && track.credit == revenue_account(rule);
            own && track.state == state
        })
    }

    /// The payment, moved on to `next` if it is in one of the states `from`.
    fn step(&mut self, id: &PaymentId, from: &[ExactState], next: ExactState) -> Result<&Track, (FaultKind, String)> {
        match self.tracks.get_mut(id) {
            Some(track) if from.contains(&track.state) => {
                track.state = next;
                Ok(track)
            }
            Some(track) => Err((FaultKind::State, format!("the payment is {:?}", track.state))),
            None => Err((FaultKind::State, "there is no such payment".to_owned())),
        }
    }
}

impl Replay<'_> {
    pub(super) fn exact_claim(&mut self, body: ExactClaimBody<'static>) -> Checked {
        let place = body.sequence;
        let track = Track {
            state: ExactState::Claimed,
            amount: body.amount,
            debit: body.debit.clone(),
            credit: body.credit.clone(),
            refund: refund_account(&body.network, &body.payer),
            network: body.network.clone().into_owned(),
            asset: body.asset.clone().into_owned(),
        };
        let right = track.debit == received_account(&track.network, &track.asset)
            && track.credit == revenue_account(&body.rule);
        let identifier = body.identifier.as_deref().map(str::to_owned);
        let sale = body.into_sale().ok_or((FaultKind::Body, "no such scale".to_owned()))?;
        let totals = self.totals(&track.network, &track.asset);
        (totals.claimed, totals.scale) = (totals.claimed + 1, sale.scale.get());
        match self.keys.verify_payment(&sale) {
            PaymentProof::Proved => self.report.payments_proved += 1,
            PaymentProof::NoKey => self.report.payments_unproved += 1,
            PaymentProof::ByCode => self.report.payments_by_code += 1,
            PaymentProof::Wrong(detail) => self.report.fault(place, FaultKind::Signature, detail),
        }
        if identifier.is_some_and(|identifier| !self.payments.identifiers.insert(identifier)) {
            let detail = "another payment carries the identifier";
            self.report.fault(place, FaultKind::Duplicate, detail);
        }
        // The first claim counts: what follows is judged by it.
        if self.payments.tracks.contains_key(&sale.id) {
            return Err((FaultKind::Duplicate, "the payment stands in the journal before".to_owned()));
        }
        self.payments.tracks.insert(sale.id, track);
        expect(right, FaultKind::Transfer, "debit and credit are not the network's asset and revenue")
    }

    /// `exact_unknown`, `exact_failed`, `exact_released`.
    pub(super) fn exact_step(&mut self, body: &ExactStepBody<'static>) -> Checked {
        let failed = body.kind == EntryKind::ExactFailed;
        expect(failed == body.reason.is_some(), FaultKind::Body, "a payment that failed has a reason, and no other")?;
        let open = [ExactState::Claimed, ExactState::Unknown];
        let (from, next) = match body.kind {
            EntryKind::ExactUnknown => (open.as_slice(), ExactState::Unknown),
            EntryKind::ExactFailed => (open.as_slice(), ExactState::Failed),
            _ => (&open[..1], ExactState::Released),
        };
        let sent = next == ExactState::Released && body.transaction.is_some();
        expect(!sent, FaultKind::Body, "nothing was sent of a payment that was given back")?;
        self.payments.step(&body.id, from, next).map(drop)
    }

    pub(super) fn exact_settled(&mut self, body: &ExactSettledBody<'static>) -> Checked {
        let from = [ExactState::Claimed, ExactState::Unknown];
        let track = self.payments.step(&body.id, &from, ExactState::Settled)?;
        let right = same_money(track, body.amount, &body.network, &body.asset)
            && (&*body.debit, &*body.credit) == (&track.debit, &track.credit);
        let asset = asset_key(&body.network, &body.asset);
        self.payments.transfer(asset, &body.debit, &body.credit, body.amount);
        let totals = self.totals(&body.network, &body.asset);
        totals.settled += 1;
        totals.received = add(totals.received, body.amount);
        expect(!body.transaction.is_empty(), FaultKind::Body, "it names no transfer on its network")?;
        expect(right, FaultKind::Transfer, "it is not the transfer that was claimed")
    }

    pub(super) fn refund_owed(&mut self, body: &RefundOwedBody<'static>) -> Checked {
        let track = self.payments.step(&body.id, &[ExactState::Settled], ExactState::RefundOwed)?;
        let right = same_money(track, body.amount, &body.network, &body.asset)
            && (&*body.debit, &body.credit) == (&track.credit, &track.refund);
        let asset = asset_key(&body.network, &body.asset);
        self.payments.transfer(asset, &body.debit, &body.credit, body.amount);
        let totals = self.totals(&body.network, &body.asset);
        totals.refund_owed = add(totals.refund_owed, body.amount);
        expect(right, FaultKind::Transfer, "it does not take back what was settled")
    }

    pub(super) fn bill_paid(&mut self, body: &BillPaidBody<'static>) -> Checked {
        self.transfer(&body.debit, &body.credit, body.amount);
        self.report.bills_paid += 1;
        self.report.paid = add(self.report.paid, body.amount);
        if let Some(account) = self.accounts.get_mut(&*body.agent) {
            account.paid = add(account.paid, body.amount);
        }
        let reference = (body.rail.clone().into_owned(), body.reference.clone().into_owned());
        if !self.payments.references.insert(reference) {
            let detail = "the reference pays another statement";
            self.report.fault(body.sequence, FaultKind::Duplicate, detail);
        }
        let name = (body.agent.clone().into_owned(), body.period);
        let Some(bill) = self.payments.statements.get_mut(&name) else {
            return Err((FaultKind::Bill, "there is no such statement".to_owned()));
        };
        let paid = std::mem::replace(&mut bill.paid, true);
        let asked = (bill.sequence, bill.payable) == (body.statement, body.amount);
        let right = body.debit == rail_account(&body.rail) && body.credit == payer_account(&body.agent);
        expect(!paid, FaultKind::Duplicate, "the statement was paid before")?;
        expect(asked, FaultKind::Bill, "it is not what the statement asks for")?;
        expect(right, FaultKind::Transfer, "debit and credit are not rail and payer")
    }

    fn totals(&mut self, network: &Network, asset: &Asset) -> &mut AssetTotals {
        self.report.assets.entry(asset_key(network, asset)).or_default()
    }
}

fn same_money(track: &Track, amount: Amount, network: &Network, asset: &Asset) -> bool {
    (track.amount, &track.network, &track.asset) == (amount, network, asset)
}

//! Entries of exact payments and of paid statements. Fields are declared in key order: see
//! [`crate::canonical`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tollway_protocol::{Amount, Asset, Network, Scale};

use super::{payer_account, revenue_account};
use crate::canonical::SAFE_INTEGER;
use crate::exact::{BillPayment, ExactSale, PaymentFlow};
use crate::id::{AgentId, Fingerprint, Hash, PaymentId, Sequence, folded};
use crate::journal::EntryKind;
use crate::period::Period;
use crate::sale::Delivery;

/// `exact_claim`: what is sold, to whom, and the signed payment. Moves nothing yet.
#[derive(Serialize, Deserialize)]
pub(crate) struct ExactClaimBody<'a> {
    pub(crate) amount: Amount,
    pub(crate) asset: Cow<'a, Asset>,
    pub(crate) at: u64,
    pub(crate) credit: String,
    pub(crate) debit: String,
    pub(crate) expires: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) flow: PaymentFlow,
    pub(crate) id: PaymentId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) identifier: Option<Cow<'a, str>>,
    pub(crate) kind: EntryKind,
    pub(crate) method: Cow<'a, str>,
    pub(crate) network: Cow<'a, Network>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) offer: Option<Cow<'a, str>>,
    pub(crate) pay_to: Cow<'a, str>,
    pub(crate) payer: Cow<'a, str>,
    pub(crate) payment: Cow<'a, str>,
    pub(crate) rule: Cow<'a, str>,
    pub(crate) scale: u8,
    pub(crate) sequence: Sequence,
    pub(crate) url: Cow<'a, str>,
}

/// A step that moves nothing: `exact_unknown`, `exact_failed` (with `reason`), `exact_released`.
#[derive(Serialize, Deserialize)]
pub(crate) struct ExactStepBody<'a> {
    pub(crate) at: u64,
    pub(crate) id: PaymentId,
    pub(crate) kind: EntryKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<Cow<'a, str>>,
    pub(crate) sequence: Sequence,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) transaction: Option<Cow<'a, str>>,
}

/// `exact_settled`: the transfer of the claim, posted.
#[derive(Serialize, Deserialize)]
pub(crate) struct ExactSettledBody<'a> {
    pub(crate) amount: Amount,
    pub(crate) asset: Cow<'a, Asset>,
    pub(crate) at: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<u64>,
    pub(crate) credit: Cow<'a, str>,
    pub(crate) debit: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest: Option<Hash>,
    pub(crate) id: PaymentId,
    pub(crate) kind: EntryKind,
    pub(crate) network: Cow<'a, Network>,
    pub(crate) sequence: Sequence,
    /// Absent where the money moved before the handler ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) status: Option<u16>,
    pub(crate) transaction: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) validator: Option<Cow<'a, str>>,
}

/// `refund_owed`: the revenue of a settled payment becomes a debt to its payer.
#[derive(Serialize, Deserialize)]
pub(crate) struct RefundOwedBody<'a> {
    pub(crate) amount: Amount,
    pub(crate) asset: Cow<'a, Asset>,
    pub(crate) at: u64,
    pub(crate) credit: String,
    pub(crate) debit: Cow<'a, str>,
    pub(crate) id: PaymentId,
    pub(crate) kind: EntryKind,
    pub(crate) network: Cow<'a, Network>,
    pub(crate) reason: Cow<'a, str>,
    pub(crate) sequence: Sequence,
}

/// `bill_paid`: what a statement asked for has come in.
#[derive(Serialize, Deserialize)]
pub(crate) struct BillPaidBody<'a> {
    pub(crate) agent: Cow<'a, AgentId>,
    pub(crate) amount: Amount,
    pub(crate) at: u64,
    pub(crate) credit: String,
    pub(crate) debit: String,
    pub(crate) kind: EntryKind,
    pub(crate) period: Period,
    pub(crate) rail: Cow<'a, str>,
    pub(crate) reference: Cow<'a, str>,
    pub(crate) sequence: Sequence,
    /// Place of the statement's entry.
    pub(crate) statement: Sequence,
}

/// An asset on its network, one spelling for each: what totals are kept by.
pub(crate) fn asset_key(network: &Network, asset: &Asset) -> String {
    format!("{network}/{}", folded(network, asset.as_str()))
}

/// The account that what was paid in an asset on a network stands on.
pub(crate) fn received_account(network: &Network, asset: &Asset) -> String {
    format!("received:{}", asset_key(network, asset))
}

/// The account of what the seller owes back to a payer.
pub(crate) fn refund_account(network: &Network, payer: &str) -> String {
    format!("refund:{}", folded(network, payer))
}

/// The account that paid statements come in on.
pub(crate) fn rail_account(rail: &str) -> String {
    format!("rail:{rail}")
}

impl<'a> ExactClaimBody<'a> {
    pub(crate) fn of(sale: &'a ExactSale, at: u64, sequence: Sequence) -> Self {
        Self {
            amount: sale.amount,
            asset: Cow::Borrowed(&sale.asset),
            at,
            credit: revenue_account(&sale.rule),
            debit: received_account(&sale.network, &sale.asset),
            // Authorizations without an end name the largest number there is; JSON ends before it.
            expires: sale.expires.min(SAFE_INTEGER),
            fingerprint: sale.fingerprint,
            flow: sale.flow,
            id: sale.id,
            identifier: sale.identifier.as_deref().map(Cow::Borrowed),
            kind: EntryKind::ExactClaim,
            method: Cow::Borrowed(&sale.method),
            network: Cow::Borrowed(&sale.network),
            offer: sale.offer.as_deref().map(Cow::Borrowed),
            pay_to: Cow::Borrowed(&sale.pay_to),
            payer: Cow::Borrowed(&sale.payer),
            payment: Cow::Borrowed(&sale.payment),
            rule: Cow::Borrowed(&sale.rule),
            scale: sale.scale.get(),
            sequence,
            url: Cow::Borrowed(&sale.url),
        }
    }

    /// What was claimed; `None` if there is no such scale.
    pub(crate) fn into_sale(self) -> Option<ExactSale> {
        Some(ExactSale {
            scale: Scale::new(self.scale)?,
            id: self.id,
            fingerprint: self.fingerprint,
            payer: self.payer.into_owned(),
            network: self.network.into_owned(),
            asset: self.asset.into_owned(),
            amount: self.amount,
            pay_to: self.pay_to.into_owned(),
            rule: self.rule.into_owned(),
            method: self.method.into_owned(),
            url: self.url.into_owned(),
            offer: self.offer.map(Cow::into_owned),
            expires: self.expires,
            flow: self.flow,
            identifier: self.identifier.map(Cow::into_owned),
            payment: self.payment.into_owned(),
        })
    }
}

impl<'a> ExactSettledBody<'a> {
    /// The posting of a claim.
    pub(crate) fn of(
        claim: &'a ExactClaimBody<'_>,
        transaction: &'a str,
        delivery: &'a Delivery,
        (at, sequence): (u64, Sequence),
    ) -> Self {
        Self {
            amount: claim.amount,
            asset: Cow::Borrowed(&claim.asset),
            at,
            bytes: delivery.bytes,
            credit: Cow::Borrowed(&claim.credit),
            debit: Cow::Borrowed(&claim.debit),
            digest: delivery.digest,
            id: claim.id,
            kind: EntryKind::ExactSettled,
            network: Cow::Borrowed(&claim.network),
            sequence,
            status: (delivery.status != 0).then_some(delivery.status),
            transaction: Cow::Borrowed(transaction),
            validator: delivery.validator.as_deref().map(Cow::Borrowed),
        }
    }

    pub(crate) fn into_delivery(self) -> Delivery {
        Delivery {
            status: self.status.unwrap_or(0),
            validator: self.validator.map(Cow::into_owned),
            digest: self.digest,
            bytes: self.bytes,
        }
    }
}

impl<'a> RefundOwedBody<'a> {
    pub(crate) fn of(claim: &'a ExactClaimBody<'_>, reason: &'a str, (at, sequence): (u64, Sequence)) -> Self {
        Self {
            amount: claim.amount,
            asset: Cow::Borrowed(&claim.asset),
            at,
            credit: refund_account(&claim.network, &claim.payer),
            debit: Cow::Borrowed(&claim.credit),
            id: claim.id,
            kind: EntryKind::RefundOwed,
            network: Cow::Borrowed(&claim.network),
            reason: Cow::Borrowed(reason),
            sequence,
        }
    }
}

impl<'a> BillPaidBody<'a> {
    /// The payment of the statement whose entry stands at `statement`.
    pub(crate) fn of(payment: &'a BillPayment, statement: Sequence, (at, sequence): (u64, Sequence)) -> Self {
        Self {
            agent: Cow::Borrowed(&payment.agent),
            amount: payment.amount,
            at,
            credit: payer_account(&payment.agent),
            debit: rail_account(&payment.rail),
            kind: EntryKind::BillPaid,
            period: payment.period,
            rail: Cow::Borrowed(&payment.rail),
            reference: Cow::Borrowed(&payment.reference),
            sequence,
            statement,
        }
    }
}

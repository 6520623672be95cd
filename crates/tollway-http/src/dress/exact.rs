//! Exact payments in both versions of x402: the demand of version 1, and receipts, which say the same
//! facts in the field and the form of the version that the buyer speaks.

use http::HeaderMap;
use serde_json::Map;
use tollway_core::offer::Offer;
use tollway_core::scheme::exact::{EXACT, ExactPayment, ExactWay, IdentifierWish, PaymentVersion, requirements};
use tollway_core::seller::ExactReceipt;
use tollway_protocol::{Attachments, Network, Reason, Refusal, SettleFailure, SettleResponse, Settlement, header, v1};

use super::{Presented, value};

/// A payment that did not settle, or of which it is not known.
#[derive(Debug, Clone, Copy)]
pub struct ExactFailure<'a> {
    /// Why, as a code.
    pub code: &'a str,
    /// Where it was attempted.
    pub network: &'a Network,
    /// Who would have paid.
    pub payer: &'a str,
    /// The transfer, where one is known.
    pub transaction: Option<&'a str>,
}

/// The 402's body for clients of version 1: the exact ways that version 1 can name, one a network,
/// because its payments name nothing else. `None` where there is none.
pub fn v1_body(offer: &Offer, url: &str, error: &str) -> Option<String> {
    if offer.document().identifier == Some(IdentifierWish::Required) {
        // Version 1 cannot carry one: a demand that it could not meet is none.
        return None;
    }
    let mut ways: Vec<&ExactWay> = Vec::new();
    for way in &offer.document().exact {
        if !ways.iter().any(|other| other.network == way.network) {
            ways.push(way);
        }
    }
    let asked: Vec<_> = ways.into_iter().map(|way| requirements(offer, way)).collect();
    v1::PaymentRequired::of(error, &super::x402::resource(offer, url), &asked).map(|demand| demand.encode())
}

/// A payment of version 1.
pub(super) fn read_v1(text: &str) -> Result<Presented, Refusal> {
    let payment = v1::PaymentPayload::decode(text)?;
    if payment.scheme != EXACT {
        return Err(Refusal::new(Reason::UnsupportedScheme, "only `exact` is taken in version 1"));
    }
    Ok(Presented::Exact(Box::new(ExactPayment::of_v1(payment.network, payment.payload))))
}

/// The field of a receipt in this version.
pub fn exact_field(version: PaymentVersion) -> &'static str {
    match version {
        PaymentVersion::One => header::X_PAYMENT_RESPONSE,
        PaymentVersion::Two => header::PAYMENT_RESPONSE,
    }
}

/// Writes a receipt, and returns the fields that the seller's signature must cover.
pub fn write_exact_receipt(
    headers: &mut HeaderMap,
    receipt: &ExactReceipt,
    version: PaymentVersion,
) -> &'static [&'static str] {
    let mut extra = Map::new();
    extra.insert("head".to_owned(), receipt.head.to_string().into());
    extra.insert("payment".to_owned(), receipt.id.to_string().into());
    extra.insert("sequence".to_owned(), receipt.sequence.get().into());
    extra.insert("timestamp".to_owned(), receipt.posted_at.into());
    if let Some(offer) = &receipt.offer {
        extra.insert("offer".to_owned(), offer.clone().into());
    }
    let settlement = Settlement {
        transaction: receipt.transaction.clone(),
        network: receipt.network.clone(),
        payer: Some(receipt.payer.clone()),
        amount: Some(receipt.amount),
        attachments: Attachments { extra: Some(extra), ..Attachments::default() },
    };
    write(headers, SettleResponse::Settled(settlement), version)
}

/// Writes that a payment did not settle, or that it is not known.
pub fn write_exact_failure(
    headers: &mut HeaderMap,
    failure: ExactFailure<'_>,
    version: PaymentVersion,
) -> &'static [&'static str] {
    let failure = SettleFailure {
        reason: Some(failure.code.to_owned()),
        message: None,
        transaction: Some(failure.transaction.unwrap_or_default().to_owned()),
        network: Some(failure.network.clone()),
        payer: Some(failure.payer.to_owned()),
        amount: None,
        attachments: Attachments::default(),
    };
    write(headers, SettleResponse::Failed(failure), version)
}

fn write(headers: &mut HeaderMap, response: SettleResponse, version: PaymentVersion) -> &'static [&'static str] {
    let (text, fields): (_, &[_]) = match version {
        PaymentVersion::One => (v1::encode_receipt(&response), &[header::X_PAYMENT_RESPONSE]),
        PaymentVersion::Two => (response.encode(), &[header::PAYMENT_RESPONSE]),
    };
    headers.insert(exact_field(version), value(&text));
    fields
}

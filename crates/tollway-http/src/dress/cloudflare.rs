//! The x402 v2 dress as published for `cloudflare:402`: amounts in cents, and no offer id. It shares
//! its fields with the x402 dress; the network and the missing id tell them apart.

use serde_json::{Value, json};
use tollway_core::offer::Offer;
use tollway_core::scheme::deferred::cloudflare::{cents, from_cents, requirements};
use tollway_core::scheme::deferred::{BATCH_SETTLEMENT, EXTRA_OFFER, Limit, Promise};
use tollway_core::seller::Receipt;
use tollway_protocol::{DeferredPayload, Dress, Network, PaymentPayload, Reason, Refusal, SettleResponse, Settlement};

use super::{ReceiptFacts, invalid_receipt, x402};

/// Extension that says how requests are signed and where an agent registers (x402, `http-message-signatures`).
const SIGNATURES_EXTENSION: &str = "http-message-signatures";

/// Whether an offer is sold in this dress: its rule says so, and its price is in whole cents.
pub fn is_published(offer: &Offer) -> bool {
    offer.document().ways.contains(&Dress::Cloudflare) && requirements(offer).is_some()
}

/// Whether a payment is in this dress.
pub(super) fn is_spoken(payment: &PaymentPayload) -> bool {
    payment.accepted.network == Network::cloudflare() && payment.accepted.extra(EXTRA_OFFER).is_none()
}

/// The extension of a demand in this dress.
pub(super) fn extension(seller: &str) -> (String, Value) {
    let registration = format!("{seller}{}agents", crate::wellknown::PREFIX);
    let info = json!({"registrationUrl": registration, "signatureSchemes": ["ed25519"], "tags": ["web-bot-auth"]});
    (SIGNATURES_EXTENSION.to_owned(), json!({"info": info}))
}

pub(super) fn read(payment: PaymentPayload) -> Result<Promise, Refusal> {
    if payment.accepted.scheme != BATCH_SETTLEMENT {
        return Err(Refusal::new(Reason::UnsupportedScheme, "only `batch-settlement` is taken in this way"));
    }
    let inner = DeferredPayload::from_map(&payment.payload)?;
    if inner.amount != payment.accepted.amount || inner.asset != payment.accepted.asset {
        return Err(Refusal::new(Reason::AmountMismatch, "`payload` and `accepted` promise different things"));
    }
    let amount = from_cents(inner.amount);
    let amount = amount.ok_or_else(|| Refusal::new(Reason::AmountMismatch, "more cents than can be counted"))?;
    Ok(Promise {
        dress: Dress::Cloudflare,
        offer: None,
        limit: Some(Limit::Exact(amount)),
        asset: Some(inner.asset),
        network: None,
        accepted: Some(Box::new(payment.accepted)),
    })
}

pub(super) fn write(promise: &Promise) -> Result<String, Refusal> {
    x402::write(promise)
}

pub(super) fn receipt(receipt: &Receipt) -> String {
    // Nothing is sold in this dress but whole cents.
    let amount = cents(receipt.amount).unwrap_or(receipt.amount);
    let settlement = Settlement::promise(
        receipt.id.to_string(),
        Network::cloudflare(),
        receipt.payer.clone(),
        (amount, &receipt.asset),
        receipt.posted_at,
    );
    SettleResponse::Settled(x402::with_place(settlement, receipt)).encode()
}

pub(super) fn read_receipt(text: &str) -> Result<ReceiptFacts, Refusal> {
    let facts = x402::read_receipt(text)?;
    let amount = from_cents(facts.amount);
    let amount = amount
        .ok_or_else(|| invalid_receipt(&Refusal::new(Reason::ReceiptInvalid, "more cents than can be counted")))?;
    Ok(ReceiptFacts { amount, ..facts })
}

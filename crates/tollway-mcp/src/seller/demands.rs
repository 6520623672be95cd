//! What an unpaid or refused call is answered, and what lists say of prices beforehand.

use serde_json::{Map, Value, json};
use tollway_core::offer::{OFFER_EXTENSION, Offer};
use tollway_core::scheme::deferred::requirements as deferred_requirements;
use tollway_core::scheme::exact::{self, is_code};
use tollway_core::seller::Seller;
use tollway_protocol::{Actor, Dress, PaymentRequired, Reason, Refusal, ResourceInfo, Retry, SettleResponse};

use super::Answer;
use super::prices::Entry;
use crate::kind::Kind;
use crate::wire::{self, names};

/// What a client gets that is made with a media type in mind.
const MIME: &str = "application/json";

/// The demand for a call of this name: every way of today's offer. Those that settle at once stand first, because some
/// clients look at the first only.
pub(super) fn demand(seller: &Seller, entry: &Entry, name: &str, error: Option<&Refusal>) -> Option<PaymentRequired> {
    let offer = seller.offer(&entry.rule().id, seller.now())?;
    let document = offer.document();
    let at_once = document.exact.iter().map(|way| exact::requirements(&offer, way));
    let later = document.ways.contains(&Dress::Mcp).then(|| deferred_requirements(&offer, seller.network()));
    let mut demand = PaymentRequired::new(resource(entry, name), at_once.chain(later).collect());
    demand.extensions = Some(extensions(&offer));
    if let Some(refusal) = error {
        demand.error = Some(error_code(refusal).to_owned());
        demand.rest.insert("detail".to_owned(), refusal.detail.clone().into());
    }
    Some(demand)
}

fn resource(entry: &Entry, name: &str) -> ResourceInfo {
    let kind = entry.call().kind;
    let description = entry.call().description.clone().or_else(|| Some(format!("{} {name}", kind.word())));
    ResourceInfo { description, mime_type: Some(MIME.to_owned()), ..ResourceInfo::at(kind.url(name)) }
}

fn extensions(offer: &Offer) -> Map<String, Value> {
    let signed = json!({"info": {"jws": offer.jws()}, "schema": {"type": "object"}});
    let wish = offer.document().identifier;
    let wish = wish.map(|wish| (exact::IDENTIFIER.to_owned(), exact::identifier_extension(wish)));
    std::iter::once((OFFER_EXTENSION.to_owned(), signed)).chain(wish).collect()
}

/// The code of a refusal; of a settlement, what whoever settles has said.
fn error_code(refusal: &Refusal) -> &str {
    match refusal.reason {
        Reason::PaymentRefused if is_code(&refusal.detail) => &refusal.detail,
        reason => reason.code(),
    }
}

/// The answer to a call that is not served.
pub(super) fn refused(seller: &Seller, entry: &Entry, name: &str, refusal: &Refusal) -> Answer {
    let demand = if asks_again(refusal.reason) { demand(seller, entry, name, Some(refusal)) } else { None };
    match (entry.call().kind, demand) {
        (Kind::Tool, Some(demand)) => Answer::Result(wire::refusal_result(&demand)),
        (_, Some(demand)) => Answer::Error(wire::refusal_error(&demand)),
        (kind, None) => plainly_refused(kind, refusal),
    }
}

/// The same without asking for anything: another payment would not help, or may be one too many.
pub(super) fn plainly_refused(kind: Kind, refusal: &Refusal) -> Answer {
    match kind {
        Kind::Tool => Answer::Result(wire::refusal_without_demand(refusal)),
        Kind::Resource | Kind::Prompt => Answer::Error(Map::from_iter([
            ("code".to_owned(), (-32_000).into()),
            ("message".to_owned(), refusal.to_string().into()),
            ("data".to_owned(), json!({"error": refusal.reason.code(), "detail": refusal.detail})),
        ])),
    }
}

/// With a receipt, whether it says "settled" or "failed".
pub(super) fn with_receipt(mut answer: Answer, receipt: &SettleResponse, v1: bool) -> Answer {
    let write = if v1 { wire::write_receipt_v1 } else { wire::write_receipt };
    match &mut answer {
        Answer::Result(result) => write(result, receipt),
        Answer::Error(error) => {
            let data = error.entry("data").or_insert_with(|| json!({}));
            if let Some(data) = data.as_object_mut() {
                write(data, receipt);
            }
        }
    }
    answer
}

/// Whether a payment made anew may be what is missing. What could not be asked, and what is under way, is no demand.
fn asks_again(reason: Reason) -> bool {
    let by_another_payment = reason.actor() == Actor::Payer && reason.retry() == Retry::Fixed;
    by_another_payment || matches!(reason, Reason::OverCredit | Reason::OverBudget | Reason::OfferNotYetValid)
}

/// Puts the price into an entry of a list (`tools/list` and its kin), as `agents/x402` and Tollway read it.
pub(super) fn annotate(seller: &Seller, entry: &Entry, name: &str, listed: &mut Map<String, Value>) {
    let Some(charge) = entry.rule().charge_terms() else { return };
    let Some(demand) = demand(seller, entry, name, None) else { return };
    let meta = listed.entry(names::META).or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else { return };
    meta.insert(names::LISTED_REQUIRED.to_owned(), true.into());
    if charge.price.asset.as_str() == "USD" {
        // A number only on this wire; nothing of ours computes with it.
        let price = serde_json::from_str::<serde_json::Number>(&charge.price.to_decimal());
        meta.insert(names::LISTED_PRICE.to_owned(), price.map_or(Value::Null, Value::Number));
    }
    let demand = serde_json::to_value(&demand).expect("a demand is plain data");
    meta.insert(names::LISTED_OFFER.to_owned(), demand);
}

//! The x402 v2 dress: scheme `batch-settlement` on a credit-backed network, beside `exact`.

use serde_json::{Map, Value, json};
use tollway_core::offer::Offer;
use tollway_core::scheme::deferred::cloudflare::requirements as published;
use tollway_core::scheme::deferred::{BATCH_SETTLEMENT, EXTRA_OFFER, Limit, Promise, requirements};
use tollway_core::scheme::exact::{self, ExactPayment, GasSponsoring};
use tollway_core::seller::Receipt;
use tollway_protocol::{
    DeferredPayload, Dress, Network, PaymentPayload, PaymentRequired, Reason, Refusal, ResourceInfo, SettleResponse,
    Settlement, header, limits,
};

use super::{Presented, Promised, ReceiptFacts, cloudflare, invalid_receipt};

pub use tollway_core::offer::OFFER_EXTENSION;

/// Key under `extra` of a receipt that names the journal's head.
const EXTRA_HEAD: &str = "head";
const EXTRA_SEQUENCE: &str = "sequence";
const EXTRA_CURRENT_OFFER: &str = "currentOffer";

/// The demand for one URL, as the value of its header: every way of the offer that is spoken in
/// x402 v2. The signed offer rides along where the header stays within its cap; of a URL that is too
/// long itself, only the site is named.
pub fn demand_header(offer: &Offer, network: &Network, url: &str, error: Option<&str>) -> String {
    let document = offer.document();
    let deferred = document.ways.contains(&Dress::X402).then(|| requirements(offer, network));
    let published = if document.ways.contains(&Dress::Cloudflare) { published(offer) } else { None };
    // A client has to see these to be able to pay: they stay in every form.
    let registration = published.is_some().then(|| cloudflare::extension(&document.seller));
    let wish = document.identifier.map(|wish| (exact::IDENTIFIER.to_owned(), exact::identifier_extension(wish)));
    let mentions = |sponsoring: &GasSponsoring| document.exact.iter().any(|way| way.sponsoring.contains(sponsoring));
    let sponsored = GasSponsoring::ALL.into_iter().filter(mentions);
    let sponsored = sponsored.map(|by| (by.extension_name().to_owned(), by.extension()));
    let needed: Map<_, _> = registration.into_iter().chain(wish).chain(sponsored).collect();
    let at_once = document.exact.iter().map(|way| exact::requirements(offer, way));
    let ways = deferred.into_iter().chain(published).chain(at_once).collect();
    let mut bare = PaymentRequired::new(resource(offer, url), ways);
    bare.error = error.map(str::to_owned);
    bare.extensions = (!needed.is_empty()).then_some(needed);
    let mut demand = bare.clone();
    let signed = json!({"info": {"jws": offer.jws()}, "schema": {"type": "object"}});
    demand.extensions.get_or_insert_default().insert(OFFER_EXTENSION.to_owned(), signed);
    let fits = |text: &String| text.len() <= limits::DEMAND_HEADER;
    let site = || PaymentRequired { resource: ResourceInfo::at(&document.seller), ..bare.clone() }.encode();
    [&demand, &bare].into_iter().map(PaymentRequired::encode).find(fits).unwrap_or_else(site)
}

/// What is for sale at a URL: a bill says which.
pub(super) fn resource(offer: &Offer, url: &str) -> ResourceInfo {
    let description = offer.document().bill.as_ref().map(|bill| format!("bill {}", bill.period));
    ResourceInfo { description, ..ResourceInfo::at(url) }
}

/// The signed offer inside a demand, if it carries one.
pub fn offer_document(demand: &PaymentRequired) -> Option<&str> {
    demand.extensions.as_ref()?.get(OFFER_EXTENSION)?.get("info")?.get("jws")?.as_str()
}

pub(super) fn read(text: &str) -> Result<Presented, Refusal> {
    let payment = PaymentPayload::decode(text)?;
    let promised = |promise| Presented::Promise(Promised { promise, field: header::PAYMENT_SIGNATURE });
    if cloudflare::is_spoken(&payment) {
        return cloudflare::read(payment).map(promised);
    }
    match payment.accepted.scheme.as_str() {
        BATCH_SETTLEMENT => promise(payment).map(promised),
        exact::EXACT => ExactPayment::of_v2(payment).map(|payment| Presented::Exact(Box::new(payment))),
        _ => Err(Refusal::new(Reason::UnsupportedScheme, "only `batch-settlement` and `exact` are taken in this way")),
    }
}

fn promise(payment: PaymentPayload) -> Result<Promise, Refusal> {
    let inner = DeferredPayload::from_map(&payment.payload)?;
    if inner.amount != payment.accepted.amount || inner.asset != payment.accepted.asset {
        return Err(Refusal::new(Reason::AmountMismatch, "`payload` and `accepted` promise different things"));
    }
    let id = payment.accepted.extra(EXTRA_OFFER).and_then(Value::as_str);
    let id = id.ok_or_else(|| Refusal::new(Reason::NoMatchingOffer, "`accepted.extra` names no offer"))?;
    let offer = id.parse().map_err(|_| Refusal::new(Reason::OfferUnknown, "no offer has an id of this form"))?;
    Ok(Promise {
        dress: Dress::X402,
        offer: Some(offer),
        limit: Some(Limit::Exact(inner.amount)),
        asset: Some(inner.asset),
        network: Some(payment.accepted.network.clone()),
        accepted: Some(Box::new(payment.accepted)),
    })
}

pub(super) fn write(promise: &Promise) -> Result<String, Refusal> {
    let accepted =
        promise.accepted.clone().ok_or_else(|| Refusal::new(Reason::NoMatchingOffer, "no requirements were chosen"))?;
    let payload = DeferredPayload { amount: accepted.amount, asset: accepted.asset.clone() }.to_map();
    Ok(PaymentPayload::new(*accepted, payload).encode())
}

pub(super) fn receipt(receipt: &Receipt) -> String {
    let settlement = Settlement::promise(
        receipt.id.to_string(),
        receipt.network.clone(),
        receipt.payer.clone(),
        (receipt.amount, &receipt.asset),
        receipt.posted_at,
    );
    SettleResponse::Settled(with_place(settlement, receipt)).encode()
}

/// With where the journal stood, and which offers.
pub(super) fn with_place(mut settlement: Settlement, receipt: &Receipt) -> Settlement {
    let extra = settlement.attachments.extra.get_or_insert_default();
    extra.insert(EXTRA_SEQUENCE.to_owned(), receipt.sequence.get().into());
    extra.insert(EXTRA_HEAD.to_owned(), receipt.head.to_string().into());
    if let Some(offer) = &receipt.offer {
        extra.insert(EXTRA_OFFER.to_owned(), offer.clone().into());
    }
    if let Some(fresh) = &receipt.current_offer {
        extra.insert(EXTRA_CURRENT_OFFER.to_owned(), fresh.id().to_string().into());
    }
    settlement
}

pub(super) fn read_receipt(text: &str) -> Result<ReceiptFacts, Refusal> {
    let settlement = match SettleResponse::decode(text).map_err(|refusal| invalid_receipt(&refusal))? {
        SettleResponse::Settled(settlement) => settlement,
        SettleResponse::Failed(failure) => {
            let reason = failure.reason.unwrap_or_default();
            return Err(Refusal::new(Reason::ReceiptInvalid, format!("the seller says: not settled ({reason})")));
        }
    };
    let missing = |what: &str| Refusal::new(Reason::ReceiptInvalid, format!("the receipt names no {what}"));
    let extra = settlement.attachments.extra.as_ref();
    let word = |key: &str| extra.and_then(|extra| extra.get(key)).and_then(Value::as_str).map(str::to_owned);
    Ok(ReceiptFacts {
        amount: settlement.amount.ok_or_else(|| missing("amount"))?,
        asset: settlement.asset().ok_or_else(|| missing("asset"))?,
        posted_at: settlement.timestamp().ok_or_else(|| missing("time"))?,
        sequence: extra.and_then(|extra| extra.get(EXTRA_SEQUENCE)).and_then(Value::as_u64),
        head: word(EXTRA_HEAD),
        current_offer: word(EXTRA_CURRENT_OFFER),
        commitment: settlement.transaction,
    })
}

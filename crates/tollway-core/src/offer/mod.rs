//! Offers are documents: signed once per rule, audience and minute, the same on every gate that
//! has the same key and rules, and provable ever after.

mod document;
mod press;

pub use document::{Offer, OfferBill, OfferDocument, OfferId, OfferScope, OfferTerms, ParseOfferIdError};
pub use press::{OfferPress, PricedRule, RulesVersion};

/// `typ` of the signed document.
pub const OFFER_TYPE: &str = "tollway-offer+jws";
/// Extension under which a demand carries the signed offer itself.
pub const OFFER_EXTENSION: &str = "tollway-offer";
/// Largest signed offer accepted from others, in bytes.
pub const OFFER_MAX: usize = 8 * 1024;
/// Longest life of an offer, in seconds.
pub const LIFETIME_MAX: u64 = 86_400;

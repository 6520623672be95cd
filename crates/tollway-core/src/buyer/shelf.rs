//! Offers at hand: a crawler pays page after page under one offer, one trip each, instead of
//! asking for the price of every page.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::offer::Offer;

/// Sellers remembered.
const SELLERS_MAX: usize = 10_000;
/// Offers remembered of one seller.
const OFFERS_MAX: usize = 256;
/// An offer is not used in its last seconds: the request has to arrive within its window.
const MARGIN: u64 = 5;

/// Verified offers by seller.
#[derive(Default)]
pub struct Shelf {
    offers: Mutex<HashMap<String, Vec<Arc<Offer>>>>,
}

impl Shelf {
    /// Puts an offer on the shelf; a newer one of the same rule takes the place of the older.
    pub fn put(&self, offer: Arc<Offer>) {
        let mut sellers = self.offers.lock();
        let seller = &offer.document().seller;
        if sellers.len() >= SELLERS_MAX && !sellers.contains_key(seller) {
            sellers.clear();
        }
        let own = sellers.entry(seller.clone()).or_default();
        own.retain(|other| other.document().rule != offer.document().rule);
        if own.len() >= OFFERS_MAX {
            own.remove(0);
        }
        own.push(offer);
    }

    /// An offer of this seller that covers a request and is not about to end.
    pub fn find(&self, seller: &str, method: &str, path: &str, now: u64) -> Option<Arc<Offer>> {
        let sellers = self.offers.lock();
        let fits = |offer: &&Arc<Offer>| offer.in_window(now + MARGIN).is_ok() && offer.covers(method, path);
        sellers.get(seller)?.iter().rev().find(fits).cloned()
    }

    /// Takes an offer off: the seller has refused it.
    pub fn discard(&self, offer: &Offer) {
        if let Some(own) = self.offers.lock().get_mut(&offer.document().seller) {
            own.retain(|other| other.id() != offer.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::{OfferPress, RulesVersion};
    use crate::rules::{Rule, RuleSet};
    use tollway_signatures::PrivateKey;

    #[test]
    fn an_offer_serves_its_whole_scope_until_it_ends() {
        let now = 1_800_000_000;
        let rules = RuleSet::new(vec![], vec![Rule::charge("a", "/a/*", "$0.01").for_methods(&["GET"])]);
        let version = RulesVersion::of(&rules, now);
        let press = OfferPress::new("https://s.example".into(), PrivateKey::from_seed([3; 32]).into(), version, vec![]);
        let shelf = Shelf::default();
        let offer = press.current("a", now).unwrap();
        shelf.put(Arc::clone(&offer));
        let found = |seller: &str, method: &str, path: &str, at| shelf.find(seller, method, path, at).is_some();
        assert!(found("https://s.example", "GET", "/a/b", now));
        assert!(!found("https://other.example", "GET", "/a/b", now));
        assert!(!found("https://s.example", "POST", "/a/b", now));
        assert!(!found("https://s.example", "GET", "/b", now));
        assert!(!found("https://s.example", "GET", "/a/b", now + 296));
        shelf.put(press.current("a", now + 240).unwrap());
        assert!(found("https://s.example", "GET", "/a/b", now + 296));
        shelf.discard(&press.current("a", now + 240).unwrap());
        assert!(!found("https://s.example", "GET", "/a/b", now + 240));
    }
}

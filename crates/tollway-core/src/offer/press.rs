//! Makes offers, once a minute and rule, and finds them again: also those that another gate with
//! the same key handed out, and those of an earlier version of the rules until they end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tollway_ledger::Hash;
use tollway_protocol::{Amount, Asset, Dress, Scale};
use tollway_signatures::PrivateKey;

use super::document::{Offer, OfferDocument, OfferId, OfferScope, OfferTerms};
use crate::rules::{PassTerms, RuleSet};
use crate::scheme::exact::{ExactWay, IdentifierWish};

/// Offers are made for whole minutes.
const MINUTE: u64 = 60;
/// Most offers made anew to find one that a stranger asks for by its id.
const SLOTS_FOR_STRANGERS: u64 = 2_000;

/// The priced rules as they stood from some moment on; kept in the books so that an older quote
/// is honoured until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesVersion {
    /// First second at which these rules decided.
    pub from: u64,
    /// The rules that charge.
    pub rules: Vec<PricedRule>,
}

/// What an offer says of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedRule {
    /// Price of one request.
    pub amount: Amount,
    /// What is owed.
    pub asset: Asset,
    /// For whom.
    pub audience: String,
    /// Ways to pay at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exact: Vec<ExactWay>,
    /// Name.
    pub id: String,
    /// Whether a payment made at once may, or must, carry an identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<IdentifierWish>,
    /// Life of an offer, in seconds.
    pub lifetime: u64,
    /// Methods; `*` is any.
    pub methods: Vec<String>,
    /// What one payment opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<PassTerms>,
    /// Path pattern.
    pub path: String,
    /// Digits after the point.
    pub scale: Scale,
    /// Terms of sale.
    pub terms: Option<OfferTerms>,
    /// Dresses.
    pub ways: Vec<Dress>,
}

impl RulesVersion {
    /// The charging rules of a rule set.
    pub fn of(rules: &RuleSet, from: u64) -> Self {
        let priced = rules.charging().filter_map(|rule| {
            let charge = rule.charge_terms()?;
            Some(PricedRule {
                amount: charge.price.amount,
                asset: charge.price.asset.clone(),
                audience: rule.audience.as_str().to_owned(),
                exact: charge.exact.as_ref().map(|exact| exact.ways.clone()).unwrap_or_default(),
                id: rule.id.clone(),
                identifier: charge.exact.as_ref().and_then(|exact| exact.identifier),
                lifetime: charge.lifetime,
                methods: rule.methods.names(),
                pass: charge.pass,
                path: rule.pattern.as_str().to_owned(),
                scale: charge.price.scale,
                terms: charge.terms.as_ref().map(|terms| OfferTerms { hash: terms.hash, url: terms.url.clone() }),
                ways: charge.dresses.clone(),
            })
        });
        Self { from, rules: priced.collect() }
    }

    /// SHA-256 of what the rules say, without since when.
    pub fn fingerprint(&self) -> Hash {
        let bytes = serde_json::to_vec(&self.rules).expect("priced rules are plain data");
        Hash::of(&bytes)
    }
}

/// Makes and remembers offers.
pub struct OfferPress {
    seller: String,
    key: Arc<PrivateKey>,
    /// Oldest first, the last one decides today.
    versions: Vec<RulesVersion>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    minute: u64,
    by_id: HashMap<OfferId, Arc<Offer>>,
    by_slot: HashMap<Slot, Arc<Offer>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slot {
    version: usize,
    rule: usize,
    minute: u64,
}

impl OfferPress {
    /// A press for the rules of today, that also honours `earlier` versions (any order).
    pub fn new(seller: String, key: Arc<PrivateKey>, today: RulesVersion, mut earlier: Vec<RulesVersion>) -> Self {
        earlier.retain(|version| version.from <= today.from);
        earlier.sort_by_key(|version| version.from);
        earlier.push(today);
        Self { seller, key, versions: earlier, made: Mutex::new(Made::default()) }
    }

    /// The offer of a rule for this minute; `None` when the rule charges nothing.
    pub fn current(&self, rule_id: &str, now: u64) -> Option<Arc<Offer>> {
        let version = self.versions.len() - 1;
        let rule = self.versions[version].rules.iter().position(|rule| rule.id == rule_id)?;
        Some(self.offer(Slot { version, rule, minute: now / MINUTE }, now))
    }

    /// The offers of a rule that are in their window at `now`, newest first: one for each minute
    /// and version in which it could have been handed out.
    pub fn in_window<'a>(&'a self, rule_id: &'a str, now: u64) -> impl Iterator<Item = Arc<Offer>> + 'a {
        self.slots(rule_id, now)
            .map(move |slot| self.offer(slot, now))
            .filter(move |offer| offer.in_window(now).is_ok())
    }

    /// Finds an offer of a rule by its id, whoever made it. Work is bounded by the offer's life in
    /// minutes and is done once: a flood of unknown ids finds everything made already.
    pub fn find(&self, rule_id: &str, id: OfferId, now: u64) -> Option<Arc<Offer>> {
        // What another rule offers buys nothing here, however valid it is there.
        if let Some(offer) = self.made.lock().by_id.get(&id) {
            return (offer.document().rule == rule_id).then(|| Arc::clone(offer));
        }
        self.slots(rule_id, now).map(|slot| self.offer(slot, now)).find(|offer| offer.id() == id)
    }

    /// An offer by its id alone, for those who want to read it: also one that another gate made, or
    /// this one before it was started anew. Bounded as [`OfferPress::find`] is, for each rule.
    pub fn any(&self, id: OfferId, now: u64) -> Option<Arc<Offer>> {
        if let Some(offer) = self.made.lock().by_id.get(&id) {
            return Some(Arc::clone(offer));
        }
        // Nobody signs a day's offers of every rule for a stranger's guess.
        let slots: u64 =
            self.versions.iter().flat_map(|version| &version.rules).map(|rule| rule.lifetime / MINUTE + 1).sum();
        if slots > SLOTS_FOR_STRANGERS {
            return None;
        }
        let rules = self.versions.iter().flat_map(|version| &version.rules).map(|rule| rule.id.as_str());
        let rules: HashSet<&str> = rules.collect();
        rules.into_iter().find_map(|rule| self.find(rule, id, now))
    }

    fn slots<'a>(&'a self, rule_id: &'a str, now: u64) -> impl Iterator<Item = Slot> + 'a {
        self.versions.iter().enumerate().rev().flat_map(move |(version, rules)| {
            let until = self.versions.get(version + 1).map_or(u64::MAX, |next| next.from);
            let rule = rules.rules.iter().position(|rule| rule.id == rule_id);
            let lifetime = rule.map_or(0, |index| rules.rules[index].lifetime);
            let first = now.saturating_sub(lifetime).max(rules.from) / MINUTE;
            let last = now.min(until) / MINUTE;
            let minutes = if rule.is_some() { Some((first..=last).rev()) } else { None };
            minutes.into_iter().flatten().filter_map(move |minute| Some(Slot { version, rule: rule?, minute }))
        })
    }

    fn offer(&self, slot: Slot, now: u64) -> Arc<Offer> {
        let mut made = self.made.lock();
        made.forget_ended(now);
        if let Some(offer) = made.by_slot.get(&slot) {
            return Arc::clone(offer);
        }
        let offer = Arc::new(Offer::sign(self.document(slot), &self.key));
        made.by_id.insert(offer.id(), Arc::clone(&offer));
        made.by_slot.insert(slot, Arc::clone(&offer));
        offer
    }

    fn document(&self, slot: Slot) -> OfferDocument {
        let rule = &self.versions[slot.version].rules[slot.rule];
        let not_before = slot.minute * MINUTE;
        OfferDocument {
            amount: rule.amount,
            asset: rule.asset.clone(),
            audience: rule.audience.clone(),
            bill: None,
            exact: rule.exact.clone(),
            identifier: rule.identifier,
            pass: rule.pass,
            not_after: not_before + rule.lifetime,
            not_before,
            rule: rule.id.clone(),
            scale: rule.scale,
            scope: OfferScope { methods: rule.methods.clone(), path: rule.path.clone() },
            seller: self.seller.clone(),
            terms: rule.terms.clone(),
            version: 1,
            ways: rule.ways.clone(),
        }
    }
}

impl Made {
    /// Once a minute, what has ended is dropped: memory is bounded by rules times minutes of life.
    fn forget_ended(&mut self, now: u64) {
        if self.minute == now / MINUTE {
            return;
        }
        self.minute = now / MINUTE;
        self.by_slot.retain(|_, offer| offer.document().not_after + MINUTE > now);
        self.by_id.retain(|_, offer| offer.document().not_after + MINUTE > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rule;

    const NOON: u64 = 1_800_000_000;

    fn press(price: &str, from: u64, earlier: Vec<RulesVersion>) -> OfferPress {
        OfferPress::new(
            "https://shop.example".into(),
            PrivateKey::from_seed([7; 32]).into(),
            version(price, from),
            earlier,
        )
    }

    fn version(price: &str, from: u64) -> RulesVersion {
        RulesVersion::of(&RuleSet::new(vec![], vec![Rule::charge("articles", "/articles/*", price)]), from)
    }

    #[test]
    fn one_document_serves_a_whole_minute_and_every_gate() {
        let (here, there) = (press("$0.01", NOON, vec![]), press("$0.01", NOON, vec![]));
        let offer = here.current("articles", NOON + 61).unwrap();
        assert_eq!(here.current("articles", NOON + 119).unwrap().id(), offer.id());
        assert_ne!(here.current("articles", NOON + 120).unwrap().id(), offer.id());
        assert_eq!(there.find("articles", offer.id(), NOON + 200).unwrap(), offer);
    }

    #[test]
    fn threat_87_an_older_quote_is_honoured_until_it_ends() {
        let old = press("$0.01", NOON, vec![]).current("articles", NOON + 60).unwrap();
        let new = press("$0.02", NOON + 100, vec![version("$0.01", NOON)]);
        let found = new.find("articles", old.id(), NOON + 200).unwrap();
        assert_eq!(found.document().amount, Amount::new(10_000));
        assert!(found.in_window(NOON + 359).is_ok());
        assert!(found.in_window(NOON + 360).is_err());
        assert_eq!(new.current("articles", NOON + 200).unwrap().document().amount, Amount::new(20_000));
    }

    #[test]
    fn an_offer_reads_back_only_under_the_key_that_signed_it() {
        let key = PrivateKey::from_seed([7; 32]);
        let offer = press("$0.01", NOON, vec![]).current("articles", NOON).unwrap();
        assert_eq!(Offer::verify(offer.jws(), &key.public()).unwrap(), *offer);
        assert!(Offer::verify(offer.jws(), &PrivateKey::from_seed([8; 32]).public()).is_err());
        assert_eq!(offer.id().to_string().parse::<OfferId>().unwrap(), offer.id());
    }

    #[test]
    fn threat_93_memory_holds_only_what_is_alive() {
        let press = press("$0.01", NOON, vec![]);
        for minute in 0..1_000 {
            press.current("articles", NOON + minute * 60).unwrap();
        }
        assert!(press.made.lock().by_id.len() < 10);
        assert!(press.made.lock().by_slot.len() < 10);
    }

    #[test]
    fn an_offer_is_shown_by_its_id_whoever_made_it() {
        let (before, after) = (press("$0.01", NOON, vec![]), press("$0.01", NOON, vec![]));
        let offer = before.current("articles", NOON + 61).unwrap();
        assert_eq!(after.any(offer.id(), NOON + 100), Some(offer));
        assert_eq!(after.any("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(), NOON + 100), None);
    }

    #[test]
    fn an_unknown_id_is_not_found() {
        let press = press("$0.01", NOON, vec![]);
        assert!(press.find("articles", "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(), NOON + 600).is_none());
    }

    #[test]
    fn threat_12_an_offer_of_one_rule_is_not_found_for_another() {
        let press = press("$0.01", NOON, vec![]);
        let id = press.current("articles", NOON).unwrap().id();
        assert!(press.find("articles", id, NOON).is_some());
        assert!(press.find("another", id, NOON).is_none());
    }
}

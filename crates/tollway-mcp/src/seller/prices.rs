//! What costs what: names, and conditions on arguments, each with a price. The first entry that fits decides; a name
//! that some entry speaks of is never free because its arguments fit none.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use tollway_core::rules::{Action, Charge, Methods, ParsePatternError, Pattern, Readings, Rule, RuleSet, fold_case};
use tollway_core::scheme::exact::ExactTerms;
use tollway_protocol::{Dress, ParsePriceError, Price, Reason, Refusal};

use super::arguments::ArgumentTest;
use crate::kind::Kind;

/// Longest name that is sold, in bytes: its URL has to fit into a demand.
const NAME_MAX: usize = 600;

/// For which arguments an entry speaks.
#[derive(Clone, Default)]
pub enum When {
    /// For all.
    #[default]
    Always,
    /// Where each of these holds.
    All(Vec<ArgumentTest>),
    /// Where a function says so.
    Told(Arc<Says>),
}

/// Whether an entry speaks of these arguments.
type Says = dyn Fn(&Map<String, Value>) -> bool + Send + Sync;

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("Always"),
            Self::All(tests) => f.debug_tuple("All").field(tests).finish(),
            Self::Told(_) => f.write_str("Told"),
        }
    }
}

impl When {
    fn fits(&self, arguments: &Map<String, Value>) -> bool {
        match self {
            Self::Always => true,
            Self::All(tests) => tests.iter().all(|test| test.fits(arguments)),
            Self::Told(says) => says(arguments),
        }
    }
}

/// One entry of a price list.
#[derive(Debug, Clone)]
pub struct PricedCall {
    /// Its name in offers and in the books; unique.
    pub id: String,
    /// What is called.
    pub kind: Kind,
    /// Its name, or for a resource its URI; `*` is any run of characters.
    pub name: String,
    /// For which arguments.
    pub when: When,
    /// What it costs; `None` is free.
    pub charge: Option<Charge>,
    /// What is sold, for people.
    pub description: Option<String>,
}

/// Why a price list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceListError {
    /// The name is no pattern.
    #[error("the name `{name}`: {source}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: ParsePatternError,
    },
    /// Two entries have one id.
    #[error("two prices are called `{0}`")]
    Twice(String),
    /// The price is none.
    #[error("the price `{price}`: {source}")]
    Price {
        /// The text.
        price: String,
        /// Why.
        source: ParsePriceError,
    },
    /// The seller's rules were made of another list.
    #[error("the seller has no rule `{0}`: its rules are those of another price list")]
    Foreign(String),
}

impl PricedCall {
    /// A tool at one price, such as `$0.01`, owed on a bill; its name is its id.
    ///
    /// # Errors
    /// When the price is none.
    pub fn tool(name: &str, price: &str) -> Result<Self, PriceListError> {
        Self::of(Kind::Tool, name, price)
    }

    /// The same for any kind.
    ///
    /// # Errors
    /// When the price is none.
    pub fn of(kind: Kind, name: &str, price: &str) -> Result<Self, PriceListError> {
        let read = Price::parse(price);
        let read = read.map_err(|source| PriceListError::Price { price: price.to_owned(), source })?;
        let charge = Charge { dresses: vec![Dress::Mcp], ..Charge::at(read) };
        let id = format!("{}:{name}", kind.word());
        let name = name.to_owned();
        Ok(Self { id, kind, name, when: When::Always, charge: Some(charge), description: None })
    }

    /// Under another id.
    #[must_use]
    pub fn called(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Only where each of these tests holds.
    #[must_use]
    pub fn when(mut self, tests: Vec<ArgumentTest>) -> Self {
        self.when = When::All(tests);
        self
    }

    /// Only where a function of the arguments says so.
    #[must_use]
    pub fn when_told(mut self, says: impl Fn(&Map<String, Value>) -> bool + Send + Sync + 'static) -> Self {
        self.when = When::Told(Arc::new(says));
        self
    }

    /// Also, or only, paid at once.
    #[must_use]
    pub fn with_exact(mut self, terms: ExactTerms) -> Self {
        if let Some(charge) = &mut self.charge {
            charge.exact = Some(terms);
        }
        self
    }

    /// Paid at once only: no bill.
    #[must_use]
    pub fn without_bill(mut self) -> Self {
        if let Some(charge) = &mut self.charge {
            charge.dresses.clear();
        }
        self
    }

    /// With other terms.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Charge)) -> Self {
        if let Some(charge) = &mut self.charge {
            change(charge);
        }
        self
    }

    fn rule(&self) -> Result<Rule, PriceListError> {
        let pattern: Result<Pattern, _> = self.kind.path(&self.name).parse();
        let pattern = pattern.map_err(|source| PriceListError::Name { name: self.name.clone(), source })?;
        let action = self.charge.clone().map_or(Action::Allow, Action::Charge);
        let mut rule = Rule::new(&self.id, pattern, action);
        rule.methods = Methods::Only(vec![self.kind.method().to_owned()]);
        Ok(rule)
    }
}

/// The price list of one seller.
#[derive(Debug, Clone)]
pub struct PriceList {
    entries: Vec<Arc<Entry>>,
    rules: RuleSet,
}

/// An entry, and the rule that an engine knows it as.
#[derive(Debug, Clone)]
pub struct Entry {
    call: PricedCall,
    rule: Arc<Rule>,
}

impl Entry {
    /// The entry as it was written.
    #[must_use]
    pub fn call(&self) -> &PricedCall {
        &self.call
    }

    /// Its rule.
    #[must_use]
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    fn names(&self, kind: Kind, name: &str) -> bool {
        self.call.kind == kind && self.rule.pattern.matches(&kind.path(name))
    }
}

impl PriceList {
    /// A list; the order of its entries is the order in which they decide.
    ///
    /// # Errors
    /// For a name that is no pattern, and for an id that stands twice.
    pub fn new(calls: Vec<PricedCall>) -> Result<Self, PriceListError> {
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for call in &calls {
            if !seen.insert(&call.id) {
                return Err(PriceListError::Twice(call.id.clone()));
            }
            rules.push(call.rule()?);
        }
        let rules = RuleSet::new(Vec::new(), rules);
        let known = rules.rules().iter().cloned();
        let entries = calls.into_iter().zip(known).map(|(call, rule)| Arc::new(Entry { call, rule })).collect();
        Ok(Self { entries, rules })
    }

    /// The rules of the list, for the seller's engine and its offers.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The entry that prices a call; `None` where it is free.
    ///
    /// # Errors
    /// `ambiguous_path` for a resource's URI that may be read as one of another price, `invalid_payload` where the
    /// thing has prices and none for these arguments, `malformed_target` for a priced name that is too long.
    pub fn decide(
        &self,
        kind: Kind,
        name: &str,
        arguments: Option<&Map<String, Value>>,
    ) -> Result<Option<&Arc<Entry>>, Refusal> {
        let found = self.find(kind, name, arguments)?;
        if found.is_some() && name.len() > NAME_MAX {
            return Err(Refusal::new(Reason::MalformedTarget, "the name is longer than 600 bytes"));
        }
        if kind == Kind::Resource {
            self.refuse_ambiguous(name, found)?;
        }
        Ok(found.filter(|entry| entry.call.charge.is_some()))
    }

    /// The dearest price that a call of this name may have, and so the one to show beforehand.
    #[must_use]
    pub fn dearest(&self, kind: Kind, name: &str) -> Option<&Arc<Entry>> {
        let of_name = self.entries.iter().filter(|entry| entry.names(kind, name));
        // What stands behind an entry for all arguments is never reached.
        let mut reached = Vec::new();
        for entry in of_name {
            reached.push(entry);
            if matches!(entry.call.when, When::Always) {
                break;
            }
        }
        let price = |entry: &&Arc<Entry>| entry.call.charge.as_ref().map(|charge| charge.price.amount);
        reached.into_iter().filter(|entry| entry.call.charge.is_some()).max_by_key(price)
    }

    fn find(
        &self,
        kind: Kind,
        name: &str,
        arguments: Option<&Map<String, Value>>,
    ) -> Result<Option<&Arc<Entry>>, Refusal> {
        let none = Map::new();
        let arguments = arguments.unwrap_or(&none);
        let mut named = false;
        for entry in self.entries.iter().filter(|entry| entry.names(kind, name)) {
            if entry.call.when.fits(arguments) {
                return Ok(Some(entry));
            }
            named = true;
        }
        if named {
            return Err(Refusal::new(Reason::InvalidPayload, "there is no price for these arguments"));
        }
        Ok(None)
    }

    /// Whatever reads a URI may fold it into another one: each reading must have the same price, in any letter case.
    fn refuse_ambiguous(&self, uri: &str, found: Option<&Arc<Entry>>) -> Result<(), Refusal> {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
        let start = uri.len() - rest.trim_start_matches('/').len();
        let (lead, path) = uri.split_at(start);
        let one_slash = format!("{scheme}:///");
        let leads = [lead, one_slash.as_str()];
        let id = |entry: Option<&Arc<Entry>>| entry.map(|entry| entry.rule.id.clone());
        for reading in Readings::of(&format!("/{path}"))?.iter() {
            let path = reading.trim_start_matches('/');
            for lead in &leads[..if lead.ends_with("//") && rest.starts_with('/') { 2 } else { 1 }] {
                let other = format!("{lead}{path}");
                let differs = other != uri && id(self.find(Kind::Resource, &other, None)?) != id(found);
                let folded = id(self.find_folded(&other));
                if differs || folded.is_some() && folded != id(found) {
                    let detail = "another reading of this URI has another price";
                    return Err(Refusal::new(Reason::AmbiguousPath, detail));
                }
            }
        }
        Ok(())
    }

    /// The first entry that an upstream might mean that ignores letter case.
    fn find_folded(&self, uri: &str) -> Option<&Arc<Entry>> {
        let path = Kind::Resource.path(uri);
        let folded = fold_case(&path);
        let of_resources = self.entries.iter().filter(|entry| entry.call.kind == Kind::Resource);
        of_resources.into_iter().find(|entry| entry.rule.pattern.matches_folded(&folded))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::seller::arguments::Test;

    fn list() -> PriceList {
        let depth = ArgumentTest { pointer: "/depth".into(), test: Test::AtLeast(10) };
        PriceList::new(vec![
            PricedCall { charge: None, ..PricedCall::tool("search_help", "$1").unwrap() },
            PricedCall::tool("search*", "$0.10").unwrap().called("deep").when(vec![depth]),
            PricedCall::tool("search*", "$0.01").unwrap().called("flat"),
            PricedCall::tool("translate", "$0.02").unwrap().when_told(|arguments| arguments.contains_key("text")),
            PricedCall::of(Kind::Resource, "file:///paid/*", "$0.05").unwrap(),
        ])
        .unwrap()
    }

    fn decided(kind: Kind, name: &str, arguments: &Value) -> Result<Option<String>, Reason> {
        let list = list();
        let entry = list.decide(kind, name, arguments.as_object()).map_err(|refusal| refusal.reason)?;
        Ok(entry.map(|entry| entry.call().id.clone()))
    }

    #[test]
    fn the_first_entry_that_fits_decides() {
        let of = |name: &str, arguments: Value| decided(Kind::Tool, name, &arguments);
        assert_eq!(of("search", json!({"depth": 10})), Ok(Some("deep".into())));
        assert_eq!(of("search", json!({"depth": 9})), Ok(Some("flat".into())));
        assert_eq!(of("search_all", json!({})), Ok(Some("flat".into())));
        assert_eq!(of("search_help", json!({})), Ok(None));
        assert_eq!(of("echo", json!({})), Ok(None));
        assert_eq!(decided(Kind::Prompt, "search", &json!({})), Ok(None));
        assert_eq!(list().dearest(Kind::Tool, "search").unwrap().call().id, "deep");
        assert!(list().dearest(Kind::Tool, "search_help").is_none());
    }

    #[test]
    fn arguments_that_fit_no_price_are_not_free() {
        assert_eq!(decided(Kind::Tool, "translate", &json!({"text": "a"})), Ok(Some("tool:translate".into())));
        assert_eq!(decided(Kind::Tool, "translate", &json!({})), Err(Reason::InvalidPayload));
    }

    #[test]
    fn threat_06_a_uri_with_two_readings_is_refused() {
        let of = |uri: &str| decided(Kind::Resource, uri, &json!({}));
        assert_eq!(of("file:///paid/a.txt"), Ok(Some("resource:file:///paid/*".into())));
        assert_eq!(of("file:///free/a.txt"), Ok(None));
        for uri in [
            "file:///free/../paid/a",
            "file:///free/%2e%2e/paid/a",
            "file:////paid/a",
            "file:///%70aid/a",
            "FILE:///PAID/a",
        ] {
            assert_eq!(of(uri), Err(Reason::AmbiguousPath), "{uri}");
        }
        assert_eq!(of("docs:one"), Ok(None));
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_refused() {
        let twice = || PricedCall::tool("a", "$1").unwrap();
        assert!(matches!(PriceList::new(vec![twice(), twice()]), Err(PriceListError::Twice(_))));
        let odd = PricedCall { name: "a%b".into(), ..twice() };
        assert!(matches!(PriceList::new(vec![odd]), Err(PriceListError::Name { .. })));
        for price in ["$1.5abc", "1e3", "-1", "", "$0.0000001"] {
            assert!(matches!(PricedCall::tool("a", price), Err(PriceListError::Price { .. })), "{price}");
        }
    }
}

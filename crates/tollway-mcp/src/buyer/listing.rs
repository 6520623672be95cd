//! What a server says of its tools: remembered to pin approvals and to hold it to its listed prices, and shown to the
//! model with the price in words. None of its text decides anything.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tollway_ledger::Hash;
use tollway_protocol::{Amount, Asset, Price, Reason, Refusal, Scale};

use crate::wire::names::{LISTED_PRICE, LISTED_REQUIRED, META};

/// Tools that are remembered of a server.
const TOOLS_MAX: usize = 10_000;

/// A server's tools as it listed them last.
#[derive(Default)]
pub(super) struct Listing(Mutex<HashMap<String, Listed>>);

#[derive(Clone, Copy)]
struct Listed {
    definition: Hash,
    price: Option<Amount>,
    paid: bool,
}

impl Listing {
    /// Learns the tools of a `tools/list` result, and adds to each paid one what it costs.
    pub(super) fn learn(&self, result: &mut Map<String, Value>) {
        let Some(Value::Array(tools)) = result.get_mut("tools") else { return };
        for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
            let definition = Hash::of(&serde_json::to_vec(tool).expect("a value is JSON"));
            let price = listed_price(tool);
            if let Some(Value::String(name)) = tool.get("name") {
                self.keep(name, Listed { definition, price, paid: is_paid(tool) });
            }
            if is_paid(tool) {
                announce(tool, price);
            }
        }
    }

    fn keep(&self, name: &str, listed: Listed) {
        let mut tools = self.0.lock();
        if tools.len() < TOOLS_MAX || tools.contains_key(name) {
            tools.insert(name.to_owned(), listed);
        }
    }

    /// The hash of a tool's definition, if it was listed.
    pub(super) fn definition(&self, tool: &str) -> Option<Hash> {
        self.0.lock().get(tool).map(|listed| listed.definition)
    }

    /// Whether a tool is listed as one that costs; `None` where it was not listed.
    pub(super) fn is_paid(&self, tool: &str) -> Option<bool> {
        self.0.lock().get(tool).map(|listed| listed.paid)
    }

    /// Holds a server to what it listed: more than that is not paid.
    ///
    /// # Errors
    /// `amount_mismatch`.
    pub(super) fn check_price(&self, tool: &str, asked: Amount) -> Result<(), Refusal> {
        let listed = self.0.lock().get(tool).and_then(|listed| listed.price);
        match listed {
            Some(listed) if asked > listed => {
                let detail =
                    format!("the tool is listed at {} and {} is asked for it", dollars(listed), dollars(asked));
                Err(Refusal::new(Reason::AmountMismatch, detail))
            }
            _ => Ok(()),
        }
    }
}

/// `$0.01`: micro-dollars as people read them.
pub(super) fn dollars(amount: Amount) -> String {
    format!("${}", Price { amount, asset: Asset::usd(), scale: Scale::MICRO }.to_decimal())
}

fn meta<'a>(tool: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    tool.get(META)?.get(key)
}

fn is_paid(tool: &Map<String, Value>) -> bool {
    meta(tool, LISTED_REQUIRED).is_some_and(|paid| *paid == Value::Bool(true))
}

/// A price in dollars: what is no decimal of at most six places, or is nothing, is no price.
fn listed_price(tool: &Map<String, Value>) -> Option<Amount> {
    let text = match meta(tool, LISTED_PRICE)? {
        Value::Number(number) => six_places(number.as_f64()?)?,
        Value::String(text) => text.trim_start_matches('$').to_owned(),
        _ => return None,
    };
    let price = Price::parse(&format!("${text}")).ok()?;
    (price.amount > Amount::ZERO).then_some(price.amount)
}

/// The decimal of at most six places that this number of JSON was written as, if there is one.
fn six_places(number: f64) -> Option<String> {
    let text = format!("{number:.6}");
    let same = text.parse::<f64>().is_ok_and(|read| read.to_bits() == number.to_bits());
    same.then_some(text)
}

/// Tells whoever reads the description what a call costs.
fn announce(tool: &mut Map<String, Value>, price: Option<Amount>) {
    let cost = price.map_or_else(|| "an unknown amount".to_owned(), dollars);
    let words = format!("(This is a paid tool, you will be charged {cost} for its execution)");
    let description = match tool.get("description") {
        Some(Value::String(text)) if !text.is_empty() => format!("{text} {words}"),
        _ => words,
    };
    tool.insert("description".to_owned(), Value::String(description));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tools(list: Value) -> (Listing, Map<String, Value>) {
        let listing = Listing::default();
        let mut result = Map::from_iter([("tools".to_owned(), list)]);
        listing.learn(&mut result);
        (listing, result)
    }

    fn paid(price: Value) -> Value {
        json!({"name": "square", "description": "Squares a number", "inputSchema": {"type": "object"},
            META: {LISTED_REQUIRED: true, LISTED_PRICE: price}})
    }

    fn described(price: Value) -> String {
        tools(json!([paid(price)])).1["tools"][0]["description"].as_str().unwrap().to_owned()
    }

    #[test]
    fn list_tools_adds_the_cost_in_exact_decimals() {
        let says = |cost: &str| {
            format!("Squares a number (This is a paid tool, you will be charged {cost} for its execution)")
        };
        assert_eq!(described(json!(0.01)), says("$0.01"));
        assert_eq!(described(json!(0.000001)), says("$0.000001"));
        assert_eq!(described(json!("0.000001")), says("$0.000001"));
        assert_eq!(described(json!(3)), says("$3.00"));
        assert_eq!(described(json!(3.0)), says("$3.00"));
        assert_eq!(described(json!(0.1)), says("$0.10"));
        for odd in [json!(0), json!(-1), json!("1.5abc"), json!(1e300), json!(null), json!(0.30000000000000004)] {
            assert_eq!(described(odd), says("an unknown amount"));
        }
    }

    #[test]
    fn free_tools_and_strange_lists_stay_as_they_are() {
        for list in [json!([{"name": "echo"}]), json!([1, null, []]), json!({}), json!("x")] {
            assert_eq!(tools(list.clone()).1["tools"], list);
        }
        let bare = json!([{"name": "a", META: {LISTED_REQUIRED: true}}]);
        let words = "(This is a paid tool, you will be charged an unknown amount for its execution)";
        assert_eq!(tools(bare).1["tools"][0]["description"], words);
    }

    #[test]
    fn threat_89_a_price_above_the_listed_one_is_refused() {
        let (listing, _) = tools(json!([paid(json!(0.01))]));
        assert!(listing.check_price("square", Amount::new(10_000)).is_ok());
        assert!(listing.check_price("square", Amount::new(9_999)).is_ok());
        let refusal = listing.check_price("square", Amount::new(10_001)).unwrap_err();
        assert_eq!(refusal.reason, Reason::AmountMismatch);
        assert!(refusal.detail.contains("listed at $0.01 and $0.010001 is asked"), "{refusal}");
        assert!(listing.check_price("other", Amount::new(10_001)).is_ok());
    }

    #[test]
    fn threat_89_any_byte_of_a_definition_changes_its_hash() {
        let whole = paid(json!(0.01));
        let hash = |tool: Value| tools(json!([tool])).0.definition("square").unwrap();
        let first = hash(whole.clone());
        assert_eq!(first, hash(whole.clone()));
        for (key, value) in [
            ("description", json!("Squares a number.")),
            ("inputSchema", json!({"type": "objecT"})),
            ("annotations", json!({"title": "Square"})),
        ] {
            let mut changed = whole.clone();
            changed[key] = value;
            assert_ne!(first, hash(changed), "{key}");
        }
    }
}

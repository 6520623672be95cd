//! Prices of an MCP server's tools, resources and prompts: `[[calls]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::offer::LIFETIME_MAX;
use tollway_core::rules::{Charge, TermsRef};
use tollway_mcp::Kind;
use tollway_mcp::seller::{ArgumentTest, PriceList, PricedCall, Test, When};
use tollway_protocol::Dress;

use super::exact::RuleExact;
use super::{Config, ConfigPrice, RulePrice};

/// One `[[calls]]`; the first that fits decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallConfig {
    /// Its name in offers and in the books; made of what it prices unless given.
    id: Option<String>,
    /// A tool's name; `*` is any run of characters.
    tool: Option<String>,
    /// A resource's URI.
    resource: Option<String>,
    /// A prompt's name.
    prompt: Option<String>,
    /// What a call costs: a price, or its name under `[prices]`.
    price: Option<RulePrice>,
    /// It costs nothing, whatever stands below.
    #[serde(default)]
    free: bool,
    /// For which arguments: a name or a JSON pointer, and what has to stand there.
    #[serde(default)]
    when: BTreeMap<String, toml::Value>,
    /// Whether it can be owed on a bill.
    #[serde(default = "super::yes")]
    deferred: bool,
    /// How it is paid at once, where it is.
    exact: Option<RuleExact>,
    /// What is sold, for people.
    description: Option<String>,
    /// File with the terms of sale.
    pub(crate) terms: Option<PathBuf>,
    /// How long an offer is honoured, in seconds.
    lifetime: Option<u64>,
    /// Its results change with every call: none is handed out twice.
    #[serde(default)]
    live: bool,
    /// How often the result of an identical call is handed out again.
    re_serves: Option<u8>,
}

impl Config {
    /// The price list, each entry with its terms.
    pub(crate) fn price_list(&self, terms: Vec<Option<TermsRef>>) -> anyhow::Result<PriceList> {
        let call = |(call, terms): (&CallConfig, _)| {
            let id = call.id();
            call.priced(self, terms).with_context(|| format!("[[calls]] `{id}`"))
        };
        let calls = self.calls.iter().zip(terms).map(call).collect::<anyhow::Result<_>>()?;
        Ok(PriceList::new(calls)?)
    }

    /// Checks what a file says that prices calls.
    pub(super) fn check_calls(&self) -> anyhow::Result<()> {
        if !self.rules.is_empty() {
            bail!("[[rules]] are for `tollway gateway`, [[calls]] for `tollway mcp sell`: a file has either");
        }
        if !self.origin.is_empty() {
            bail!("[[calls]] have no [origin]: `tollway mcp sell` is told its server on the command line");
        }
        self.price_list(vec![None; self.calls.len()]).map(drop)
    }
}

impl CallConfig {
    fn named(&self) -> anyhow::Result<(Kind, &str)> {
        match (&self.tool, &self.resource, &self.prompt) {
            (Some(name), None, None) => Ok((Kind::Tool, name)),
            (None, Some(uri), None) => Ok((Kind::Resource, uri)),
            (None, None, Some(name)) => Ok((Kind::Prompt, name)),
            _ => bail!("it names one of `tool`, `resource` and `prompt`"),
        }
    }

    fn id(&self) -> String {
        let made = || self.named().map(|(kind, name)| format!("{}:{name}", kind.word()));
        self.id.clone().unwrap_or_else(|| made().unwrap_or_default())
    }

    fn priced(&self, config: &Config, terms: Option<TermsRef>) -> anyhow::Result<PricedCall> {
        let (kind, name) = self.named()?;
        let tests = self.when.iter().map(|(place, test)| tests(place, test).with_context(|| format!("`when` {place}")));
        let tests: Vec<ArgumentTest> = tests.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
        let when = if tests.is_empty() { When::Always } else { When::All(tests) };
        let charge = self.charge(config, terms)?;
        Ok(PricedCall {
            id: self.id(),
            kind,
            name: name.to_owned(),
            when,
            charge,
            description: self.description.clone(),
        })
    }

    fn charge(&self, config: &Config, terms: Option<TermsRef>) -> anyhow::Result<Option<Charge>> {
        let price = match (&self.price, self.free) {
            (None, true) => return Ok(None),
            (Some(price), false) => price.among(&config.prices)?,
            _ => bail!("it has a `price`, or is `free`"),
        };
        if price.amount.is_zero() {
            bail!("a `price` of nothing is `free = true`");
        }
        let mut charge = Charge::at(price);
        charge.dresses = if self.deferred { vec![Dress::Mcp] } else { Vec::new() };
        charge.exact = match (&self.exact, &config.exact) {
            (None, _) => None,
            (Some(_), None) => bail!("it is paid by `exact`, and there is no [exact] section"),
            (Some(own), Some(exact)) => Some(exact.terms(own, &charge.price, &[])?),
        };
        if charge.dresses.is_empty() && charge.exact.is_none() {
            bail!("with `deferred = false` it needs `exact`: else nobody could pay it");
        }
        if let Some(lifetime) = self.lifetime {
            if !(60..=LIFETIME_MAX).contains(&lifetime) {
                bail!("`lifetime` is 60 to {LIFETIME_MAX} seconds");
            }
            charge.lifetime = lifetime;
        }
        charge.re_serves = self.re_serves.unwrap_or(charge.re_serves);
        charge.live = self.live;
        charge.terms = terms;
        Ok(Some(charge))
    }

    /// What a call costs, for people.
    pub(crate) fn described(&self, named: &BTreeMap<String, ConfigPrice>) -> String {
        let price = self.price.as_ref().and_then(|price| price.among(named).ok());
        price.map_or_else(|| "free".to_owned(), |price| format!("{} a call", crate::money::dollars(price.amount)))
    }

    /// What it prices, for people.
    pub(crate) fn subject(&self) -> String {
        let name = self.named().map(|(kind, name)| format!("{} {name}", kind.word())).unwrap_or_default();
        let when = if self.when.is_empty() { "" } else { " (by arguments)" };
        format!("{name}{when}")
    }
}

/// The tests of one place in the arguments.
fn tests(place: &str, written: &toml::Value) -> anyhow::Result<Vec<ArgumentTest>> {
    let pointer = match place {
        "" => bail!("it names no argument"),
        pointer if pointer.starts_with('/') => pointer.to_owned(),
        name => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
    };
    let tests = match written {
        toml::Value::String(text) if text.contains('*') => vec![Test::Like(text.clone())],
        toml::Value::String(text) => vec![Test::Is(text.as_str().into())],
        toml::Value::Integer(number) => vec![Test::Is((*number).into())],
        toml::Value::Boolean(is) => vec![Test::Is((*is).into())],
        toml::Value::Table(table) if !table.is_empty() => {
            table.iter().map(|(word, value)| test(word, value)).collect::<anyhow::Result<_>>()?
        }
        _ => bail!("a text, a whole number, true, false, or such as {{ at_least = 100 }}"),
    };
    Ok(tests.into_iter().map(|test| ArgumentTest { pointer: pointer.clone(), test }).collect())
}

fn test(word: &str, value: &toml::Value) -> anyhow::Result<Test> {
    match (word, value) {
        ("at_least", toml::Value::Integer(least)) => Ok(Test::AtLeast(*least)),
        ("at_most", toml::Value::Integer(most)) => Ok(Test::AtMost(*most)),
        ("present", toml::Value::Boolean(true)) => Ok(Test::Present),
        ("present", toml::Value::Boolean(false)) => Ok(Test::Absent),
        ("like", toml::Value::String(pattern)) => Ok(Test::Like(pattern.clone())),
        ("at_least" | "at_most", _) => bail!("`{word}` is a whole number"),
        ("present", _) => bail!("`present` is true or false"),
        ("like", _) => bail!("`like` is a text"),
        _ => bail!("`{word}` is none of at_least, at_most, present, like"),
    }
}

#[cfg(test)]
mod tests_of_calls {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = r#"
public_urls = ["https://tools.example"]
[seller]
key = "seller.jwk"
[books]
path = "tools.db"
"#;

    fn read(calls: &str) -> anyhow::Result<Config> {
        Config::parse(&format!("{HEAD}{calls}"))
    }

    #[test]
    fn the_example_is_read_whole() {
        let config = Config::parse(include_str!("../../../../docs/prices.example.toml")).unwrap();
        let list = config.price_list(vec![None; config.calls.len()]).unwrap();
        assert_eq!(list.entries().len(), config.calls.len());
        assert!(config.calls.len() >= 5);
    }

    #[test]
    fn the_first_that_fits_decides() {
        let config = read(
            r#"
[[calls]]
id = "dear"
tool = "search"
when = { depth = { at_least = 3 }, "/options/kind" = "full*" }
price = "$0.05"
[[calls]]
tool = "search"
price = "$0.01"
[[calls]]
tool = "ping"
free = true
"#,
        )
        .unwrap();
        let list = config.price_list(vec![None; 3]).unwrap();
        let decided = |arguments: serde_json::Value| {
            let entry = list.decide(Kind::Tool, "search", arguments.as_object()).unwrap();
            entry.map(|entry| entry.call().id.clone())
        };
        let deep = serde_json::json!({ "depth": 3, "options": { "kind": "full-text" } });
        assert_eq!(decided(deep).as_deref(), Some("dear"));
        assert_eq!(decided(serde_json::json!({ "depth": 2 })).as_deref(), Some("tool:search"));
        assert!(list.decide(Kind::Tool, "ping", None).unwrap().is_none());
        assert!(list.decide(Kind::Tool, "other", None).unwrap().is_none());
    }

    #[test]
    fn what_is_not_understood_stops_the_start_and_says_where() {
        let wrong = [
            ("[[calls]]\ntool = \"a\"", "has a `price`"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\nfree = true", "or is `free`"),
            ("[[calls]]\nprice = \"$1\"", "names one of"),
            ("[[calls]]\ntool = \"a\"\nprompt = \"b\"\nprice = \"$1\"", "names one of"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$0\"", "a `price` of nothing"),
            ("[[calls]]\ntool = \"a\"\nprice = \"1 EUR\"", "smallest unit is not known"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\ndeferred = false", "needs `exact`"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\nexact = {}", "no [exact] section"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\nwhen = { n = 1.5 }", "a text, a whole number"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\nwhen = { n = { above = 1 } }", "none of at_least"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\nwhen = { n = { at_most = \"1\" } }", "a whole number"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\nlifetime = 1", "`lifetime`"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\n[[calls]]\ntool = \"a\"\nprice = \"$2\"", "two prices"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\n[origin]\nfolder = \"x\"", "no [origin]"),
            ("[[calls]]\ntool = \"a\"\nprice = \"$1\"\ncolour = 1", "colour"),
        ];
        for (text, reason) in wrong {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_condition_is_tests_or_a_reason(place in "\\PC{0,12}", text in "\\PC{0,12}", number in any::<i64>()) {
            for value in [toml::Value::String(text), toml::Value::Integer(number), toml::Value::Float(0.5)] {
                if let Ok(found) = tests(&place, &value) {
                    prop_assert!(found.iter().all(|test| test.pointer.starts_with('/')));
                }
            }
        }
    }
}

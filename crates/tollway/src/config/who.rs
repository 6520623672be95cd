//! Agents, operators and purposes as a configuration writes them.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::rules::{Operator, Purpose, Selectors};

use super::RulePrice;

/// One `[[operators]]`: what the seller has confirmed of some agents.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorConfig {
    /// Its name, as rules spell it.
    name: String,
    /// Its agents.
    agents: Vec<String>,
    /// What they read for.
    #[serde(default)]
    purposes: Vec<String>,
}

/// One of a rule's `prices`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassConfig {
    /// Its name in offers and books; made of what it asks for unless given.
    name: Option<String>,
    agent: Option<String>,
    operator: Option<String>,
    purpose: Option<String>,
    /// What they pay.
    pub(crate) price: RulePrice,
}

/// Whom a rule speaks of, as written.
pub(crate) struct WhoConfig<'a> {
    pub(crate) agents: &'a Option<Vec<String>>,
    pub(crate) operators: &'a Option<Vec<String>>,
    pub(crate) purposes: &'a Option<Vec<String>>,
}

impl OperatorConfig {
    pub(crate) fn operator(&self) -> anyhow::Result<Operator> {
        let parsed = || {
            if self.name.is_empty() || self.agents.is_empty() {
                bail!("an operator has a `name` and `agents`");
            }
            Ok(Operator { name: self.name.clone(), agents: all(&self.agents)?, purposes: all(&self.purposes)? })
        };
        parsed().with_context(|| format!("operator `{}`", self.name))
    }
}

impl WhoConfig<'_> {
    pub(crate) fn selectors(&self) -> anyhow::Result<Selectors> {
        for (name, list) in [("agents", self.agents), ("operator", self.operators), ("purpose", self.purposes)] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                bail!("`{name}` is a list of at least one");
            }
        }
        Ok(Selectors {
            agents: all(self.agents.as_deref().unwrap_or_default())?,
            operators: self.operators.clone().unwrap_or_default(),
            purposes: all::<Purpose>(self.purposes.as_deref().unwrap_or_default())?,
        })
    }
}

impl ClassConfig {
    pub(crate) fn selectors(&self) -> anyhow::Result<Selectors> {
        let one = |text: &Option<String>| text.clone().map(|text| vec![text]);
        let (agents, operators, purposes) = (one(&self.agent), one(&self.operator), one(&self.purpose));
        let who = WhoConfig { agents: &agents, operators: &operators, purposes: &purposes }.selectors()?;
        if who.is_empty() {
            bail!("each of `prices` says for whom: `agent`, `operator` or `purpose`");
        }
        Ok(who)
    }

    /// The part of the rule's id after the colon.
    pub(crate) fn name(&self, index: usize) -> anyhow::Result<String> {
        let Some(name) = &self.name else {
            return Ok(self.purpose.clone().unwrap_or_else(|| format!("{}", index + 1)));
        };
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 32 || !name.chars().all(fine) {
            bail!("the `name` of a price is up to 32 letters, digits, `-`, `_` and `.`");
        }
        Ok(name.clone())
    }
}

fn all<T>(texts: &[String]) -> anyhow::Result<Vec<T>>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    texts.iter().map(|text| Ok(text.parse::<T>()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_named_by_its_purpose_or_its_place() {
        let class = |text: &str| toml::from_str::<ClassConfig>(text).unwrap().name(1).ok();
        assert_eq!(class("purpose = \"train\"\nprice = \"$1\"").as_deref(), Some("train"));
        assert_eq!(class("agent = \"a.example\"\nprice = \"$1\"").as_deref(), Some("2"));
        assert_eq!(class("name = \"a b\"\nagent = \"a.example\"\nprice = \"$1\""), None);
    }
}

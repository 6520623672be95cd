//! Prices as people write them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use tollway_protocol::Price;

/// A price in US dollars, such as `$0.002` or `0.002 USD`; down to a millionth.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ConfigPrice(pub(crate) Price);

impl TryFrom<String> for ConfigPrice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let price = Price::parse(&text).map_err(|error| format!("price `{text}`: {error}"))?;
        if price.asset.as_str() != "USD" {
            return Err(format!("price `{text}`: the books are in USD"));
        }
        Ok(Self(price))
    }
}

/// A price as a rule writes it: itself, or the name it has under `[prices]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum RulePrice {
    Itself(ConfigPrice),
    Named(String),
}

impl TryFrom<String> for RulePrice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_name { Ok(Self::Named(text)) } else { ConfigPrice::try_from(text).map(Self::Itself) }
    }
}

impl RulePrice {
    /// The price meant.
    pub(crate) fn among(&self, named: &BTreeMap<String, ConfigPrice>) -> anyhow::Result<Price> {
        match self {
            Self::Itself(price) => Ok(price.0.clone()),
            Self::Named(name) => {
                let found = named.get(name).with_context(|| format!("[prices] has no `{name}`"))?;
                Ok(found.0.clone())
            }
        }
    }
}

//! Prices as people write them.

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

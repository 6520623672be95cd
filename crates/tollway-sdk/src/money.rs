//! Sums of money as people write them.

use tollway_protocol::{Amount, Price};

/// A text is no sum of money that can be counted here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{text}`: {why} (write it like `$0.01`)")]
pub struct MoneyError {
    /// What the sum is for.
    what: &'static str,
    /// As written.
    text: String,
    why: String,
}

/// A sum in US dollars, above zero.
pub(crate) fn dollars(what: &'static str, text: &str) -> Result<Price, MoneyError> {
    let wrong = |why: String| MoneyError { what, text: text.to_owned(), why };
    let price = Price::parse(text).map_err(|error| wrong(error.to_string()))?;
    if price.asset.as_str() != "USD" {
        return Err(wrong("only US dollars are counted".into()));
    }
    if price.amount == Amount::ZERO {
        return Err(wrong("it is nothing".into()));
    }
    Ok(price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_one_way_and_is_not_nothing() {
        assert_eq!(dollars("price", "$0.01").unwrap().amount, Amount::new(10_000));
        for text in ["", "0.01", "$0", "$-1", "$1e3", "0.01 EUR", "$0.0000001"] {
            let error = dollars("price", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("price `{text}`: ")), "{error}");
        }
    }
}

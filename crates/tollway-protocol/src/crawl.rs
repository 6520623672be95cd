//! Pay per crawl: prices in `crawler-*` headers, and its own short list of errors.

use std::fmt;
use std::str::FromStr;

use crate::codec::too_large;
use crate::header;
use crate::limits;
use crate::price::Price;
use crate::reason::{Reason, Refusal};

/// What a crawler commits itself to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrawlerCommitment {
    /// This price and no other.
    Exact(Price),
    /// The price, whatever it is, up to this.
    Max(Price),
}

/// Why a crawler was not served, in the words of pay per crawl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrawlerError {
    /// The seller blocks this crawler.
    CrawlerForbidden,
    /// The request has no Web Bot Auth identity.
    StrongAuthRequired,
    /// The signature is bad, or does not cover the price header.
    InvalidSignature,
    /// A price header cannot be read.
    InvalidCrawlerPriceValue,
    /// The request names no price.
    MissingCrawlerPrice,
    /// The crawler cannot be billed.
    PaymentFailed,
    /// The exact price is not the price.
    InvalidCrawlerExactPrice,
    /// The highest price is below the price.
    InvalidCrawlerMaxPrice,
    /// Exact and highest price at once.
    ConflictingPriceHeaders,
    /// The upstream set a price that cannot be read.
    InvalidContentPrice,
    /// Something else went wrong here.
    InternalError,
}

/// The text is not a pay-per-crawl error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known pay-per-crawl error")]
pub struct ParseCrawlerError;

/// Reads a price a seller sent: the offer, or what was charged.
///
/// # Errors
/// [`Reason::PriceMalformed`].
pub fn decode_price(text: &str) -> Result<Price, Refusal> {
    if text.len() > limits::CRAWLER_VALUE {
        return Err(too_large(Reason::PriceMalformed, text.len(), limits::CRAWLER_VALUE));
    }
    Ok(Price::parse_crawler(text)?)
}

impl CrawlerCommitment {
    /// Reads the two price headers of a request; `None` if it has neither.
    ///
    /// # Errors
    /// [`Reason::ConflictingPayment`] if it has both, [`Reason::PriceMalformed`] if one cannot be read.
    pub fn decode(exact: Option<&str>, max: Option<&str>) -> Result<Option<Self>, Refusal> {
        match (exact, max) {
            (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(Self::Exact(decode_price(text)?))),
            (None, Some(text)) => Ok(Some(Self::Max(decode_price(text)?))),
            (Some(_), Some(_)) => {
                Err(Refusal::new(Reason::ConflictingPayment, "an exact and a highest price stand in one request"))
            }
        }
    }

    /// The header that carries it, name and value.
    #[must_use]
    pub fn encode(&self) -> (&'static str, String) {
        match self {
            Self::Exact(price) => (header::CRAWLER_EXACT_PRICE, price.to_crawler()),
            Self::Max(price) => (header::CRAWLER_MAX_PRICE, price.to_crawler()),
        }
    }

    /// The price in the header: what is charged at most.
    #[must_use]
    pub fn ceiling(&self) -> &Price {
        match self {
            Self::Exact(price) | Self::Max(price) => price,
        }
    }

    /// Whether it buys something at this price; what is charged then is the price.
    ///
    /// # Errors
    /// [`Reason::AssetMismatch`], [`Reason::AmountMismatch`] for an exact price that differs, or
    /// [`Reason::AmountTooLow`] for a highest price below it.
    pub fn covers(&self, price: &Price) -> Result<(), Refusal> {
        let offered = self.ceiling();
        if (&offered.asset, offered.scale) != (&price.asset, price.scale) {
            return Err(Reason::AssetMismatch.into());
        }
        let (reason, covered) = match self {
            Self::Exact(_) => (Reason::AmountMismatch, offered.amount == price.amount),
            Self::Max(_) => (Reason::AmountTooLow, offered.amount >= price.amount),
        };
        if covered {
            return Ok(());
        }
        Err(Refusal::new(reason, format!("offered {offered}, the price is {price}")))
    }
}

impl CrawlerError {
    /// Every error.
    pub const ALL: &'static [Self] = &[
        Self::CrawlerForbidden,
        Self::StrongAuthRequired,
        Self::InvalidSignature,
        Self::InvalidCrawlerPriceValue,
        Self::MissingCrawlerPrice,
        Self::PaymentFailed,
        Self::InvalidCrawlerExactPrice,
        Self::InvalidCrawlerMaxPrice,
        Self::ConflictingPriceHeaders,
        Self::InvalidContentPrice,
        Self::InternalError,
    ];

    /// The value of [`header::CRAWLER_ERROR`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrawlerForbidden => "CrawlerForbidden",
            Self::StrongAuthRequired => "StrongAuthRequired",
            Self::InvalidSignature => "InvalidSignature",
            Self::InvalidCrawlerPriceValue => "InvalidCrawlerPriceValue",
            Self::MissingCrawlerPrice => "MissingCrawlerPrice",
            Self::PaymentFailed => "PaymentFailed",
            Self::InvalidCrawlerExactPrice => "InvalidCrawlerExactPrice",
            Self::InvalidCrawlerMaxPrice => "InvalidCrawlerMaxPrice",
            Self::ConflictingPriceHeaders => "ConflictingPriceHeaders",
            Self::InvalidContentPrice => "InvalidContentPrice",
            Self::InternalError => "InternalError",
        }
    }

    /// The status that pay per crawl documents for it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingCrawlerPrice | Self::InvalidCrawlerExactPrice | Self::InvalidCrawlerMaxPrice => 402,
            Self::CrawlerForbidden | Self::PaymentFailed => 403,
            Self::StrongAuthRequired
            | Self::InvalidSignature
            | Self::InvalidCrawlerPriceValue
            | Self::ConflictingPriceHeaders => 400,
            Self::InvalidContentPrice => 502,
            Self::InternalError => 500,
        }
    }
}

impl fmt::Display for CrawlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CrawlerError {
    type Err = ParseCrawlerError;

    fn from_str(text: &str) -> Result<Self, ParseCrawlerError> {
        let named = |error: &&Self| error.as_str() == text;
        Self::ALL.iter().find(named).copied().ok_or(ParseCrawlerError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::parse_crawler(text).unwrap()
    }

    #[test]
    fn exact_means_equal_and_max_means_at_most() {
        let cent = price("USD 0.01");
        let covers = |commitment: CrawlerCommitment| commitment.covers(&cent).map_err(|refusal| refusal.reason);
        assert_eq!(covers(CrawlerCommitment::Exact(price("USD 0.010"))), Ok(()));
        assert_eq!(covers(CrawlerCommitment::Max(price("USD 5"))), Ok(()));
        assert_eq!(covers(CrawlerCommitment::Max(price("USD 0.01"))), Ok(()));
        let dearer = CrawlerCommitment::Exact(price("USD 0.02"));
        assert_eq!(covers(dearer), Err(Reason::AmountMismatch));
        let cheaper = CrawlerCommitment::Max(price("USD 0.009999"));
        assert_eq!(covers(cheaper), Err(Reason::AmountTooLow));
        let other = CrawlerCommitment::Max(price("USDC 5"));
        assert_eq!(covers(other), Err(Reason::AssetMismatch));
    }

    #[test]
    fn errors_read_back_and_have_an_error_status() {
        for &error in CrawlerError::ALL {
            assert_eq!(error.as_str().parse(), Ok(error));
            assert!((400..600).contains(&error.status()));
        }
        assert_eq!("invalidsignature".parse::<CrawlerError>(), Err(ParseCrawlerError));
    }
}

//! A price as people and headers write it, read by one strict decimal grammar.
//!
//! Digits, optionally a point and 1 to `scale` digits. No sign, exponent, separator, leading zero,
//! bare point or white space: what two readers could take for two sums is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, MAX_DIGITS};
use crate::asset::{Asset, ParseAssetError};
use crate::reason::{Reason, Refusal};

const MAX_SCALE: u8 = 18;

/// Digits after the point of an asset's decimal form: 0 to 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Scale(u8);

/// The number of digits is above 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scale is not 0 to 18 digits")]
pub struct ScaleOutOfRange;

impl Scale {
    /// A millionth: the atomic unit of USD in our books, and of USDC.
    pub const MICRO: Self = Self(6);

    /// This many digits, or `None` above 18.
    #[must_use]
    pub const fn new(digits: u8) -> Option<Self> {
        if digits <= MAX_SCALE { Some(Self(digits)) } else { None }
    }

    /// The number of digits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The scale of an asset whose name alone says it, as for USD and USDC.
    #[must_use]
    pub fn of(asset: &Asset) -> Option<Self> {
        match asset.as_str() {
            "USD" | "USDC" => Some(Self::MICRO),
            _ => None,
        }
    }
}

impl TryFrom<u8> for Scale {
    type Error = ScaleOutOfRange;

    fn try_from(digits: u8) -> Result<Self, ScaleOutOfRange> {
        Self::new(digits).ok_or(ScaleOutOfRange)
    }
}

impl From<Scale> for u8 {
    fn from(scale: Scale) -> Self {
        scale.0
    }
}

/// What something costs: an amount of an asset, with the scale that turns it into a decimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Price {
    /// The sum in atomic units.
    pub amount: Amount,
    /// What is counted.
    pub asset: Asset,
    /// Digits after the point in the decimal form.
    pub scale: Scale,
}

/// Why a text is not a [`Price`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePriceError {
    /// Not a number and an asset in the order this form asks for.
    #[error("price is not of the form this place asks for")]
    Shape,
    /// The number is not plain digits with at most one point between digits.
    #[error("price is not a plain decimal number")]
    Number,
    /// A zero in front of other digits.
    #[error("price has a leading zero")]
    LeadingZero,
    /// More digits after the point than the asset has.
    #[error("price is finer than the smallest unit of its asset")]
    TooPrecise,
    /// More than 38 digits of atomic units.
    #[error("price is too large")]
    TooLarge,
    /// The asset's name is malformed.
    #[error(transparent)]
    Asset(#[from] ParseAssetError),
    /// The asset's name is well formed, but does not say what its smallest unit is.
    #[error("price names an asset whose smallest unit is not known")]
    UnknownScale,
}

impl From<ParsePriceError> for Refusal {
    fn from(error: ParsePriceError) -> Self {
        Self::new(Reason::PriceMalformed, error.to_string())
    }
}

impl Price {
    /// Reads `$0.01`, `0.01 USD` or `0.10 USDC`.
    ///
    /// # Errors
    /// Any other form, an asset other than USD and USDC, or a number outside the grammar.
    pub fn parse(text: &str) -> Result<Self, ParsePriceError> {
        if let Some(number) = text.strip_prefix('$') {
            return Self::from_decimal(number, Asset::usd());
        }
        let (number, asset) = text.split_once(' ').ok_or(ParsePriceError::Shape)?;
        Self::from_named(number, asset)
    }

    /// Reads a whole count of atomic units, such as `10000`.
    ///
    /// # Errors
    /// Anything but 1 to 38 digits without a leading zero.
    pub fn parse_atomic(text: &str, asset: Asset, scale: Scale) -> Result<Self, ParsePriceError> {
        let amount = read_number(text, Scale(0))?;
        Ok(Self { amount, asset, scale })
    }

    /// Reads a bare decimal, such as `0.10`, of an asset whose scale is known from elsewhere.
    ///
    /// # Errors
    /// A number outside the grammar, finer than the scale, or too large.
    pub fn parse_decimal(text: &str, asset: Asset, scale: Scale) -> Result<Self, ParsePriceError> {
        Ok(Self { amount: read_number(text, scale)?, asset, scale })
    }

    /// Reads the pay-per-crawl header form: `USD 0.01`.
    ///
    /// # Errors
    /// Any other form, an asset other than USD and USDC, or a number outside the grammar.
    pub fn parse_crawler(text: &str) -> Result<Self, ParsePriceError> {
        let (asset, number) = text.split_once(' ').ok_or(ParsePriceError::Shape)?;
        Self::from_named(number, asset)
    }

    /// The pay-per-crawl header form: `USD 0.01`.
    #[must_use]
    pub fn to_crawler(&self) -> String {
        format!("{} {}", self.asset, self.to_decimal())
    }

    /// The number alone: at least two digits after the point (fewer only where the scale has fewer),
    /// and no more than needed.
    #[must_use]
    pub fn to_decimal(&self) -> String {
        let scale = usize::from(self.scale.0);
        let digits = format!("{:0>width$}", self.amount.get(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let needed = fraction.trim_end_matches('0').len().max(scale.min(2));
        match &fraction[..needed] {
            "" => whole.to_owned(),
            shown => format!("{whole}.{shown}"),
        }
    }

    fn from_named(number: &str, asset: &str) -> Result<Self, ParsePriceError> {
        // The number first: `USD 0.01` in the wrong place is a malformed number, not an odd asset.
        check_number(number)?;
        Self::from_decimal(number, asset.parse()?)
    }

    fn from_decimal(number: &str, asset: Asset) -> Result<Self, ParsePriceError> {
        let scale = Scale::of(&asset).ok_or(ParsePriceError::UnknownScale)?;
        let amount = read_number(number, scale)?;
        Ok(Self { amount, asset, scale })
    }
}

impl fmt::Display for Price {
    /// `0.01 USD`, which [`Price::parse`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.asset)
    }
}

/// Checks the grammar and returns the digits before and after the point.
fn check_number(text: &str) -> Result<(&str, &str), ParsePriceError> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(ParsePriceError::Number),
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(ParsePriceError::Number);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(ParsePriceError::LeadingZero);
    }
    Ok((whole, fraction))
}

fn read_number(text: &str, scale: Scale) -> Result<Amount, ParsePriceError> {
    let (whole, fraction) = check_number(text)?;
    let scale = usize::from(scale.0);
    if fraction.len() > scale {
        return Err(ParsePriceError::TooPrecise);
    }
    if whole != "0" && whole.len() + scale > MAX_DIGITS {
        return Err(ParsePriceError::TooLarge);
    }
    let padding = std::iter::repeat_n(b'0', scale - fraction.len());
    whole
        .bytes()
        .chain(fraction.bytes())
        .chain(padding)
        .try_fold(0_u128, |units, digit| units.checked_mul(10)?.checked_add(u128::from(digit - b'0')))
        .map(Amount::new)
        .ok_or(ParsePriceError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(units: u128) -> Price {
        Price { amount: Amount::new(units), asset: Asset::usd(), scale: Scale::MICRO }
    }

    #[test]
    fn reads_each_form_in_its_own_place_only() {
        assert_eq!(Price::parse("$0.01"), Ok(usd(10_000)));
        assert_eq!(Price::parse("0.01 USD"), Ok(usd(10_000)));
        assert_eq!(Price::parse("0.10 USDC").unwrap().asset, Asset::usdc());
        assert_eq!(Price::parse_crawler("USD 0.01"), Ok(usd(10_000)));
        assert_eq!(Price::parse_crawler("USD 0"), Ok(usd(0)));
        assert_eq!(Price::parse_atomic("10000", Asset::usd(), Scale::MICRO), Ok(usd(10_000)));

        assert_eq!(Price::parse("USD 0.01"), Err(ParsePriceError::Number));
        assert_eq!(Price::parse("0.01"), Err(ParsePriceError::Shape));
        assert_eq!(Price::parse_crawler("0.01 USD"), Err(ParsePriceError::Number));
        assert_eq!(Price::parse_crawler("$0.01"), Err(ParsePriceError::Shape));
        let fraction = Price::parse_atomic("1.5", Asset::usd(), Scale::MICRO);
        assert_eq!(fraction, Err(ParsePriceError::TooPrecise));
    }

    #[test]
    fn writes_two_decimals_or_as_many_as_needed() {
        for (units, text) in [
            (0, "USD 0.00"),
            (10_000, "USD 0.01"),
            (100_000, "USD 0.10"),
            (1, "USD 0.000001"),
            (1_234_560, "USD 1.23456"),
            (5_000_000, "USD 5.00"),
        ] {
            assert_eq!(usd(units).to_crawler(), text);
            assert_eq!(Price::parse_crawler(text), Ok(usd(units)));
        }
        for (scale, text) in [(0, "5"), (1, "0.5"), (2, "0.05"), (18, "0.000000000000000005")] {
            let price = Price { scale: Scale::new(scale).unwrap(), ..usd(5) };
            assert_eq!(price.to_decimal(), text);
        }
    }

    #[test]
    fn an_unknown_asset_has_no_scale() {
        assert_eq!(Price::parse("1 ETH"), Err(ParsePriceError::UnknownScale));
        assert_eq!(Price::parse("1 usd"), Err(ParsePriceError::UnknownScale));
        assert_eq!(Price::parse("1 U,SD"), Err(ParsePriceError::Asset(ParseAssetError::Character)));
        assert_eq!(Scale::new(19), None);
        assert!(serde_json::from_str::<Scale>("19").is_err());
        assert_eq!(serde_json::from_str::<Scale>("6").unwrap(), Scale::MICRO);
    }
}

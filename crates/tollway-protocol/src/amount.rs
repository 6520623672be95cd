//! A sum of money as an integer count of an asset's atomic units; a decimal string on every wire.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Most digits an amount may have on the wire; every such number fits a `u128`.
pub(crate) const MAX_DIGITS: usize = 38;

/// A count of atomic units (for USD: micro-dollars). Which asset it counts is said beside it.
///
/// On the wire it is a string of ASCII digits: no sign, no space, no leading zero except `"0"`, at
/// most 38 digits. A JSON number is refused, because other readers would round it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u128);

/// Why a text is not an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// There is nothing to read.
    #[error("amount is empty")]
    Empty,
    /// Something other than the digits 0 to 9.
    #[error("amount has a character that is not a digit")]
    NotDigits,
    /// A zero in front of other digits.
    #[error("amount has a leading zero")]
    LeadingZero,
    /// More than 38 digits.
    #[error("amount has more than 38 digits")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount the wire can carry: 38 nines.
    pub const LARGEST: Self = Self(10_u128.pow(38) - 1);

    /// An amount of this many atomic units. Above [`Amount::LARGEST`] it prints, but no reader takes it.
    #[must_use]
    pub const fn new(units: u128) -> Self {
        Self(units)
    }

    /// The count of atomic units.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The sum, or `None` on overflow.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The difference, or `None` if `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// This amount `times` over, or `None` on overflow.
    #[must_use]
    pub const fn checked_mul(self, times: u128) -> Option<Self> {
        match self.0.checked_mul(times) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Whether nothing is owed.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        if text.is_empty() {
            return Err(ParseAmountError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseAmountError::NotDigits);
        }
        if text.len() > 1 && text.starts_with('0') {
            return Err(ParseAmountError::LeadingZero);
        }
        if text.len() > MAX_DIGITS {
            return Err(ParseAmountError::TooLarge);
        }
        text.parse().map(Self).map_err(|_| ParseAmountError::TooLarge)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DecimalString;

        impl Visitor<'_> for DecimalString {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount as a string of digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(DecimalString)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_the_same_digits() {
        for text in ["0", "1", "10000", "99999999999999999999999999999999999999"] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        assert_eq!(Amount::LARGEST.to_string().len(), MAX_DIGITS);
    }

    #[test]
    fn refuses_every_other_spelling() {
        use ParseAmountError::{Empty, LeadingZero, NotDigits, TooLarge};
        for (text, error) in [
            ("", Empty),
            ("-1", NotDigits),
            ("+1", NotDigits),
            (" 1", NotDigits),
            ("1.0", NotDigits),
            ("1e3", NotDigits),
            ("0x10", NotDigits),
            ("\u{0661}", NotDigits),
            ("00", LeadingZero),
            ("01", LeadingZero),
            ("100000000000000000000000000000000000000", TooLarge),
        ] {
            assert_eq!(text.parse::<Amount>(), Err(error), "{text}");
        }
    }

    #[test]
    fn threat_86_arithmetic_refuses_to_wrap() {
        let most = Amount::new(u128::MAX);
        assert_eq!(most.checked_add(Amount::new(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::new(1)), None);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(Amount::new(3).checked_mul(4), Some(Amount::new(12)));
    }

    #[test]
    fn json_form_is_a_string_and_nothing_else() {
        assert_eq!(serde_json::to_string(&Amount::new(10_000)).unwrap(), "\"10000\"");
        assert!(serde_json::from_str::<Amount>("10000").is_err());
        assert!(serde_json::from_str::<Amount>("\"1.5\"").is_err());
        assert!(serde_json::from_str::<Amount>("null").is_err());
    }
}

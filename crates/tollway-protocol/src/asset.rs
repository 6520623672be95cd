//! What an amount counts: an ISO 4217 code, an asset symbol or a contract address.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MAX_LENGTH: usize = 64;

/// The name of an asset: 1 to 64 visible ASCII characters, none of them a comma, quote, space or colon.
///
/// Compared byte for byte: two spellings of one contract address are two assets, because a
/// requirement must come back exactly as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Asset(Cow<'static, str>);

/// Why a text is not an [`Asset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAssetError {
    /// No characters, or more than 64.
    #[error("asset is not 1 to 64 characters long")]
    Length,
    /// A comma, quote, space, colon, control character or anything outside ASCII.
    #[error("asset has a character that is not allowed in a name")]
    Character,
}

impl Asset {
    /// The US dollar, counted in micro-dollars.
    #[must_use]
    pub const fn usd() -> Self {
        Self(Cow::Borrowed("USD"))
    }

    /// The USDC stablecoin, counted in its own atomic unit (a millionth).
    #[must_use]
    pub const fn usdc() -> Self {
        Self(Cow::Borrowed("USDC"))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Asset {
    type Err = ParseAssetError;

    fn from_str(text: &str) -> Result<Self, ParseAssetError> {
        check(text)?;
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

impl TryFrom<String> for Asset {
    type Error = ParseAssetError;

    fn try_from(text: String) -> Result<Self, ParseAssetError> {
        check(&text)?;
        Ok(Self(Cow::Owned(text)))
    }
}

impl From<Asset> for String {
    fn from(asset: Asset) -> Self {
        asset.0.into_owned()
    }
}

fn check(text: &str) -> Result<(), ParseAssetError> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(ParseAssetError::Length);
    }
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\'' | b':');
    if text.bytes().all(allowed) { Ok(()) } else { Err(ParseAssetError::Character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_codes_symbols_and_addresses() {
        for text in ["USD", "USDC", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"] {
            assert_eq!(text.parse::<Asset>().unwrap().as_str(), text);
        }
        assert_eq!(Asset::usd(), "USD".parse().unwrap());
        assert_ne!("usd".parse::<Asset>().unwrap(), Asset::usd());
    }

    #[test]
    fn refuses_what_could_break_a_header_or_a_report() {
        assert_eq!("".parse::<Asset>(), Err(ParseAssetError::Length));
        assert_eq!("A".repeat(65).parse::<Asset>(), Err(ParseAssetError::Length));
        for text in ["U SD", "US,D", "\"USD\"", "U'SD", "a:b", "US\nD", "USD\u{e9}", "\u{0}"] {
            assert_eq!(text.parse::<Asset>(), Err(ParseAssetError::Character), "{text:?}");
        }
    }
}

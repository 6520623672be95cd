//! The wires on which one deferred sale can be spoken.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which wire a buyer used to promise to pay later; the sale behind it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dress {
    /// x402 v2 with scheme `batch-settlement`, backed by credit.
    #[serde(rename = "x402")]
    X402,
    /// The announced `deferred` handshake: structured-field headers and an offer id.
    #[serde(rename = "deferred")]
    Handshake,
    /// Pay per crawl: prices in `crawler-*` headers.
    #[serde(rename = "crawl")]
    Crawl,
    /// x402 v2 as published for `cloudflare:402`: whole cents, no offer id.
    #[serde(rename = "cloudflare")]
    Cloudflare,
    /// x402 v2 over the Model Context Protocol: the promise is a signed document of its own.
    #[serde(rename = "mcp")]
    Mcp,
}

/// The text names none of the dresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of x402, deferred, crawl, cloudflare, mcp")]
pub struct ParseDressError;

impl Dress {
    /// Every dress.
    pub const ALL: &'static [Self] = &[Self::X402, Self::Handshake, Self::Crawl, Self::Cloudflare, Self::Mcp];
    /// Those that are worn over HTTP, in header fields.
    pub const HTTP: &'static [Self] = &[Self::X402, Self::Handshake, Self::Crawl, Self::Cloudflare];

    /// The stable name, as configuration and journals spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X402 => "x402",
            Self::Handshake => "deferred",
            Self::Crawl => "crawl",
            Self::Cloudflare => "cloudflare",
            Self::Mcp => "mcp",
        }
    }
}

impl fmt::Display for Dress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dress {
    type Err = ParseDressError;

    fn from_str(text: &str) -> Result<Self, ParseDressError> {
        let named = |dress: &&Self| dress.as_str() == text;
        Self::ALL.iter().find(named).copied().ok_or(ParseDressError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_json_agree() {
        for &dress in Dress::ALL {
            assert_eq!(dress.as_str().parse(), Ok(dress));
            assert_eq!(serde_json::to_value(dress).unwrap(), dress.as_str());
        }
        assert_eq!("X402".parse::<Dress>(), Err(ParseDressError));
    }
}

//! Where a payment settles: `namespace:reference`, in the manner of CAIP-2.
//!
//! Published networks such as `cloudflare:402` are longer than CAIP-2 allows, so its strict grammar
//! is applied only where a chain id stands: namespaces `eip155` and `solana`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MAX_NAMESPACE: usize = 32;
const MAX_REFERENCE: usize = 64;

/// A network id: 1 to 32 visible ASCII characters, one colon, 1 to 64 more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(Cow<'static, str>);

/// Why a text is not a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseNetworkError {
    /// Not exactly one colon between two parts.
    #[error("network is not namespace:reference")]
    Shape,
    /// A part is empty or too long.
    #[error("network has a part of the wrong length")]
    Length,
    /// A space, a control character or anything outside ASCII.
    #[error("network has a character that is not allowed")]
    Character,
    /// The namespace names chains by CAIP-2 and the reference is not one of its kind.
    #[error("network is not a CAIP-2 chain id of its namespace")]
    ChainId,
}

impl Network {
    /// The operator's own books: `tollway:402`.
    #[must_use]
    pub const fn tollway() -> Self {
        Self(Cow::Borrowed("tollway:402"))
    }

    /// The published credit-backed network: `cloudflare:402`.
    #[must_use]
    pub const fn cloudflare() -> Self {
        Self(Cow::Borrowed("cloudflare:402"))
    }

    /// The id as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the colon.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// What stands after the colon.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, reference)| reference)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        check(text)?;
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

impl TryFrom<String> for Network {
    type Error = ParseNetworkError;

    fn try_from(text: String) -> Result<Self, ParseNetworkError> {
        check(&text)?;
        Ok(Self(Cow::Owned(text)))
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.into_owned()
    }
}

fn check(text: &str) -> Result<(), ParseNetworkError> {
    let (namespace, reference) = text.split_once(':').ok_or(ParseNetworkError::Shape)?;
    if reference.contains(':') {
        return Err(ParseNetworkError::Shape);
    }
    let fits = |part: &str, most| !part.is_empty() && part.len() <= most;
    if !fits(namespace, MAX_NAMESPACE) || !fits(reference, MAX_REFERENCE) {
        return Err(ParseNetworkError::Length);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ParseNetworkError::Character);
    }
    let known_chain = match namespace {
        "eip155" => is_chain_number(reference),
        "solana" => is_caip2_reference(reference),
        _ => true,
    };
    if known_chain { Ok(()) } else { Err(ParseNetworkError::ChainId) }
}

fn is_chain_number(reference: &str) -> bool {
    reference.len() <= 32 && !reference.starts_with('0') && reference.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_caip2_reference(reference: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    reference.len() <= 32 && reference.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_colon() {
        let network: Network = "eip155:84532".parse().unwrap();
        assert_eq!((network.namespace(), network.reference()), ("eip155", "84532"));
        for built_in in [Network::tollway(), Network::cloudflare()] {
            assert_eq!(built_in.as_str().parse(), Ok(built_in.clone()));
        }
    }

    #[test]
    fn refuses_with_the_cause() {
        use ParseNetworkError::{ChainId, Character, Length, Shape};
        let long_namespace = format!("{}:1", "n".repeat(33));
        let long_reference = format!("n:{}", "r".repeat(65));
        for (text, error) in [
            ("", Shape),
            ("base-sepolia", Shape),
            ("a:b:c", Shape),
            (":1", Length),
            ("eip155:", Length),
            (long_namespace.as_str(), Length),
            (long_reference.as_str(), Length),
            ("a b:c", Character),
            ("a:\u{7f}", Character),
            ("a:\u{e9}", Character),
            ("eip155:0", ChainId),
            ("eip155:01", ChainId),
            ("eip155:0x1", ChainId),
            ("eip155:base", ChainId),
            ("eip155:111111111111111111111111111111111", ChainId),
            ("solana:a.b", ChainId),
            ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp1", ChainId),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    #[test]
    fn keeps_long_names_outside_the_chain_namespaces() {
        let text = format!("{}:{}", "N".repeat(32), "~".repeat(64));
        assert_eq!(text.parse::<Network>().unwrap().as_str(), text);
        assert!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp".parse::<Network>().is_ok());
    }
}

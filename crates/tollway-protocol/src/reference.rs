//! A short name that one side made up and the other repeats: an offer id, a commitment id, a head.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::network::Network;

const MAX_LENGTH: usize = 128;

/// 1 to 128 visible ASCII characters, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// The text is not 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 128 visible ASCII characters")]
pub struct ParseReferenceError;

impl Reference {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Reference {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, ParseReferenceError> {
        let fits = (1..=MAX_LENGTH).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(Self(text)) } else { Err(ParseReferenceError) }
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.0
    }
}

impl From<&Network> for Reference {
    /// A network id is shorter and of the same characters.
    fn from(network: &Network) -> Self {
        Self(network.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_short_visible_names_only() {
        assert!("a".repeat(128).parse::<Reference>().is_ok());
        for text in ["", "a b", "a\n", "\u{e9}", "a\u{7f}"] {
            assert_eq!(text.parse::<Reference>(), Err(ParseReferenceError), "{text:?}");
        }
        assert_eq!("a".repeat(129).parse::<Reference>(), Err(ParseReferenceError));
    }

    #[test]
    fn every_network_is_a_reference() {
        let longest: Network = format!("{}:{}", "n".repeat(32), "r".repeat(64)).parse().unwrap();
        for network in [Network::tollway(), longest] {
            assert_eq!(Reference::from(&network).as_str().parse(), Ok(Reference::from(&network)));
        }
    }
}

//! Documents that lines refer to: keys, offers, terms, rules. Immutable, journalled by their SHA-256.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::Hash;

/// Longest body of a document, in bytes.
pub const DOCUMENT_MAX_BYTES: usize = 1 << 20;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// A buyer's public key (JWK), by its thumbprint.
    Key,
    /// A signed offer (JWS), by its offer id.
    Offer,
    /// A text of terms, by its SHA-256.
    Terms,
    /// A version of the pricing rules.
    Rules,
    /// The seller's own public key (JWK), by its thumbprint.
    SellerKey,
    /// What an agent says of itself, by its URL and the day.
    Card,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Its name among its kind.
    pub id: String,
    /// SHA-256 of its body.
    pub hash: Hash,
    /// Unix second at which the books first saw it.
    pub at: u64,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// The text names no kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of key, offer, terms, rules, seller-key, card")]
pub struct ParseDocumentKindError;

impl DocumentKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Key, Self::Offer, Self::Terms, Self::Rules, Self::SellerKey, Self::Card];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Offer => "offer",
            Self::Terms => "terms",
            Self::Rules => "rules",
            Self::SellerKey => "seller-key",
            Self::Card => "card",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DocumentKind {
    type Err = ParseDocumentKindError;

    fn from_str(text: &str) -> Result<Self, ParseDocumentKindError> {
        let named = |kind: &&Self| kind.as_str() == text;
        Self::ALL.iter().find(named).copied().ok_or(ParseDocumentKindError)
    }
}

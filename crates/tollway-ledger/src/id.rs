//! Names of things in the books: commitments, agents, requests, places in the journal, hashes.
//!
//! Every 32-byte value is written as base64url without padding, 43 characters.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use tollway_protocol::{Asset, Network};

/// Longest agent URL the books take, in bytes.
pub const AGENT_MAX_BYTES: usize = 256;

/// One buyer's promise: when it was signed, and a digest of who signed what.
///
/// The same signed request always has the same id, so one promise is one row. Ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitmentId([u8; 32]);

/// The canonical URL of a signature agent; the account hangs on it and survives key rotation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(String);

/// Which request a commitment was made for: method, target and body digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// One signed authorization of an exact payment, however the message around it is spelled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId([u8; 32]);

/// A pass: named by the commitment or the payment that opened it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassId([u8; 32]);

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// A place in the journal, counted from 1; 0 stands before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Sequence(u64);

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Not 43 characters of base64url without padding.
    #[error("not 43 characters of base64url")]
    Base64,
    /// An agent id is 1 to 256 visible ASCII characters.
    #[error("not 1 to 256 visible ASCII characters")]
    Agent,
}

impl CommitmentId {
    /// The id of the promise that `thumbprint`'s key made by signing `base`.
    ///
    /// `created` (Unix seconds, as signed) goes in front as a 32-bit big-endian number; a time
    /// past the year 2106 is written as the largest one. The rest is the first 28 bytes of
    /// SHA-256 over the thumbprint, a line feed and the signature base.
    #[must_use]
    pub fn derive(created: u64, thumbprint: &[u8; 32], base: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(thumbprint).chain_update(b"\n").chain_update(base).finalize();
        let mut id = [0; 32];
        let created = u32::try_from(created).unwrap_or(u32::MAX);
        id[..4].copy_from_slice(&created.to_be_bytes());
        id[4..].copy_from_slice(&digest[..28]);
        Self(id)
    }

    /// When the buyer signed, in Unix seconds.
    #[must_use]
    pub fn created(&self) -> u64 {
        let [a, b, c, d, ..] = self.0;
        u64::from(u32::from_be_bytes([a, b, c, d]))
    }
}

impl AgentId {
    /// An agent id; the caller has already made the URL canonical.
    ///
    /// # Errors
    ///
    /// [`ParseIdError::Agent`] when empty, over 256 bytes, or with a space, control or non-ASCII character.
    pub fn new(url: impl Into<String>) -> Result<Self, ParseIdError> {
        let url = url.into();
        let fits = (1..=AGENT_MAX_BYTES).contains(&url.len());
        if fits && url.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(Self(url)) } else { Err(ParseIdError::Agent) }
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fingerprint {
    /// SHA-256 over the method, a line feed, the target URI, a line feed and the `content-digest`
    /// field value (empty when there is no body).
    #[must_use]
    pub fn of(method: &str, target: &str, digest: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(method)
            .chain_update(b"\n")
            .chain_update(target)
            .chain_update(b"\n")
            .chain_update(digest)
            .finalize();
        Self(digest.into())
    }
}

impl PaymentId {
    /// SHA-256 over network, asset, payer and nonce (32 bytes, big-endian), each after its length.
    ///
    /// Asset and payer are taken without regard to letter case where the network is `eip155`, whose
    /// addresses carry a checksum in their case.
    #[must_use]
    pub fn derive(network: &Network, asset: &Asset, payer: &str, nonce: &[u8; 32]) -> Self {
        let (asset, payer) = (folded(network, asset.as_str()), folded(network, payer));
        let parts: [&[u8]; 4] = [network.as_str().as_bytes(), asset.as_bytes(), payer.as_bytes(), nonce];
        let digest = parts.iter().fold(Sha256::new(), |hash, part| {
            hash.chain_update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()).chain_update(part)
        });
        Self(digest.finalize().into())
    }
}

impl Hash {
    /// What stands before the first entry of a journal.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 of `self` followed by `bytes`: one link of the journal's chain.
    #[must_use]
    pub fn chain(&self, bytes: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(self.0).chain_update(bytes);
        Self(digest.finalize().into())
    }
}

impl Sequence {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The place with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AgentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::new(text)
    }
}

impl Serialize for AgentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AgentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

macro_rules! thirty_two_bytes {
    ($($name:ident),*) => {$(
        impl $name {
            /// The value with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                decode(text).map(Self).ok_or(ParseIdError::Base64)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&encode(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

thirty_two_bytes!(CommitmentId, Fingerprint, Hash, PassId, PaymentId);

impl From<CommitmentId> for PassId {
    fn from(id: CommitmentId) -> Self {
        Self(id.0)
    }
}

impl From<PaymentId> for PassId {
    fn from(id: PaymentId) -> Self {
        Self(id.0)
    }
}

/// An address in the one spelling that a network's addresses are compared in.
pub(crate) fn folded<'a>(network: &Network, address: &'a str) -> Cow<'a, str> {
    match network.namespace() {
        "eip155" => Cow::Owned(address.to_ascii_lowercase()),
        _ => Cow::Borrowed(address),
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Four characters carry three bytes: anything longer than that cannot be N bytes.
    if text.len() > N.div_ceil(3) * 4 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Serde for a byte array as base64url text.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Serializer, decode, encode};

    pub(crate) fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(bytes))
    }

    pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).ok_or_else(|| serde::de::Error::custom("not base64url of the right length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commitment_id_carries_its_time_and_depends_on_key_and_base() {
        let id = CommitmentId::derive(1_763_800_000, &[7; 32], b"base");
        assert_eq!(id.created(), 1_763_800_000);
        assert_eq!(id.to_string().len(), 43);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, CommitmentId::derive(1_763_800_000, &[8; 32], b"base"));
        assert_ne!(id, CommitmentId::derive(1_763_800_000, &[7; 32], b"bass"));
        assert_eq!(CommitmentId::derive(u64::MAX, &[7; 32], b"").created(), u64::from(u32::MAX));
    }

    #[test]
    fn fingerprint_separates_its_parts() {
        let one = Fingerprint::of("GET", "https://a.example/", "");
        assert_ne!(one, Fingerprint::of("GET", "https://a.example/", "x"));
        assert_ne!(one, Fingerprint::of("POST", "https://a.example/", ""));
    }

    #[test]
    fn threat_78_one_value_has_one_spelling() {
        let hash = Hash::of(b"x");
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        for wrong in [
            format!("{text}="),
            format!(" {text}"),
            text[..42].to_owned(),
            text.replace(['-', '_'], "+") + "A",
            String::new(),
            "A".repeat(10_000),
        ] {
            assert_eq!(wrong.parse::<Hash>(), Err(ParseIdError::Base64), "{wrong}");
        }
        // The last character holds four bits; spellings with stray low bits are refused.
        let stray = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB";
        assert_eq!(stray.parse::<Hash>(), Err(ParseIdError::Base64));
    }

    #[test]
    fn agent_ids_are_short_visible_ascii() {
        assert!(AgentId::new("https://crawler.example").is_ok());
        for wrong in ["", "https://a b", "https://é.example", "a\n"] {
            assert_eq!(AgentId::new(wrong), Err(ParseIdError::Agent));
        }
        assert_eq!(AgentId::new("a".repeat(257)), Err(ParseIdError::Agent));
    }
}

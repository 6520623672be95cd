//! JSON Web Keys for Ed25519 (RFC 7517, RFC 8037): the public document and its strict reading.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};
use tollway_protocol::{Reason, Refusal};

/// Longest single JWK that is read, in bytes.
pub const MAX_JWK: usize = 4 * 1024;

/// A public key as JSON. Members not named here are ignored, a member given twice is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Key type; `OKP` for Ed25519.
    pub kty: String,
    /// Curve; `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The key id its owner gives: by the Web Bot Auth draft the thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The public key's 32 bytes, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// What the key is for; `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Not before, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Not after, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
}

impl Jwk {
    /// Reads one JWK.
    ///
    /// # Errors
    /// `directory_too_large` above [`MAX_JWK`] bytes, `directory_malformed` if it is not a JWK.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        if json.len() > MAX_JWK {
            return Err(Refusal::new(Reason::DirectoryTooLarge, "a JWK above 4 KiB"));
        }
        serde_json::from_slice(json).map_err(|error| Refusal::new(Reason::DirectoryMalformed, error.to_string()))
    }

    /// Whether it is an Ed25519 key that may be used for signatures.
    #[must_use]
    pub fn is_ed25519(&self) -> bool {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519") && signs
    }

    /// The 32 bytes of an Ed25519 key, not yet checked to be a usable point.
    ///
    /// # Errors
    /// `alg_unsupported` for another kind of key, `directory_malformed` if `x` is not 32 bytes of base64url.
    pub fn ed25519_bytes(&self) -> Result<[u8; 32], Refusal> {
        if !self.is_ed25519() {
            return Err(Refusal::new(Reason::AlgUnsupported, "only Ed25519 signature keys are supported"));
        }
        let x = self.x.as_deref().unwrap_or_default();
        decode_32(x).ok_or_else(|| Refusal::new(Reason::DirectoryMalformed, "x is not 32 bytes in base64url"))
    }
}

pub(crate) fn decode_32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    (BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) == Ok(32)).then_some(bytes)
}

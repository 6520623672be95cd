//! JWK thumbprints (RFC 7638; for Ed25519 keys RFC 8037, appendix A.3): the name a key cannot choose.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tollway_protocol::{Reason, Refusal};

/// The SHA-256 thumbprint of a public key. Shown as base64url without padding: 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Thumbprint([u8; 32]);

/// Keys whose private half is printed in a standard: RFC 9421 B.1.4, RFC 9421 B.1.2 (RSA-PSS) and RFC 8037 A.3.
static PUBLISHED: LazyLock<[Thumbprint; 3]> = LazyLock::new(|| {
    [
        "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",
        "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    ]
    .map(|text| text.parse().expect("each of the three is 32 bytes in base64url"))
});

impl Thumbprint {
    /// The thumbprint of the Ed25519 public key with these bytes.
    #[must_use]
    pub fn of_ed25519(public: &[u8; 32]) -> Self {
        let x = BASE64_URL_SAFE_NO_PAD.encode(public);
        let digest = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self(digest.into())
    }

    /// The thumbprint with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether anyone can sign with this key, because a standard prints its private half.
    #[must_use]
    pub fn is_published_test_key(&self) -> bool {
        PUBLISHED.contains(self)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 43];
        let length =
            BASE64_URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).expect("32 bytes fill exactly 43 characters");
        f.write_str(std::str::from_utf8(&text[..length]).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl FromStr for Thumbprint {
    type Err = Refusal;

    /// Reads exactly 43 characters of base64url without padding; anything else is `param_type`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut bytes = [0; 32];
        match BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(Refusal::new(Reason::ParamType, "not a SHA-256 JWK thumbprint in base64url")),
        }
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8037_a3_thumbprint() {
        let x = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let thumbprint = Thumbprint::of_ed25519(&x.try_into().unwrap());
        assert_eq!(thumbprint.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert!(thumbprint.is_published_test_key());
    }

    #[test]
    fn only_the_one_spelling_parses() {
        let good = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert!(good.parse::<Thumbprint>().is_ok());
        let loose_bits = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4l";
        for bad in ["", "k", "ba3e64==", &good[..42], &format!("{good}="), &format!("{good}A"), loose_bits] {
            assert!(bad.parse::<Thumbprint>().is_err(), "{bad}");
        }
    }
}

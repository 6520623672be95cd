//! Ed25519 keys (RFC 8032): private keys that sign, public keys that verify strictly. Strict means: `S` below the group
//! order, canonical encodings, and neither the key nor `R` of small order, so that all who check agree.

use std::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use ring::signature::{self, UnparsedPublicKey};
use serde::Deserialize;
use tollway_protocol::{Reason, Refusal};
use zeroize::{Zeroize as _, Zeroizing};

use crate::algorithm::{Signer, Verifier};
use crate::jwk::{self, Jwk, MAX_JWK};
use crate::thumbprint::Thumbprint;

/// The registered name of the algorithm (RFC 9421, section 6.2.2).
pub const ED25519: &str = "ed25519";

/// A private key. It is wiped from memory when dropped and never shown by `Debug`.
pub struct PrivateKey {
    signing: SigningKey,
    thumbprint: Thumbprint,
}

/// A public key whose point was decompressed once and is known to be of full order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    verifying: VerifyingKey,
    thumbprint: Thumbprint,
}

impl PrivateKey {
    /// The key with this seed: 32 secret random bytes.
    #[must_use]
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(&seed);
        seed.zeroize();
        let thumbprint = Thumbprint::of_ed25519(signing.verifying_key().as_bytes());
        Self { signing, thumbprint }
    }

    /// Reads a private JWK (RFC 8037): `kty`, `crv`, `d` and `x`, which has to fit `d`.
    ///
    /// # Errors
    /// `directory_too_large` above [`MAX_JWK`] bytes, `directory_malformed` if it is not a private JWK,
    /// `alg_unsupported` for another kind of key, `thumbprint_mismatch` if `x` is not the public half of `d`.
    pub fn from_jwk(json: &str) -> Result<Self, Refusal> {
        if json.len() > MAX_JWK {
            return Err(Refusal::new(Reason::DirectoryTooLarge, "a JWK above 4 KiB"));
        }
        // The text of the parser's error may quote the secret, so it is not passed on.
        let parsed: PrivateJwk<'_> =
            serde_json::from_str(json).map_err(|_| Refusal::new(Reason::DirectoryMalformed, "not a private JWK"))?;
        if parsed.kty != "OKP" || parsed.crv != "Ed25519" {
            return Err(Refusal::new(Reason::AlgUnsupported, "only Ed25519 keys are supported"));
        }
        let seed = jwk::decode_32(parsed.d)
            .ok_or_else(|| Refusal::new(Reason::DirectoryMalformed, "d is not 32 bytes in base64url"))?;
        let key = Self::from_seed(seed);
        if jwk::decode_32(parsed.x).as_ref() != Some(key.signing.verifying_key().as_bytes()) {
            return Err(Refusal::new(Reason::ThumbprintMismatch, "x is not the public half of d"));
        }
        Ok(key)
    }

    /// The private JWK, secret included: to be written to a file only its owner can read.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        let d = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(self.signing.as_bytes()));
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.signing.verifying_key().as_bytes());
        let (kid, d) = (self.thumbprint, d.as_str());
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}","d":"{d}","use":"sig"}}"#)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { verifying: self.signing.verifying_key(), thumbprint: self.thumbprint }
    }
}

/// Borrowed, so that reading makes no further copy of the secret.
#[derive(Deserialize)]
struct PrivateJwk<'a> {
    kty: &'a str,
    crv: &'a str,
    d: &'a str,
    x: &'a str,
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> &'static str {
        ED25519
    }

    fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    fn sign(&self, base: &[u8]) -> [u8; 64] {
        self.signing.sign(base).to_bytes()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, redacted)", self.thumbprint)
    }
}

impl PublicKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// `weak_key` if they are no point of the curve, one of small order, or not its canonical encoding.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Refusal> {
        let weak = |detail| Refusal::new(Reason::WeakKey, detail);
        let verifying = VerifyingKey::from_bytes(bytes).map_err(|_| weak("not a point of the curve"))?;
        if verifying.is_weak() {
            return Err(weak("a point of small order"));
        }
        if verifying.to_edwards().compress().as_bytes() != bytes {
            return Err(weak("not the canonical encoding of its point"));
        }
        Ok(Self { verifying, thumbprint: Thumbprint::of_ed25519(bytes) })
    }

    /// Reads a public JWK.
    ///
    /// # Errors
    /// Those of [`Jwk::parse`], [`Jwk::ed25519_bytes`] and [`PublicKey::from_bytes`].
    pub fn from_jwk(json: &str) -> Result<Self, Refusal> {
        Self::from_bytes(&Jwk::parse(json.as_bytes())?.ed25519_bytes()?)
    }

    /// The key as a JWK whose `kid` is the thumbprint.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".into(),
            crv: Some("Ed25519".into()),
            kid: Some(self.thumbprint.to_string()),
            x: Some(BASE64_URL_SAFE_NO_PAD.encode(self.verifying.as_bytes())),
            usage: Some("sig".into()),
            nbf: None,
            exp: None,
        }
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.verifying.as_bytes()
    }

    /// The thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }
}

impl Verifier for PublicKey {
    fn algorithm(&self) -> &'static str {
        ED25519
    }

    fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    fn verify(&self, base: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let invalid = || Refusal::new(Reason::SignatureInvalid, "the signature does not fit message and key");
        if has_small_order(signature) {
            return Err(invalid());
        }
        // The quicker of the two implementations. It refuses an `S` that is not below the group order, and compares
        // the bytes of `R` with the canonical encoding of what `R` has to be: the equation without the cofactor.
        let key = UnparsedPublicKey::new(&signature::ED25519, self.verifying.as_bytes());
        key.verify(base, signature).map_err(|_| invalid())
    }
}

/// Whether the first half of a signature, `R`, is one of the eight points of small order, canonically encoded. Other
/// encodings of them fit no equation.
fn has_small_order(signature: &[u8]) -> bool {
    let Some((r, _)) = signature.split_first_chunk::<32>() else { return true };
    let mut positive = *r;
    positive[31] &= 0x7f;
    SMALL_ORDER.contains(&positive)
}

/// The `y` of the points of small order; both signs of their `x` are refused (RFC 8032, section 5.1; orders 1, 2, 4, 8, 8).
const SMALL_ORDER: [[u8; 32]; 5] = [
    one(1),
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    one(0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn one(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = first;
    bytes
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signature;

    use super::*;

    /// What the other implementation says, strictly.
    fn elsewhere(key: &PublicKey, base: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| key.verifying.verify_strict(base, &signature).is_ok())
    }

    #[test]
    fn threat_64_both_implementations_agree_on_every_flipped_bit() {
        for seed in [4] {
            let key = PrivateKey::from_seed([seed; 32]);
            let (public, base) = (key.public(), [seed; 77]);
            let signature = key.sign(&base);
            assert!(public.verify(&base, &signature).is_ok() && elsewhere(&public, &base, &signature));
            for bit in 0..512 {
                let mut other = signature;
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(public.verify(&base, &other).is_err() && !elsewhere(&public, &base, &other), "bit {bit}");
            }
            for length in 0..64 {
                assert!(public.verify(&base, &signature[..length]).is_err());
            }
        }
    }

    #[test]
    fn threat_64_an_r_of_small_order_is_refused_whatever_its_sign() {
        let public = PrivateKey::from_seed([1; 32]).public();
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&y);
                signature[31] |= sign;
                assert!(has_small_order(&signature));
                assert!(public.verify(b"base", &signature).is_err());
                // Each is a point that keys may not be either.
                let bytes = signature[..32].try_into().unwrap();
                assert_eq!(PublicKey::from_bytes(&bytes).unwrap_err().reason, Reason::WeakKey);
            }
        }
        assert!(!has_small_order(&PrivateKey::from_seed([1; 32]).sign(b"base")));
    }
}

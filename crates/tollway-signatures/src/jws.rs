//! Compact JWS (RFC 7515, RFC 8037) for offers and statements. One form only: `EdDSA`, and a header of exactly
//! `{"alg":"EdDSA","kid":"<thumbprint>","typ":"<type>"}`, so that a document has one spelling and one hash.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Deserialize;
use tollway_protocol::{Reason, Refusal};

use crate::algorithm::{Signer as _, Verifier as _};
use crate::ed25519::{PrivateKey, PublicKey};
use crate::thumbprint::Thumbprint;

/// Longest header segment that is read, in characters.
const MAX_HEADER: usize = 512;

/// Signs `payload` as a document of type `typ`.
#[must_use]
pub fn sign(typ: &str, payload: &[u8], key: &PrivateKey) -> String {
    let mut jws = BASE64_URL_SAFE_NO_PAD.encode(header(typ, &key.thumbprint()));
    jws.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut jws);
    let signature = key.sign(jws.as_bytes());
    jws.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
    jws
}

/// The payload of `jws`, at most `cap` characters long in all, if `key` signed it as a document of type `typ`.
///
/// # Errors
/// `malformed_signature` if it is too long or not of the one form, `alg_unsupported`, `thumbprint_mismatch` if it names
/// another key, `signature_invalid`.
pub fn verify(typ: &str, jws: &str, cap: usize, key: &PublicKey) -> Result<Vec<u8>, Refusal> {
    let parts = Parts::split(jws, cap)?;
    let head = parts.head()?;
    if head.kid != *key.thumbprint() {
        return Err(Refusal::new(Reason::ThumbprintMismatch, format!("signed by {}", head.kid)));
    }
    if head.typ != typ {
        return Err(Refusal::new(Reason::MalformedSignature, format!("not a document of type {typ}")));
    }
    let signature = decode(parts.signature)?;
    key.verify(parts.signed.as_bytes(), &signature)?;
    decode(parts.payload)
}

/// The key that `jws`, at most `cap` characters long, claims to be signed with. Nothing is verified.
///
/// # Errors
/// `malformed_signature`, `alg_unsupported`.
pub fn kid(jws: &str, cap: usize) -> Result<Thumbprint, Refusal> {
    Ok(Parts::split(jws, cap)?.head()?.kid)
}

/// What `jws`, at most `cap` characters long, signs (header and payload with the dot between), and the signature.
/// Nothing is verified.
///
/// # Errors
/// `malformed_signature`.
pub fn signed(jws: &str, cap: usize) -> Result<(&str, [u8; 64]), Refusal> {
    let parts = Parts::split(jws, cap)?;
    let signature = decode(parts.signature)?.try_into().map_err(|_| malformed("the signature has not 64 bytes"))?;
    Ok((parts.signed, signature))
}

/// The payload of what was signed, as [`signed`] returns it, if it is a document of type `typ`. Nothing is verified.
///
/// # Errors
/// `malformed_signature` if it is too long or not of the one form, `alg_unsupported`.
pub fn payload_of(typ: &str, signed: &str, cap: usize) -> Result<Vec<u8>, Refusal> {
    if signed.len() > cap {
        return Err(malformed("too long"));
    }
    let (header, payload) = signed.split_once('.').ok_or_else(|| malformed("not a compact JWS"))?;
    if payload.contains('.') || header.len() > MAX_HEADER {
        return Err(malformed("not a compact JWS"));
    }
    if (Parts { header, payload, signature: "", signed }).head()?.typ != typ {
        return Err(Refusal::new(Reason::MalformedSignature, format!("not a document of type {typ}")));
    }
    decode(payload)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    kid: Thumbprint,
    typ: String,
}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header and payload with the dot between: what is signed.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(jws: &'a str, cap: usize) -> Result<Self, Refusal> {
        if jws.len() > cap {
            return Err(malformed("too long"));
        }
        let (signed, signature) = jws.rsplit_once('.').ok_or_else(|| malformed("not a compact JWS"))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| malformed("not a compact JWS"))?;
        if payload.contains('.') || header.len() > MAX_HEADER {
            return Err(malformed("not a compact JWS"));
        }
        Ok(Self { header, payload, signature, signed })
    }

    fn head(&self) -> Result<Head, Refusal> {
        let json = decode(self.header)?;
        let head: Head = serde_json::from_slice(&json).map_err(|_| malformed("not the header of our documents"))?;
        if head.alg != "EdDSA" {
            return Err(Refusal::new(Reason::AlgUnsupported, head.alg));
        }
        if json != header(&head.typ, &head.kid).as_bytes() {
            return Err(malformed("the header is spelt in another way"));
        }
        Ok(head)
    }
}

fn header(typ: &str, kid: &Thumbprint) -> String {
    let typ = serde_json::Value::from(typ);
    format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":{typ}}}"#)
}

fn decode(segment: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(segment).map_err(|_| malformed("not base64url"))
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Reason::MalformedSignature, detail)
}

//! Key directories (Web Bot Auth): the JWKS document under a well-known path, and the signatures by which each key proves
//! that its holder serves it there, so that a mirror cannot claim another's keys.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollway_protocol::{Reason, Refusal, header};

use crate::component::Component;
use crate::components::Components;
use crate::ed25519::{PrivateKey, PublicKey};
use crate::jwk::Jwk;
use crate::params::SignatureParams;
use crate::policy::Policy;
use crate::presented::Unverified;
use crate::sign::sign;
use crate::thumbprint::Thumbprint;
use crate::{digest, structured};

/// Where a directory is found under an agent's origin.
pub const DIRECTORY_PATH: &str = "/.well-known/http-message-signatures-directory";
/// The media type of the document.
pub const DIRECTORY_MEDIA_TYPE: &str = "application/http-message-signatures-directory+json";
/// The tag of a directory's own signatures.
pub const DIRECTORY_TAG: &str = "http-message-signatures-directory";
/// Longest document that is read, in bytes.
pub const MAX_DIRECTORY: usize = 64 * 1024;
/// Most keys in a document.
pub const MAX_KEYS: usize = 16;

/// The keys an agent publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    keys: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    jwk: Jwk,
    /// Computed from the key itself.
    thumbprint: Thumbprint,
    key: Result<PublicKey, Refusal>,
}

/// What is demanded of a directory.
#[derive(Clone, Debug)]
pub struct DirectoryPolicy {
    /// Whether each key must have signed the document for the host it was fetched from.
    pub require_signature: bool,
    /// What is demanded of those signatures.
    pub signature: Policy,
}

#[derive(Deserialize, Serialize)]
struct Document {
    /// Raw, so that a member given twice inside a key is noticed.
    keys: Vec<Box<RawValue>>,
}

impl Directory {
    /// Reads a document. Keys of other kinds are passed over.
    ///
    /// # Errors
    /// `directory_too_large` above [`MAX_DIRECTORY`] bytes or [`MAX_KEYS`] keys, `directory_malformed`.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        if json.len() > MAX_DIRECTORY {
            return Err(Refusal::new(Reason::DirectoryTooLarge, "above 64 KiB"));
        }
        let document: Document = serde_json::from_slice(json).map_err(malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(Refusal::new(Reason::DirectoryTooLarge, "above 16 keys"));
        }
        let mut keys = Vec::with_capacity(document.keys.len());
        for value in document.keys {
            let jwk: Jwk = serde_json::from_str(value.get()).map_err(malformed)?;
            if jwk.is_ed25519() {
                keys.push(Entry::new(jwk)?);
            }
        }
        Ok(Self { keys })
    }

    /// The key with this thumbprint, if it may be used at `now_ms` (milliseconds since the epoch).
    ///
    /// # Errors
    /// `key_not_found`, `key_expired` (or not valid yet), `weak_key`, `thumbprint_mismatch` if a key is published under
    /// an id that is not its thumbprint.
    pub fn find(&self, keyid: &Thumbprint, now_ms: u64) -> Result<PublicKey, Refusal> {
        let Some(entry) = self.keys.iter().find(|entry| entry.thumbprint == *keyid) else {
            let keyid = keyid.to_string();
            let claimed = self.keys.iter().any(|entry| entry.jwk.kid.as_ref() == Some(&keyid));
            let reason = if claimed { Reason::ThumbprintMismatch } else { Reason::KeyNotFound };
            return Err(Refusal::new(reason, keyid));
        };
        entry.usable(now_ms)
    }

    /// The thumbprints of the keys, in order.
    pub fn thumbprints(&self) -> impl Iterator<Item = &Thumbprint> {
        self.keys.iter().map(|entry| &entry.thumbprint)
    }
}

impl Entry {
    fn new(jwk: Jwk) -> Result<Self, Refusal> {
        let bytes = jwk.ed25519_bytes()?;
        Ok(Self { thumbprint: Thumbprint::of_ed25519(&bytes), key: PublicKey::from_bytes(&bytes), jwk })
    }

    fn usable(&self, now_ms: u64) -> Result<PublicKey, Refusal> {
        if self.jwk.kid.as_ref().is_some_and(|kid| *kid != self.thumbprint.to_string()) {
            return Err(Refusal::new(Reason::ThumbprintMismatch, "the kid is not the key's thumbprint"));
        }
        let key = self.key.clone()?;
        if self.jwk.nbf.is_some_and(|nbf| now_ms < nbf) {
            return Err(Refusal::new(Reason::KeyExpired, "not valid yet"));
        }
        if self.jwk.exp.is_some_and(|exp| now_ms > exp) {
            return Err(Refusal::new(Reason::KeyExpired, "no longer valid"));
        }
        Ok(key)
    }
}

impl Default for DirectoryPolicy {
    /// Signatures required, under [`Policy::directory`].
    fn default() -> Self {
        Self { require_signature: true, signature: Policy::directory() }
    }
}

/// The document with these keys.
#[must_use]
pub fn to_json(keys: &[PublicKey]) -> String {
    let keys = keys
        .iter()
        .map(|key| serde_json::value::to_raw_value(&key.jwk()).expect("a JWK is plain text and always JSON"))
        .collect();
    serde_json::to_string(&Document { keys }).expect("JSON values can always be written")
}

/// Signs a directory's response once per key, over `"@authority";req` and `content-digest`: the values of
/// `Signature-Input` and `Signature`. The response has to carry its `Content-Digest`.
///
/// # Errors
/// `digest_missing`, and those of [`sign`].
pub fn sign_directory(
    response: &dyn Components,
    keys: &[&PrivateKey],
    created: u64,
    expires: u64,
) -> Result<(String, String), Refusal> {
    if response.field(header::CONTENT_DIGEST).is_none() {
        return Err(Refusal::new(Reason::DigestMissing, "the response has no Content-Digest"));
    }
    let components = [Component::new("@authority").req(), Component::new(header::CONTENT_DIGEST)];
    let (mut inputs, mut signatures) = (Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        let params = SignatureParams::new(*key, DIRECTORY_TAG, created, expires);
        let signed = sign(response, &format!("binding{index}"), &components, &params, *key)?;
        inputs.push(signed.signature_input);
        signatures.push(signed.signature);
    }
    Ok((inputs.join(", "), signatures.join(", ")))
}

/// Reads a directory's response at `now` (seconds since the epoch). Where signatures are required, only keys that have
/// signed for this host stay in.
///
/// # Errors
/// Those of [`Directory::parse`]; `directory_signature_invalid` if signatures are required and no key stays.
pub fn verify_directory(
    response: &dyn Components,
    body: &[u8],
    policy: &DirectoryPolicy,
    now: u64,
) -> Result<Directory, Refusal> {
    let mut directory = Directory::parse(body)?;
    if !policy.require_signature {
        return Ok(directory);
    }
    let invalid = |detail: String| Refusal::new(Reason::DirectorySignatureInvalid, detail);
    let mut bound = Vec::new();
    let mut first_refusal = None;
    for outcome in Unverified::read_each(response, &policy.signature).map_err(|refusal| invalid(refusal.to_string()))? {
        match outcome.and_then(|binding| binding_holds(binding, response, body, &directory, policy, now)) {
            Ok(thumbprint) => bound.push(thumbprint),
            Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
        }
    }
    directory.keys.retain(|entry| bound.contains(&entry.thumbprint));
    if directory.keys.is_empty() {
        let why = first_refusal.map_or_else(|| "no key has signed".to_owned(), |refusal| refusal.to_string());
        return Err(invalid(why));
    }
    Ok(directory)
}

fn binding_holds(
    binding: Unverified,
    response: &dyn Components,
    body: &[u8],
    directory: &Directory,
    policy: &DirectoryPolicy,
    now: u64,
) -> Result<Thumbprint, Refusal> {
    let key = directory.find(binding.keyid(), now.saturating_mul(1000))?;
    let verified = binding.verify(&key)?;
    verified.in_window(now, policy.signature.skew)?;
    if verified.covered().iter().any(|component| component.name() == header::CONTENT_DIGEST) {
        let lines = response
            .field(header::CONTENT_DIGEST)
            .ok_or_else(|| Refusal::new(Reason::DigestMissing, "no Content-Digest"))?;
        digest::verify(&structured::join(&lines), body)?;
    }
    Ok(*verified.thumbprint())
}

fn malformed(error: serde_json::Error) -> Refusal {
    Refusal::new(Reason::DirectoryMalformed, error.to_string())
}

//! The parameters of a signature (RFC 9421, section 2.3) as a signer chooses them.

use tollway_protocol::{Reason, Refusal};

use crate::algorithm::Signer;
use crate::input::MAX_PARAM_TEXT;
use crate::structured;

/// Largest integer a structured field can carry (RFC 9651, section 3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// The parameters of one signature. They are written in the order `created`, `expires`, `nonce`, `keyid`, `alg`, `tag`;
/// those of a received signature keep the order they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureParams {
    /// When the signature was made, in seconds since the epoch.
    pub created: u64,
    /// The last second at which it holds.
    pub expires: u64,
    /// The RFC 7638 thumbprint of the signer's key, base64url.
    pub keyid: String,
    /// The algorithm's registered name, if it is to be named.
    pub alg: Option<String>,
    /// What makes this signature unlike any other of the same key.
    pub nonce: Option<String>,
    /// What the signature is for, such as `web-bot-auth`.
    pub tag: String,
}

impl SignatureParams {
    /// Parameters for a signature of `key`, its algorithm named, without a nonce.
    #[must_use]
    pub fn new(key: &dyn Signer, tag: &str, created: u64, expires: u64) -> Self {
        Self {
            created,
            expires,
            keyid: key.thumbprint().to_string(),
            alg: Some(key.algorithm().to_owned()),
            nonce: None,
            tag: tag.to_owned(),
        }
    }

    /// These parameters with a nonce, which has to be random and fresh.
    #[must_use]
    pub fn with_nonce(self, nonce: impl Into<String>) -> Self {
        Self { nonce: Some(nonce.into()), ..self }
    }

    /// Appends the parameters in canonical form, each with its `;`.
    pub(crate) fn push(&self, out: &mut String) -> Result<(), Refusal> {
        push_instant(out, "created", self.created)?;
        push_instant(out, "expires", self.expires)?;
        if let Some(nonce) = &self.nonce {
            push_text(out, "nonce", nonce)?;
        }
        push_text(out, "keyid", &self.keyid)?;
        if let Some(alg) = &self.alg {
            push_text(out, "alg", alg)?;
        }
        push_text(out, "tag", &self.tag)
    }
}

fn push_instant(out: &mut String, name: &'static str, value: u64) -> Result<(), Refusal> {
    if value > MAX_INTEGER {
        return Err(Refusal::new(Reason::ParamType, name));
    }
    out.push(';');
    out.push_str(name);
    out.push('=');
    out.push_str(&value.to_string());
    Ok(())
}

fn push_text(out: &mut String, name: &'static str, value: &str) -> Result<(), Refusal> {
    if value.len() > MAX_PARAM_TEXT || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Refusal::new(Reason::ParamType, name));
    }
    out.push(';');
    out.push_str(name);
    out.push('=');
    structured::write_string(out, value).expect("writing to a string cannot fail");
    Ok(())
}

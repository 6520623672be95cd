//! Signs a message (RFC 9421, section 3.1): the two field values to add to it, and the base as evidence.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tollway_protocol::{Reason, Refusal};

use crate::algorithm::Signer;
use crate::base;
use crate::component::Component;
use crate::components::Components;
use crate::params::SignatureParams;

/// A signature, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The `Signature-Input` value.
    pub signature_input: String,
    /// The `Signature` value.
    pub signature: String,
    /// The base that was signed.
    pub base: String,
    /// The signature's bytes.
    pub bytes: [u8; 64],
}

/// Signs `components` of `message` under `label`.
///
/// # Errors
/// Those of [`base::build`]; `malformed_signature_input` if `label` is not a structured-field key; `param_type` if a
/// parameter cannot be written; `expires_before_created`; `alg_mismatch` and `thumbprint_mismatch` if `params` name
/// another key than `key`.
pub fn sign(
    message: &dyn Components,
    label: &str,
    components: &[Component],
    params: &SignatureParams,
    key: &dyn Signer,
) -> Result<Signed, Refusal> {
    check(label, params, key)?;
    let list = inner_list(components, params)?;
    let base = base::build(message, components, &list)?;
    let bytes = key.sign(base.as_bytes());
    Ok(Signed {
        signature_input: format!("{label}={list}"),
        signature: format!("{label}=:{}:", BASE64_STANDARD.encode(bytes)),
        base,
        bytes,
    })
}

fn check(label: &str, params: &SignatureParams, key: &dyn Signer) -> Result<(), Refusal> {
    if sfv::KeyRef::from_str(label).is_err() {
        return Err(Refusal::new(Reason::MalformedSignatureInput, "the label is not a structured-field key"));
    }
    if params.expires <= params.created {
        return Err(Refusal::new(Reason::ExpiresBeforeCreated, "expires has to be later than created"));
    }
    if params.alg.as_deref().is_some_and(|alg| alg != key.algorithm()) {
        return Err(Refusal::new(Reason::AlgMismatch, format!("the key is for {}", key.algorithm())));
    }
    if params.keyid != key.thumbprint().to_string() {
        return Err(Refusal::new(Reason::ThumbprintMismatch, format!("the key is {}", key.thumbprint())));
    }
    Ok(())
}

fn inner_list(components: &[Component], params: &SignatureParams) -> Result<String, Refusal> {
    let mut list = String::with_capacity(256);
    list.push('(');
    for (index, component) in components.iter().enumerate() {
        if index > 0 {
            list.push(' ');
        }
        write!(list, "{component}").expect("writing to a string cannot fail");
    }
    list.push(')');
    params.push(&mut list)?;
    Ok(list)
}

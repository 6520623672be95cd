//! A signature as presented: read, held against a policy, its base rebuilt. Nothing is believed yet; all that is known is
//! that looking for the key is worth the while.

use std::borrow::Cow;

use tollway_protocol::{Reason, Refusal, header};

use crate::agent::AgentUrl;
use crate::algorithm::Verifier;
use crate::base;
use crate::component::Component;
use crate::components::Components;
use crate::input::{self, Given, Input};
use crate::policy::{AgentRule, NonceRule, Policy};
use crate::signature_agent;
use crate::signature_field;
use crate::structured;
use crate::thumbprint::Thumbprint;
use crate::verify::Verified;

/// A signature that keeps the policy and waits for its key.
#[derive(Debug)]
pub struct Unverified {
    pub(crate) label: String,
    pub(crate) components: Vec<Component>,
    pub(crate) base: String,
    pub(crate) signature: [u8; 64],
    pub(crate) keyid: Thumbprint,
    pub(crate) alg: Option<String>,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) nonce: Option<String>,
    pub(crate) tag: String,
    pub(crate) agent: Option<AgentUrl>,
}

impl Unverified {
    /// Reads the first signature of `message` that keeps `policy`: all that needs neither key nor clock.
    ///
    /// Labels whose tag is not in the policy are passed over. If none keeps the policy, the refusal is that of the first
    /// with an accepted tag.
    ///
    /// # Errors
    /// `missing_signature`, `malformed_signature_input`, `malformed_signature`, `label_mismatch`, `no_accepted_tag`,
    /// `too_many_signatures`, `empty_components`, `duplicate_component`, `unknown_component`,
    /// `unsupported_component_param`, `component_missing`, `component_not_covered`, `field_repeated`, `param_missing`,
    /// `param_type`, `alg_unsupported`, `expires_before_created`, `lifetime_too_long`, `nonce_missing`, `test_key` and
    /// the `agent_...` reasons that need no look-up.
    pub fn read(message: &dyn Components, policy: &Policy) -> Result<Self, Refusal> {
        let mut first_refusal = None;
        for outcome in Self::read_each(message, policy)? {
            match outcome {
                Ok(unverified) => return Ok(unverified),
                Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
            }
        }
        Err(first_refusal.unwrap_or_else(|| Refusal::new(Reason::NoAcceptedTag, "no signature has an accepted tag")))
    }

    /// Reads every signature whose tag the policy accepts, in order.
    pub(crate) fn read_each(message: &dyn Components, policy: &Policy) -> Result<Vec<Result<Self, Refusal>>, Refusal> {
        let input_value = value(message, header::SIGNATURE_INPUT)?;
        let signature_value = value(message, header::SIGNATURE)?;
        let inputs = input::parse(&input_value)?;
        let chosen: Vec<bool> = inputs.iter().map(|input| accepts(policy, input)).collect();
        if chosen.iter().filter(|chosen| **chosen).count() > policy.max_signatures {
            return Err(Refusal::new(Reason::TooManySignatures, format!("more than {}", policy.max_signatures)));
        }
        if let Some(label) = repeated(&inputs, &chosen) {
            return Err(Refusal::new(
                Reason::MalformedSignatureInput,
                format!("label {label} is there more than once"),
            ));
        }
        Ok(inputs
            .into_iter()
            .zip(chosen)
            .filter(|(_, chosen)| *chosen)
            .map(|(input, _)| Self::from_input(message, policy, input, &signature_value))
            .collect())
    }

    fn from_input(
        message: &dyn Components,
        policy: &Policy,
        mut input: Input<'_>,
        signature_value: &[u8],
    ) -> Result<Self, Refusal> {
        let components = input.components()?;
        let created = input.created.required("created")?;
        let expires = input.expires.required("expires")?;
        let keyid = input.keyid.required("keyid")?;
        let alg = input.alg.optional("alg")?;
        let nonce = input.nonce.optional("nonce")?;
        let tag = input.tag.required("tag")?;

        check_algorithm(policy, alg.as_deref())?;
        check_lifetime(policy, created, expires)?;
        check_nonce(policy, nonce.as_deref())?;
        let keyid: Thumbprint = keyid.parse()?;
        if keyid.is_published_test_key() && !policy.allow_test_keys {
            return Err(Refusal::new(Reason::TestKey, "the private half of this key is public"));
        }
        let signature = signature_field::read(signature_value, input.label)?
            .try_into()
            .map_err(|_| Refusal::new(Reason::MalformedSignature, "a signature of 64 bytes is expected"))?;
        policy.check_coverage(message, &components)?;
        let agent = match policy.agent {
            AgentRule::Required(rule) => Some(signature_agent::read(message, input.label, &components, rule)?),
            AgentRule::None => None,
        };
        let base = base::build_checked(message, &components, &input.canonical)?;
        let label = input.label.to_owned();
        Ok(Self { label, components, base, signature, keyid, alg, created, expires, nonce, tag, agent })
    }

    /// The agent the signature names and covers; `None` where the policy asks for none.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentUrl> {
        self.agent.as_ref()
    }

    /// The thumbprint the signature claims; [`Unverified::verify`] recomputes it from the key.
    #[must_use]
    pub fn keyid(&self) -> &Thumbprint {
        &self.keyid
    }

    /// The label in `Signature-Input`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When it claims to have been made, in seconds since the epoch.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The last second at which it claims to hold.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// The nonce it carries.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The bytes that were signed, if the signature is genuine.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Checks the signature with the key that was found for it. The time is not judged here.
    ///
    /// # Errors
    /// `alg_mismatch`, `thumbprint_mismatch`, `signature_invalid`.
    pub fn verify(self, key: &dyn Verifier) -> Result<Verified, Refusal> {
        Verified::new(self, key)
    }
}

fn value<'a>(message: &'a dyn Components, name: &'static str) -> Result<Cow<'a, [u8]>, Refusal> {
    let lines = message.field(name).ok_or_else(|| Refusal::new(Reason::MissingSignature, format!("no {name}")))?;
    Ok(structured::join(&lines))
}

fn accepts(policy: &Policy, input: &Input<'_>) -> bool {
    matches!(&input.tag, Given::Value(tag) if policy.tags.iter().any(|accepted| accepted == tag))
}

/// A chosen label that another entry repeats, whatever that other's tag: the standard's "last one wins" would let a
/// proxy's entry replace the one that was judged.
fn repeated<'de>(inputs: &[Input<'de>], chosen: &[bool]) -> Option<&'de str> {
    let mut own = inputs.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(input, _)| input.label);
    own.find(|label| inputs.iter().filter(|input| input.label == *label).count() > 1)
}

fn check_algorithm(policy: &Policy, alg: Option<&str>) -> Result<(), Refusal> {
    match alg {
        Some(alg) if !policy.algorithms.iter().any(|accepted| accepted == alg) => {
            Err(Refusal::new(Reason::AlgUnsupported, alg.to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_lifetime(policy: &Policy, created: u64, expires: u64) -> Result<(), Refusal> {
    match expires.checked_sub(created) {
        None | Some(0) => Err(Refusal::new(Reason::ExpiresBeforeCreated, "expires has to be later than created")),
        Some(lifetime) if lifetime > policy.max_lifetime => {
            Err(Refusal::new(Reason::LifetimeTooLong, format!("{lifetime} s, at most {} s", policy.max_lifetime)))
        }
        Some(_) => Ok(()),
    }
}

fn check_nonce(policy: &Policy, nonce: Option<&str>) -> Result<(), Refusal> {
    let absent = nonce.is_none_or(str::is_empty);
    if absent && policy.nonce == NonceRule::Required {
        return Err(Refusal::new(Reason::NonceMissing, "a nonce is required"));
    }
    Ok(())
}

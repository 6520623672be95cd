//! A signature that was checked, and the whole check in one call.

use tollway_protocol::{Reason, Refusal};

use crate::agent::AgentUrl;
use crate::algorithm::Verifier;
use crate::component::Component;
use crate::components::Components;
use crate::ed25519::PublicKey;
use crate::policy::Policy;
use crate::presented::Unverified;
use crate::thumbprint::Thumbprint;

/// Finds public keys.
pub trait Keys {
    /// The key called `keyid` that `agent` publishes, or of the one signer known where a policy asks for no agent.
    ///
    /// # Errors
    /// Why there is none: `key_not_found`, `key_expired`, `agent_unknown`, `directory_...`.
    fn key(&self, agent: Option<&AgentUrl>, keyid: &Thumbprint) -> Result<PublicKey, Refusal>;
}

/// A genuine signature: the holder of the key with [`Verified::thumbprint`] signed exactly [`Verified::base`].
/// Whether it still holds is [`Verified::in_window`]; whether it was used before is for the books.
#[derive(Debug)]
pub struct Verified {
    presented: Unverified,
}

/// Reads, verifies and judges the time: the whole check for simple callers. A replayed nonce is not noticed here.
///
/// # Errors
/// Those of [`Unverified::read`], [`Keys::key`], [`Unverified::verify`] and [`Verified::in_window`].
pub fn verify(message: &dyn Components, policy: &Policy, now: u64, keys: &dyn Keys) -> Result<Verified, Refusal> {
    let presented = Unverified::read(message, policy)?;
    let key = keys.key(presented.agent(), presented.keyid())?;
    let verified = presented.verify(&key)?;
    verified.in_window(now, policy.skew)?;
    Ok(verified)
}

impl Verified {
    /// The one way to a `Verified`.
    pub(crate) fn new(presented: Unverified, key: &dyn Verifier) -> Result<Self, Refusal> {
        if presented.alg.as_deref().is_some_and(|alg| alg != key.algorithm()) {
            return Err(Refusal::new(Reason::AlgMismatch, format!("the key is for {}", key.algorithm())));
        }
        if key.thumbprint() != &presented.keyid {
            return Err(Refusal::new(Reason::ThumbprintMismatch, format!("the key is {}", key.thumbprint())));
        }
        key.verify(presented.base.as_bytes(), &presented.signature)?;
        Ok(Self { presented })
    }

    /// The agent the signature names and covers; `None` where the policy asked for none.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentUrl> {
        self.presented.agent()
    }

    /// The thumbprint of the key that signed.
    #[must_use]
    pub fn thumbprint(&self) -> &Thumbprint {
        self.presented.keyid()
    }

    /// The nonce, if one was signed.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.presented.nonce()
    }

    /// When it was made, by the signer's clock, in seconds since the epoch.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.presented.created()
    }

    /// The last second at which it holds.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.presented.expires()
    }

    /// The signature base: with [`Verified::signature`] and the key, evidence that holds without the message.
    #[must_use]
    pub fn base(&self) -> &str {
        self.presented.base()
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.presented.signature
    }

    /// The tag it was made under.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.presented.tag
    }

    /// The label it had in the message.
    #[must_use]
    pub fn label(&self) -> &str {
        self.presented.label()
    }

    /// What it covers, in order.
    #[must_use]
    pub fn covered(&self) -> &[Component] {
        &self.presented.components
    }

    /// Whether it holds at `now` (seconds since the epoch) if clocks differ by at most `skew` seconds.
    ///
    /// # Errors
    /// `created_in_future`, `expired`.
    pub fn in_window(&self, now: u64, skew: u64) -> Result<(), Refusal> {
        if self.created() > now.saturating_add(skew) {
            return Err(Refusal::new(Reason::CreatedInFuture, format!("created {}", self.created())));
        }
        if now > self.expires().saturating_add(skew) {
            return Err(Refusal::new(Reason::Expired, format!("expired {}", self.expires())));
        }
        Ok(())
    }
}

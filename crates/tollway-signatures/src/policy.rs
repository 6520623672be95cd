//! What a signature has to cover and carry before anyone looks for its key.

use tollway_protocol::{Reason, Refusal, header};

use crate::agent::AgentPolicy;
use crate::component::Component;
use crate::components::Components;
use crate::directory::DIRECTORY_TAG;
use crate::ed25519::ED25519;

/// The tag of ordinary Web Bot Auth signatures.
pub const WEB_BOT_AUTH: &str = "web-bot-auth";
/// The tag of signatures by agents that act for a person.
pub const AGENT_BROWSER_AUTH: &str = "agent-browser-auth";
/// The tag of a seller's signature over its answer.
pub const X402_RESPONSE: &str = "x402-response";

/// What is demanded of a signature. Every field may be changed; the constructors are the profiles in use.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Signatures with one of these tags are judged, all others are a stranger's and not looked at.
    pub tags: Vec<String>,
    /// Components that have to be covered, parameters included. `@target-uri` stands for `@scheme`, `@authority`, `@path`
    /// and `@query`.
    pub required: Vec<Component>,
    /// Fields that have to be covered whole (no `;key`, `;sf`, `;bs`) and sent on exactly one line.
    pub whole_fields: Vec<String>,
    /// Algorithms accepted, by registered name.
    pub algorithms: Vec<String>,
    /// Longest `expires - created`, in seconds.
    pub max_lifetime: u64,
    /// How far clocks may differ, in seconds.
    pub skew: u64,
    /// Whether a nonce has to be there.
    pub nonce: NonceRule,
    /// Whether a signature agent has to be named and covered.
    pub agent: AgentRule,
    /// Most signatures with an accepted tag in one message.
    pub max_signatures: usize,
    /// Whether keys whose private half is printed in a standard are accepted: never in production.
    pub allow_test_keys: bool,
}

/// Whether a nonce has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceRule {
    /// It has to be there: money moves.
    Required,
    /// It may be left out.
    Optional,
}

/// Whether a signature agent has to be named and covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentRule {
    /// It has to be; its URL is read under this policy.
    Required(AgentPolicy),
    /// The signer is known otherwise; `Signature-Agent` is not looked at.
    None,
}

impl Policy {
    /// Requests that pay, `strict` profile: nothing a payment depends on stays outside the signature.
    /// Nonce required, lifetime at most 300 s, skew 30 s.
    #[must_use]
    pub fn strict_payment(payment_field: &str, has_body: bool, agent: AgentPolicy) -> Self {
        let mut policy = Self::request(agent);
        policy.nonce = NonceRule::Required;
        policy.whole_fields.push(payment_field.to_owned());
        if has_body {
            policy.whole_fields.push(header::CONTENT_DIGEST.to_owned());
        }
        policy
    }

    /// Requests that pay, `published` profile: exactly what the public texts demand. The announced handshake (`payment`)
    /// covers only its own field and the agent; the others `@authority` too. Lifetime at most 11,111 s, as printed there.
    /// Such a signature holds for other requests as well: the caller has to bind it by other means.
    #[must_use]
    pub fn published(payment_field: &str, agent: AgentPolicy) -> Self {
        let mut policy = Self::request(agent);
        policy.required.clear();
        if payment_field != header::PAYMENT {
            policy.required.push(Component::new("@authority"));
        }
        policy.whole_fields.push(payment_field.to_owned());
        policy.max_lifetime = 11_111;
        policy
    }

    /// Signed requests that pay nothing, such as account look-ups: nonce optional, lifetime at most 300 s, skew 30 s.
    #[must_use]
    pub fn request(agent: AgentPolicy) -> Self {
        Self {
            tags: vec![WEB_BOT_AUTH.to_owned(), AGENT_BROWSER_AUTH.to_owned()],
            required: ["@method", "@authority", "@path", "@query"].map(Component::new).to_vec(),
            whole_fields: Vec::new(),
            algorithms: vec![ED25519.to_owned()],
            max_lifetime: 300,
            skew: 30,
            nonce: NonceRule::Optional,
            agent: AgentRule::Required(agent),
            max_signatures: 4,
            allow_test_keys: false,
        }
    }

    /// A seller's signed answer: status and payment field, bound to the request it answers. Lifetime at most 300 s.
    #[must_use]
    pub fn seller_response(payment_field: &str) -> Self {
        let of_request = ["@authority", "@path", "@method"].map(|name| Component::new(name).req());
        let mut policy = Self::request(AgentPolicy::default());
        policy.tags = vec![X402_RESPONSE.to_owned()];
        policy.required = [Component::new("@status")].into_iter().chain(of_request).collect();
        policy.whole_fields = vec![payment_field.to_owned()];
        policy.agent = AgentRule::None;
        policy
    }

    /// A key directory's own signatures: they bind each key to the host. The drafts set no longest lifetime.
    #[must_use]
    pub fn directory() -> Self {
        let mut policy = Self::request(AgentPolicy::default());
        policy.tags = vec![DIRECTORY_TAG.to_owned()];
        policy.required = vec![Component::new("@authority").req()];
        policy.agent = AgentRule::None;
        policy.max_lifetime = u64::MAX;
        policy.max_signatures = crate::directory::MAX_KEYS;
        policy
    }

    /// Refuses when something that has to be covered is not.
    pub(crate) fn check_coverage(&self, message: &dyn Components, components: &[Component]) -> Result<(), Refusal> {
        for required in &self.required {
            if !components.contains(required) && !stands_for(components, required) {
                return Err(Refusal::new(Reason::ComponentNotCovered, required.to_string()));
            }
        }
        for name in &self.whole_fields {
            let lines = message
                .field(name)
                .ok_or_else(|| Refusal::new(Reason::ComponentMissing, format!("the message has no {name}")))?;
            if lines.single().is_none() {
                return Err(Refusal::new(Reason::FieldRepeated, name.clone()));
            }
            if !components.iter().any(|component| component.is_plain(name)) {
                return Err(Refusal::new(Reason::ComponentNotCovered, format!("\"{name}\" as a whole")));
            }
        }
        Ok(())
    }
}

/// Whether `@target-uri` with the same parameters covers what `required` would.
fn stands_for(components: &[Component], required: &Component) -> bool {
    matches!(required.name(), "@scheme" | "@authority" | "@path" | "@query")
        && components
            .iter()
            .any(|component| component.name() == "@target-uri" && component.params() == required.params())
}

//! Finds out who asks, where a rule wants to know: first what is claimed, and only where a proof
//! could change the answer, whose signature it is.

use http::HeaderMap;
use http::header as names;
use http::request::Parts;
use tollway_core::rules::{Asker, Identity, RuleSet, Ruling, claimed_by};
use tollway_core::seller::Identified;
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::{AgentPolicy, AgentUrl, Component, Policy, Unverified};

use super::layer::Shared;
use super::request::Asked;
use crate::dress;
use crate::status::could_not_ask;

/// Longest `Signature-Agent` in which claims are looked for, in bytes.
const FIELD_MAX: usize = 2 * 1024;
/// Most agents that one request claims to be.
const AGENTS_MAX: usize = 4;
/// Longest life of a signature that pays nothing and proves who asks, in seconds.
const LIFETIME_MAX: u64 = 300;

/// Which rule decides, after a proof where one is wanted and there.
pub(super) async fn decide(shared: &Shared, asked: &mut Asked, parts: &Parts) -> Result<Ruling, Refusal> {
    let rules = shared.seller.rules();
    let method = parts.method.as_str();
    let mut asker = Asker::from(asked.who);
    if rules.asks_who() {
        asker.claimed = claims(&parts.headers, rules, shared.seller.agents());
        let cards: Vec<Identity> =
            asker.claimed.agents.iter().filter_map(|agent| shared.seller.card_claims(agent)).collect();
        cards.into_iter().for_each(|card| asker.claimed.join(card));
    }
    let decision = rules.decide_for(&asked.path, method, &asker)?;
    if !decision.wants_proof || !parts.headers.contains_key(header::SIGNATURE) {
        return Ok(decision.ruling);
    }
    match prove(shared, asked, parts, &mut asker).await {
        Ok(()) => Ok(rules.decide_for(&asked.path, method, &asker)?.ruling),
        Err(refusal) if could_not_ask(refusal.reason) => Err(refusal),
        Err(refusal) => {
            tracing::debug!(reason = refusal.reason.code(), "a signature proved nothing");
            Ok(decision.ruling)
        }
    }
}

/// What a request claims of its sender: agents it names, and the crawler its `User-Agent` names.
pub fn claims(headers: &HeaderMap, rules: &RuleSet, policy: AgentPolicy) -> Identity {
    let mut claimed = Identity::default();
    let field = headers.get(header::SIGNATURE_AGENT).and_then(|value| value.to_str().ok());
    for agent in field.into_iter().flat_map(|text| named_agents(text, policy)) {
        claimed.join(rules.identity(&agent));
    }
    if let Some(user_agent) = headers.get(names::USER_AGENT).and_then(|value| value.to_str().ok()) {
        claimed.join(claimed_by(user_agent));
    }
    claimed
}

/// Every URL in quotes, or the one bare host: who exactly is meant is for the signature to say.
fn named_agents(text: &str, policy: AgentPolicy) -> Vec<AgentUrl> {
    if text.len() > FIELD_MAX {
        return Vec::new();
    }
    let quoted = text.split('"').skip(1).step_by(2);
    let bare = (!text.contains('"')).then(|| text.trim());
    let policy = AgentPolicy { allow_bare_host: bare.is_some(), ..policy };
    quoted.chain(bare).filter_map(|text| AgentUrl::parse(text, policy).ok()).take(AGENTS_MAX).collect()
}

async fn prove(shared: &Shared, asked: &mut Asked, parts: &Parts, asker: &mut Asker) -> Result<(), Refusal> {
    let seller = &shared.seller;
    let view = asked.view(&parts.method, &parts.headers);
    let strict = Policy::request(seller.agents());
    let mut policy = strict;
    asker.weakly = Unverified::read(&view, &policy).is_err() && seller.rules().takes_published();
    if asker.weakly {
        policy.required = vec![Component::new("@authority")];
        let pays = dress::read(&parts.headers)?.is_some();
        policy.max_lifetime = if pays { Policy::published("", seller.agents()).max_lifetime } else { LIFETIME_MAX };
    }
    let now = seller.now();
    let identified = seller.identify(&view, &policy, now).await?;
    identified.signature.in_window(now, policy.skew)?;
    asker.proved = Some(seller.rules().identity(&identified.agent_url));
    asked.proved = Some(identified.agent);
    Ok(())
}

/// Who pays must be who has decided the price.
///
/// # Errors
/// `too_many_signatures` where another agent's signature was proved before.
pub(super) fn refuse_two_agents(asked: &Asked, identified: &Identified) -> Result<(), Refusal> {
    match &asked.proved {
        Some(agent) if *agent != identified.agent => {
            Err(Refusal::new(Reason::TooManySignatures, "the request is signed by two agents"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_found_in_every_form_of_the_field() {
        let found = |text: &str| -> Vec<String> {
            named_agents(text, AgentPolicy::default()).iter().map(|agent| agent.as_str().to_owned()).collect()
        };
        assert_eq!(found(r#""https://a.example""#), ["https://a.example"]);
        assert_eq!(
            found(r#"a="https://a.example", b="https://b.example/""#),
            ["https://a.example", "https://b.example"]
        );
        assert_eq!(found("a.example"), ["https://a.example"]);
        for text in ["", r#""http://a.example""#, r#""https://127.0.0.1""#, "\"", &"\"https://a.example\",".repeat(200)]
        {
            assert!(found(text).is_empty(), "{text}");
        }
        assert_eq!(found(&"\"https://a.example\",".repeat(9)).len(), AGENTS_MAX);
    }
}

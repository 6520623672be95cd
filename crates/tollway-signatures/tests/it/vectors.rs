//! T1 to T11: every published base is rebuilt to the byte, every signature verifies, and Ed25519 being deterministic,
//! signing gives the published bytes again.

use tollway_signatures::{
    AgentPolicy, AgentRule, Message, Policy, Reason, Signer as _, Unverified, Verifier as _, base, digest,
};

use crate::corpus::{CREATED, agent_rows, byte_sequence, file, row, rows, test_key};

#[test]
fn every_base_is_rebuilt_to_the_byte() {
    let rows = rows();
    assert_eq!(rows.len(), 10);
    for row in rows {
        assert_eq!(base::received(&row.request(), &row.label).unwrap(), row.base, "{}", row.name);
    }
}

#[test]
fn every_signature_is_what_the_key_makes_of_the_base() {
    for row in rows() {
        let signature = test_key().sign(row.base.as_bytes());
        assert_eq!(row.field("signature").unwrap(), format!("{}={}", row.label, byte_sequence(&signature)));
        test_key().public().verify(row.base.as_bytes(), &signature).unwrap();
    }
}

#[test]
fn every_agent_request_verifies() {
    for row in agent_rows() {
        let verified = row.outcome(&row.request()).unwrap_or_else(|reason| panic!("{}: {reason:?}", row.name));
        assert_eq!(verified.base(), row.base);
        assert_eq!(verified.label(), row.label);
        assert_eq!(verified.tag(), "web-bot-auth");
        assert_eq!(verified.created(), CREATED);
        assert_eq!(verified.thumbprint(), test_key().public().thumbprint());
    }
}

#[test]
fn agents_are_read_from_both_forms() {
    for (name, agent) in [
        ("T2", "https://signature-agent.test"),
        ("T4", "https://signature-agent.test"),
        ("T7", "https://signer.example.com"),
        ("T9", "https://mycrawler.com"),
        ("T10", "https://mycrawler.com"),
    ] {
        let row = row(name);
        let verified = row.outcome(&row.request()).unwrap();
        assert_eq!(verified.agent().map(|agent| agent.as_str()), Some(agent), "{name}");
    }
}

#[test]
fn the_published_profile_accepts_the_published_forms_and_no_less() {
    for (name, field) in [("T7", "payment"), ("T9", "payment-signature"), ("T11", "crawler-exact-price")] {
        let row = row(name);
        let mut policy = Policy::published(field, AgentPolicy::default());
        let refused = |policy: &Policy| Unverified::read(&row.request(), policy).unwrap_err().reason;
        assert_eq!(refused(&policy), Reason::TestKey, "{name}");
        policy.allow_test_keys = true;
        Unverified::read(&row.request(), &policy).unwrap();
        let mut strict = Policy::strict_payment(field, false, AgentPolicy::default());
        strict.allow_test_keys = true;
        assert_eq!(refused(&strict), Reason::NonceMissing, "{name}");
        strict.nonce = tollway_signatures::NonceRule::Optional;
        assert_eq!(refused(&strict), Reason::ComponentNotCovered, "{name}");
    }
}

#[test]
fn rfc_9421_b26_with_its_full_message() {
    let row = row("T5");
    digest::verify(row.field("content-digest").unwrap().as_bytes(), br#"{"hello": "world"}"#).unwrap();
    // It has neither expiry nor tag nor a thumbprint: no policy takes it, and each lack is named.
    let mut policy = row.policy();
    let refused = |policy: &Policy, input: &str| {
        let message = row.request().without("signature-input").with("signature-input", input);
        Unverified::read(&message, policy).unwrap_err().reason
    };
    policy.agent = AgentRule::None;
    assert_eq!(refused(&policy, &row.input()), Reason::NoAcceptedTag);
    let tagged = format!("{};tag=\"web-bot-auth\"", row.input());
    assert_eq!(refused(&policy, &tagged), Reason::ParamMissing);
    assert_eq!(refused(&policy, &format!("{tagged};expires=1618884500")), Reason::ParamType);
}

#[test]
fn official_web_bot_auth_files() {
    let mut seen = (0, 0);
    for name in ["web-bot-auth-architecture-v1.json", "web-bot-auth-architecture-v2.json"] {
        for case in file(name).as_array().unwrap() {
            let message = official(case);
            let mut policy = Policy::request(AgentPolicy::default());
            policy.required.truncate(0);
            policy.max_lifetime = u64::MAX;
            policy.allow_test_keys = true;
            if case.get("signature_agent").is_none() {
                policy.agent = AgentRule::None;
            }
            let outcome = Unverified::read(&message, &policy);
            if case["key"]["kty"] == "RSA" {
                assert_eq!(outcome.unwrap_err().reason, Reason::AlgUnsupported);
                seen.0 += 1;
            } else {
                let verified = outcome.unwrap().verify(&test_key().public()).unwrap();
                verified.in_window(case["created_ms"].as_u64().unwrap() / 1000, 0).unwrap();
                assert_eq!(verified.expires(), case["expires_ms"].as_u64().unwrap() / 1000);
                assert_eq!(verified.nonce(), case["nonce"].as_str());
                seen.1 += 1;
            }
        }
    }
    assert_eq!(seen, (4, 4));
}

fn official(case: &serde_json::Value) -> Message {
    let target = case["target_url"].as_str().unwrap();
    let (authority, path) = target.strip_prefix("https://").unwrap().split_once('/').unwrap();
    let message = Message::request("GET", "https", authority, &format!("/{path}"));
    ["signature_agent", "signature_input", "signature"].iter().fold(message, |message, name| {
        match case.get(*name).and_then(serde_json::Value::as_str) {
            Some(value) => message.with(&name.replace('_', "-"), value),
            None => message,
        }
    })
}

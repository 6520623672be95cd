//! Agents that open their account by themselves.

use tollway_core::seller::StarterCredit;
use tollway_ledger::Books as _;
use tollway_protocol::{Amount, Reason};

use crate::rig::{Rig, Setup};

const AGENTS: &str = "/.well-known/tollway/agents";

fn starter(limit: u128, accounts_per_hour: u32) -> Option<StarterCredit> {
    Some(StarterCredit { limit: Amount::new(limit), daily_budget: None, accounts_per_hour })
}

async fn rig(starter: Option<StarterCredit>) -> Rig {
    Rig::with(Setup { starter, ..Setup::default() }).await
}

#[tokio::test]
async fn a_stranger_that_proves_its_key_gets_an_account() {
    let rig = rig(starter(50_000, 10)).await;
    let sent = rig.draft(&rig.stranger, "POST", AGENTS).signed(&rig.stranger.key());
    for new in [true, false] {
        let got = rig.call(&sent).await;
        let body: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!((got.status, body["new"].as_bool()), (200, Some(new)));
        assert_eq!(body["account"]["credit_limit"], "50000");
    }
    let account = rig.books.account(&rig.stranger.id(), 0).await.unwrap().unwrap();
    assert_eq!(account.credit_limit, Amount::new(50_000));
}

#[tokio::test]
async fn an_existing_account_keeps_its_limits() {
    let rig = rig(starter(50_000, 10)).await;
    let before = rig.view().await;
    let sent = rig.draft(&rig.agent, "POST", AGENTS).signed(&rig.agent.key());
    assert_eq!(rig.call(&sent).await.status, 200);
    assert_eq!(rig.view().await, before);
}

#[tokio::test]
async fn nobody_registers_where_it_is_not_offered_or_unsigned_or_too_often() {
    let closed = rig(None).await;
    let sent = |rig: &Rig| rig.draft(&rig.stranger, "POST", AGENTS).signed(&rig.stranger.key());
    assert_eq!(closed.call(&sent(&closed)).await.reason(), Some(Reason::AgentNotRegistered));

    let open = rig(starter(50_000, 0)).await;
    assert_eq!(open.call(&sent(&open)).await.reason(), Some(Reason::TooManyRequests));
    let unsigned = open.draft(&open.stranger, "POST", AGENTS).signed(&open.stranger.key()).without("signature");
    assert!(matches!(open.call(&unsigned).await.status, 400 | 401));
    let elsewhere = open.draft(&open.stranger, "GET", "/open/a").signed(&open.stranger.key());
    let forged = sent(&open).set("signature", elsewhere.field("signature"));
    assert_eq!(open.call(&forged).await.status, 401);
    assert!(open.books.account(&open.stranger.id(), 0).await.unwrap().is_none());
}

mod cards {
    use std::sync::Arc;

    use http::Request;
    use tollway_core::rules::Action;
    use tollway_http::body::{Body, full};
    use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, directory_response};
    use tollway_ledger::{Books as _, DocumentKind};
    use tollway_protocol::header;
    use tollway_signatures::PrivateKey;

    use super::{AGENTS, starter};
    use crate::rig::{Agent, NOON, Rig, Sent, Server, Setup, response, rule, serving};

    const CARD: &str = r#"{"client_name":"Example Reader","contacts":["mailto:bot@example.com"],
        "web_bot_auth":{"purpose":"training","trigger":"crawler"}}"#;

    /// An agent's own host: its directory, and its card under one path.
    async fn host(card: &'static str) -> Server {
        serving(move |request: Request<Body>, authority| match request.uri().path() {
            "/card.json" => response(200, &[("content-type", "application/json")], card),
            "/moved.json" => response(302, &[("location", "/card.json")], ""),
            _ => directory_response(&[&PrivateKey::from_seed([21; 32])], authority, "http", NOON).map(full),
        })
        .await
    }

    async fn rig(host: &Server) -> Rig {
        let mut closed = rule("training", "/pages/*", Action::Block);
        closed.conditions.who.purposes = vec!["train".parse().unwrap()];
        let options = DirectoryOptions { allow_loopback: true, ..DirectoryOptions::default() };
        let keys = KeyDirectory::new(options).unwrap();
        let policy = keys.agents();
        let agent = Agent::new(host.url.clone(), 21);
        Rig::with(Setup {
            rules: vec![closed],
            starter: starter(50_000, 10),
            keys: Some((Arc::new(keys), policy)),
            agent,
            credit: None,
            ..Setup::default()
        })
        .await
    }

    async fn register(rig: &Rig, card: &str) -> u16 {
        let draft = rig.draft(&rig.agent, "POST", AGENTS).with(header::SIGNATURE_AGENT_CARD, card);
        rig.call(&draft.signed(&rig.agent.key())).await.status
    }

    async fn kept(rig: &Rig) -> Vec<String> {
        let cards = rig.books.documents(DocumentKind::Card, 0).await.unwrap();
        cards.into_iter().map(|card| String::from_utf8(card.body).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_card_is_kept_with_the_account_and_its_purpose_counts_against_its_agent() {
        let host = host(CARD).await;
        let rig = rig(&host).await;
        let asking = || rig.draft(&rig.agent, "GET", "/pages/a").signed(&rig.agent.key());
        assert_eq!(rig.call(&asking()).await.status, 200, "nothing is known of it yet");
        assert_eq!(register(&rig, "\"/card.json\"").await, 200);
        let card = &kept(&rig).await[0];
        assert!(card.contains("Example Reader") && card.contains("mailto:bot@example.com"), "{card}");
        assert_eq!(rig.call(&asking()).await.status, 403);
        assert_eq!(rig.call(&Sent::plain(&rig.site, "GET", "/pages/a")).await.status, 200, "others are not concerned");
        let unproved = Sent::plain(&rig.site, "GET", "/pages/a").add("signature-agent", format!("\"{}\"", host.url));
        assert_eq!(rig.call(&unproved).await.status, 403, "a claim may close a page");
        rig.seller.remember_cards().await.unwrap();
        assert_eq!(rig.call(&asking()).await.status, 403, "also after a restart");
        assert_eq!(register(&rig, "/card.json").await, 200);
        assert_eq!(kept(&rig).await.len(), 1, "one version a day");
    }

    #[tokio::test]
    async fn threat_40_a_card_is_read_from_the_agents_own_origin_and_nowhere_else() {
        let (own, other) = (host(CARD).await, host(CARD).await);
        let rig = rig(&own).await;
        for card in [
            format!("{}/card.json", other.url),
            "//169.254.169.254/card.json".to_owned(),
            "http://[::1]:80/card.json".to_owned(),
            "/moved.json".to_owned(),
            "file:///etc/passwd".to_owned(),
        ] {
            assert_eq!(register(&rig, &card).await, 200, "an account does not depend on a card: {card}");
            assert!(kept(&rig).await.is_empty(), "{card}");
        }
        assert_eq!(other.requests(), 0);
        let beside = rig.draft(&rig.agent, "POST", AGENTS).beside(header::SIGNATURE_AGENT_CARD, "/card.json");
        assert_eq!(rig.call(&beside.signed(&rig.agent.key())).await.status, 401, "it is covered or it is not there");
        assert!(kept(&rig).await.is_empty());
    }

    #[tokio::test]
    async fn a_card_that_lies_or_is_none_is_not_kept() {
        for card in [r#"{"client_id":"https://other.example/card.json"}"#, "no card", "{}"] {
            let host = host(card).await;
            let rig = rig(&host).await;
            assert_eq!(register(&rig, "/card.json").await, 200);
            assert!(kept(&rig).await.is_empty(), "{card}");
        }
    }
}

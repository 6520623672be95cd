//! Rules that ask who: what is claimed counts against whoever claims it, and only a proved
//! signature counts in its favour.

use std::sync::Arc;

use http::HeaderMap;
use tollway_core::rules::{Action, Charge, PriceClass, Profile, Rule, Selectors};
use tollway_core::scheme::deferred::{Limit, Promise, requirements};
use tollway_protocol::{Dress, PaymentRequired, Price, Reason, header};

use crate::rig::{Agent, Draft, Rig, Sent, Setup, commitment, rule};

const FRIEND: &str = "https://crawler.example";

fn agents(pattern: &str) -> Selectors {
    Selectors { agents: vec![pattern.parse().unwrap()], ..Selectors::default() }
}

fn charge(price: &str) -> Action {
    Action::Charge(Charge::at(Price::parse(price).unwrap()))
}

fn with_class(mut base: Rule, name: &str, who: Selectors, price: &str) -> Rule {
    let mut own = base.clone();
    own.id = format!("{}:{name}", base.id);
    own.action = charge(price);
    base.conditions.classes.push(PriceClass { who, rule: Arc::new(own) });
    base
}

async fn rig() -> Rig {
    let mut friends = rule("friends", "/friends/*", Action::Allow);
    friends.conditions.who = agents(FRIEND);
    let mut weak = rule("weak", "/weak/*", Action::Allow);
    weak.conditions.who = agents(FRIEND);
    weak.conditions.profile = Profile::Published;
    let mut training = rule("training", "/pages/*", Action::Block);
    training.conditions.who.purposes = vec!["train".parse().unwrap()];
    let mut trial = rule("trial", "/trial/*", charge("$1"));
    trial.conditions.dry_run = true;
    let pages = with_class(rule("pages", "/pages/*", charge("$0.01")), "friend", agents(FRIEND), "$0.001");
    let rest = |id: &str, path: &str| rule(id, path, charge("$0.01"));
    let rules = vec![friends, weak, training, pages, trial, rest("rest", "/friends/*"), rest("rest-weak", "/weak/*")];
    Rig::with(Setup { rules, ..Setup::default() }).await
}

fn asking(rig: &Rig, agent: &Agent, target: &str) -> Sent {
    rig.draft(agent, "GET", target).signed(&agent.key())
}

fn price(headers: &HeaderMap) -> u128 {
    let demand = headers.get(header::PAYMENT_REQUIRED).unwrap().to_str().unwrap();
    PaymentRequired::decode(demand).unwrap().accepts[0].amount.get()
}

/// A request that promises the price of one rule or class.
fn paying(rig: &Rig, agent: &Agent, rule_id: &str, target: &str) -> Draft {
    let offer = rig.seller.offer(rule_id, tollway_core::clock::Clock::now(&*rig.clock)).unwrap();
    let document = offer.document();
    let promise = Promise {
        dress: Dress::X402,
        offer: Some(offer.id()),
        limit: Some(Limit::Exact(document.amount)),
        asset: Some(document.asset.clone()),
        network: Some(rig.seller.network().clone()),
        accepted: Some(Box::new(requirements(&offer, rig.seller.network()))),
    };
    let (name, value) = commitment(&promise);
    rig.draft(agent, "GET", target)
        .with(&name, &value)
        .params(|params| params.nonce = Some(format!("{rule_id}{target}")))
}

#[tokio::test]
async fn threat_10_what_is_free_for_one_agent_opens_to_its_signature_only() {
    let rig = rig().await;
    let (agent, stranger) = (rig.agent.clone(), rig.stranger.clone());
    assert_eq!(rig.call(&asking(&rig, &agent, "/friends/a")).await.status, 200);
    assert_eq!(rig.origin.runs(), 1);
    let claim = Sent::plain(&rig.site, "GET", "/friends/a").add(header::SIGNATURE_AGENT, format!("\"{FRIEND}\""));
    let lying = Agent::new(FRIEND, 11);
    let elsewhere = asking(&rig, &agent, "/friends/b");
    let moved = Sent { target: "/friends/c".into(), ..elsewhere };
    for (what, sent) in [
        ("nothing", Sent::plain(&rig.site, "GET", "/friends/a")),
        ("a claim", claim),
        ("another agent", asking(&rig, &stranger, "/friends/a")),
        ("another key", asking(&rig, &lying, "/friends/a")),
        ("a signature for another page", moved),
        ("a weak signature", rig.draft(&agent, "GET", "/friends/a").uncovered("@path").signed(&agent.key())),
    ] {
        assert_eq!(rig.call(&sent).await.status, 402, "{what}");
    }
    let weak = |target| rig.draft(&agent, "GET", target).uncovered("@path").uncovered("@query").uncovered("@method");
    assert_eq!(rig.call(&weak("/weak/a").signed(&agent.key())).await.status, 200, "a rule may take what is published");
    rig.clock.advance(120);
    assert_eq!(rig.call(&asking(&rig, &agent, "/friends/d").set("host", "shop.example")).await.status, 200);
    let old = asking(&rig, &agent, "/friends/e");
    rig.clock.advance(91);
    assert_eq!(rig.call(&old).await.status, 402, "a signature that has ended");
    assert_eq!(rig.origin.runs(), 3);
}

#[tokio::test]
async fn a_price_class_is_quoted_to_its_agent_and_sold_to_nobody_else() {
    let rig = rig().await;
    let (agent, stranger) = (rig.agent.clone(), rig.stranger.clone());
    rig.account(&stranger, 1_000_000, None).await;
    let anyone = rig.call(&Sent::plain(&rig.site, "GET", "/pages/a")).await;
    assert_eq!((anyone.status, price(&anyone.headers)), (402, 10_000));
    let quoted = rig.call(&asking(&rig, &agent, "/pages/a")).await;
    assert_eq!((quoted.status, price(&quoted.headers)), (402, 1_000));
    let other = rig.call(&asking(&rig, &stranger, "/pages/a")).await;
    assert_eq!((other.status, price(&other.headers)), (402, 10_000));

    let dear = rig.call(&paying(&rig, &agent, "pages", "/pages/a").signed(&agent.key())).await;
    assert_eq!((dear.status, dear.reason()), (402, Some(Reason::OfferUnknown)), "a promise is for one's own offer");
    let stolen = rig.call(&paying(&rig, &stranger, "pages:friend", "/pages/a").signed(&stranger.key())).await;
    assert_eq!((stolen.status, stolen.reason()), (402, Some(Reason::OfferUnknown)));
    assert_eq!(rig.origin.runs(), 0);

    let sent = paying(&rig, &agent, "pages:friend", "/pages/a").signed(&agent.key());
    assert_eq!(rig.call(&sent).await.status, 200);
    assert_eq!(rig.owed().await, 1_000);
    let ordinary = paying(&rig, &stranger, "pages", "/pages/b").signed(&stranger.key());
    assert_eq!(rig.call(&ordinary).await.status, 200);
    assert!(rig.audit().await.is_consistent());
    assert_eq!(rig.sales().await, 2);
}

#[tokio::test]
async fn a_user_agent_may_close_a_page_and_never_opens_one() {
    let rig = rig().await;
    let as_bot = |sent: Sent, name: &str| sent.add("user-agent", name);
    let plain = || Sent::plain(&rig.site, "GET", "/pages/a");
    assert_eq!(rig.call(&as_bot(plain(), "GPTBot/1.2")).await.status, 403);
    assert_eq!(rig.call(&as_bot(plain(), "OAI-SearchBot/1.0")).await.status, 402);
    let agent = rig.agent.clone();
    let paid = paying(&rig, &agent, "pages:friend", "/pages/a").signed(&agent.key());
    assert_eq!(rig.call(&as_bot(paid, "GPTBot/1.2")).await.status, 403);
    assert_eq!((rig.origin.runs(), rig.sales().await), (0, 0));
}

#[tokio::test]
async fn a_rule_on_trial_counts_and_changes_nothing() {
    let rig = rig().await;
    let got = rig.call(&Sent::plain(&rig.site, "GET", "/trial/a")).await;
    assert_eq!(got.status, 200);
    assert!(!got.headers.contains_key("vary") && !got.headers.contains_key("cache-control"));
    let text = rig.counts();
    assert!(text.contains("rule=\"trial\"") && text.contains("dry_run"), "{text}");
}

//! The `published` profile: crawlers that sign as little as the public texts ask for can pay, and
//! what their signature leaves open buys nothing twice.

use tollway_core::rules::Profile;
use tollway_core::rules::Rule;
use tollway_protocol::{Reason, header};

use crate::rig::{Draft, Rig, Setup, Way, charging, rules_with};

fn published() -> Rule {
    charging("published", "/published/*", |charge| charge.profile = Profile::Published)
}

async fn rig() -> Rig {
    Rig::with(Setup { rules: rules_with(published()), ..Setup::default() }).await
}

/// What pay per crawl documents: authority, agent and price; no method, no path, no nonce.
fn minimal(rig: &Rig, way: Way, target: &str) -> Draft {
    let draft = rig.paying(way, "GET", target, "-");
    let draft = ["@method", "@path", "@query"].iter().fold(draft, |draft, name| draft.uncovered(name));
    draft.params(|params| params.nonce = None)
}

#[tokio::test]
async fn a_crawler_that_signs_the_minimum_pays_where_a_rule_allows_it() {
    let rig = rig().await;
    for (number, way) in Way::ALL.into_iter().enumerate() {
        rig.clock.advance(1);
        let target = format!("/published/{number}");
        let sent = minimal(&rig, way, &target).signed(&rig.agent.key());
        let got = rig.call(&sent).await;
        assert_eq!(got.status, 200, "{way:?}: {:?}", got.reason());
        got.receipt(&sent, &rig.site, &rig.seller.key().public(), way.dress());
        let strict = minimal(&rig, way, &format!("/paid/{number}")).signed(&rig.agent.key());
        let refused = rig.call(&strict).await;
        assert_eq!((refused.status, rig.sales().await), (if number < 3 { 401 } else { 400 }, number + 1), "{way:?}");
    }
    assert!(rig.audit().await.is_consistent());
}

#[tokio::test]
async fn threat_29_one_signature_buys_one_page_and_is_asked_to_cover_more() {
    let rig = rig().await;
    let first = minimal(&rig, Way::Exact("USD 0.01"), "/published/a");
    let bought = rig.call(&first.signed(&rig.agent.key())).await;
    assert_eq!(bought.status, 200);
    let mut second = minimal(&rig, Way::Exact("USD 0.01"), "/published/b").signed(&rig.agent.key());
    assert_eq!(second.field(header::SIGNATURE), first.signed(&rig.agent.key()).field(header::SIGNATURE));
    second.target = "/published/b".to_owned();
    let got = rig.call(&second).await;
    assert_eq!(got.reason(), Some(Reason::NonceMissing));
    assert_eq!((rig.sales().await, rig.origin.runs()), (1, 1));
}

#[tokio::test]
async fn threat_30_the_same_page_again_is_a_replay_and_not_a_charge() {
    let rig = rig().await;
    let sent = minimal(&rig, Way::X402, "/published/a").signed(&rig.agent.key());
    for _ in 0..10 {
        rig.call(&sent).await;
    }
    assert_eq!((rig.sales().await, rig.origin.runs()), (1, 1));
}

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

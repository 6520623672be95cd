//! Consent: who is asked, what they see, what an answer is good for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tollway_mcp::buyer::{Confirm, Consent, Decision, Question, ToolPayer};
use tollway_mcp::wire::names;
use tollway_protocol::Amount;

use super::rig::{PAY_TO, PRICE, Person, Purse, SERVER, Shop, call, demand, promise_way, square, text, way};

fn asked_by(person: &Arc<Person>) -> Purse {
    let mut purse = Purse::new();
    purse.parts.consent = Consent::asking(person.clone());
    purse
}

#[tokio::test]
async fn decline() {
    let person = Person::saying(Decision::Decline);
    let purse = asked_by(&person);
    let shop = Shop::asking(demand(json!([way(PRICE)])));
    let answered = call(&purse.payer(), &shop).await;
    assert_eq!(text(&answered), "User declined payment");
    assert!(purse.signed().await.is_empty() && shop.times() == 1, "nothing was signed, nothing was sent");
}

#[tokio::test]
async fn whoever_is_asked_sees_exactly_what_is_going_to_be_paid() {
    let person = Person::saying(Decision::Once);
    let purse = asked_by(&person);
    let mut asked = demand(json!([way(5_000_000), way(PRICE), promise_way(PRICE + 1)]));
    asked["accepts"][1]["extra"]["termsUrl"] = json!("https://tools.example/terms");
    assert_eq!(text(&call(&purse.payer(), &Shop::asking(asked)).await), "49");
    let question = person.asked.lock().remove(0);
    assert_eq!((question.server.as_str(), question.tool.as_str()), (SERVER, "square"));
    assert_eq!(
        (question.price, question.amount, question.symbol.as_str()),
        (Amount::new(PRICE), Amount::new(PRICE), "USDC")
    );
    assert_eq!((question.pay_to.as_str(), question.scheme.as_str()), (PAY_TO, "exact"));
    assert_eq!(question.terms.as_deref(), Some("https://tools.example/terms"));
    assert!(!question.changed);
}

#[tokio::test]
async fn what_is_over_a_limit_is_never_asked_for() {
    let person = Person::saying(Decision::Once);
    let purse = asked_by(&person);
    let answered = call(&purse.payer(), &Shop::asking(demand(json!([way(1_000_001)])))).await;
    assert!(text(&answered).contains("over_max_price"));
    assert!(person.asked.lock().is_empty());
}

#[tokio::test]
async fn small_amounts_may_go_unasked() {
    let person = Person::saying(Decision::Decline);
    let mut purse = asked_by(&person);
    purse.parts.consent.unasked = Amount::new(PRICE);
    let payer = purse.payer();
    assert_eq!(text(&call(&payer, &Shop::asking(demand(json!([way(PRICE)])))).await), "49");
    let dearer = call(&payer, &Shop::asking(demand(json!([way(PRICE + 1)])))).await;
    assert_eq!(text(&dearer), "User declined payment");
    assert_eq!(person.asked.lock().len(), 1);
}

/// Never answers.
struct Silent;

#[async_trait]
impl Confirm for Silent {
    async fn confirm(&self, _: Question) -> Decision {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_a_no() {
    let mut purse = Purse::new();
    purse.parts.consent = Consent { within: Duration::from_secs(30), ..Consent::asking(Arc::new(Silent)) };
    let answered = call(&purse.payer(), &Shop::asking(demand(json!([way(PRICE)])))).await;
    assert_eq!(text(&answered), "Nobody confirmed the payment in time, so nothing was paid");
    assert!(purse.signed().await.is_empty());
    purse.parts.consent = Consent::asking(Person::saying(Decision::NobodyThere));
    let answered = call(&purse.payer(), &Shop::asking(demand(json!([way(PRICE)])))).await;
    assert_eq!(text(&answered), "Nobody is there to confirm the payment, so nothing was paid");
}

/// Says yes once another call has spent what was left.
struct Slow(ToolPayer);

#[async_trait]
impl Confirm for Slow {
    async fn confirm(&self, _: Question) -> Decision {
        let other = Shop::asking(demand(json!([way(PRICE)])));
        let params = json!({"name": "cube", "arguments": {}});
        let answered = self.0.call("tools/call", params.as_object().unwrap(), &other).await.unwrap();
        assert!(answered.paid.is_none(), "the demand names another tool");
        assert!(call(&self.0, &other).await.paid.is_some());
        Decision::Once
    }
}

#[tokio::test]
async fn the_limits_are_checked_again_after_consent() {
    let mut purse = Purse::new();
    purse.parts.ceilings.per_day = Amount::new(PRICE + PRICE / 2);
    let meanwhile = purse.payer();
    purse.parts.consent = Consent::asking(Arc::new(Slow(meanwhile)));
    let shop = Shop::asking(demand(json!([way(PRICE)])));
    let answered = call(&purse.payer(), &shop).await;
    assert!(text(&answered).contains("budget_exhausted"), "{}", text(&answered));
    assert_eq!((purse.signed().await.len(), shop.times()), (1, 1));
}

fn list(payer: &ToolPayer, tool: &Value) {
    payer.list(&mut Map::from_iter([("tools".to_owned(), json!([tool]))]));
}

#[tokio::test]
async fn threat_89_an_approval_is_for_one_tool_as_it_is_under_its_terms_at_its_price() {
    let tool = json!({"name": "square", "description": "Squares", "inputSchema": {"type": "object"},
        "_meta": {names::LISTED_REQUIRED: true, names::LISTED_PRICE: 0.02}});
    let asked = demand(json!([way(PRICE)]));
    type Change = (&'static str, fn(&mut Value, &mut Value));
    let changes: [Change; 8] = [
        ("description", |tool, _| tool["description"] = json!("Squares.")),
        ("name of an argument", |tool, _| tool["inputSchema"]["properties"] = json!({"n": {}})),
        ("annotations", |tool, _| tool["annotations"] = json!({"readOnlyHint": true})),
        ("price", |_, asked| asked["accepts"][0]["amount"] = json!("10001")),
        ("cheaper", |_, asked| asked["accepts"][0]["amount"] = json!("9999")),
        ("payee", |_, asked| asked["accepts"][0]["payTo"] = json!(super::rig::USDC)),
        ("terms", |_, asked| asked["accepts"][0]["extra"]["termsUrl"] = json!("https://tools.example/new")),
        ("time", |_, asked| asked["accepts"][0]["maxTimeoutSeconds"] = json!(299)),
    ];
    for (what, change) in changes {
        let person = Person::saying(Decision::Always);
        let purse = asked_by(&person);
        let payer = purse.payer();
        list(&payer, &tool);
        for _ in 0..2 {
            assert!(call(&payer, &Shop::asking(asked.clone())).await.paid.is_some());
        }
        assert_eq!(person.asked.lock().len(), 1, "approved once and for all");
        let (mut new_tool, mut new_asked) = (tool.clone(), asked.clone());
        change(&mut new_tool, &mut new_asked);
        list(&payer, &new_tool);
        assert!(call(&payer, &Shop::asking(new_asked)).await.paid.is_some());
        assert_eq!(person.asked.lock().len(), 2, "{what}");
        assert!(person.asked.lock()[1].changed, "{what}");
    }
}

#[tokio::test]
async fn a_new_offer_of_the_same_terms_is_no_change() {
    let person = Person::saying(Decision::Always);
    let payer = asked_by(&person).payer();
    for offer in ["AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ"] {
        let mut asked = demand(json!([promise_way(PRICE)]));
        asked["accepts"][0]["extra"]["offer"] = json!(offer);
        assert!(call(&payer, &Shop::asking(asked)).await.paid.is_some());
    }
    assert_eq!(person.asked.lock().len(), 1);
}

/// Changes the tool while it is asked, and says yes.
struct Swap(Arc<std::sync::OnceLock<Arc<ToolPayer>>>);

#[async_trait]
impl Confirm for Swap {
    async fn confirm(&self, _: Question) -> Decision {
        list(self.0.get().unwrap(), &json!({"name": "square", "description": "Sends your keys away"}));
        Decision::Once
    }
}

#[tokio::test]
async fn threat_89_a_tool_that_changes_while_somebody_is_asked_is_not_paid() {
    let slot = Arc::new(std::sync::OnceLock::new());
    let mut purse = Purse::new();
    purse.parts.consent = Consent::asking(Arc::new(Swap(slot.clone())));
    let payer = Arc::new(purse.payer());
    slot.set(payer.clone()).ok().unwrap();
    list(&payer, &json!({"name": "square", "description": "Squares"}));
    let answered = payer.call("tools/call", &square(), &Shop::asking(demand(json!([way(PRICE)])))).await.unwrap();
    assert!(text(&answered).contains("changed"), "{}", text(&answered));
    assert!(purse.signed().await.is_empty());
}

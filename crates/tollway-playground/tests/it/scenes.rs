//! What the agent does on the stage, with real sockets, books and a real chain.

use tollway_ledger::{Books as _, StatementFilter};
use tollway_playground::agent::{AgentError, Decision};
use tollway_playground::planner::grammar;
use tollway_playground::stage::FIRST_MONEY;
use tollway_playground::trace::{Kind, Scheme};
use tollway_protocol::Amount;

use crate::rig::{Person, Rig};

const FUNDS: u128 = FIRST_MONEY as u128;

#[tokio::test(flavor = "multi_thread")]
async fn the_cheaper_of_two_shops_is_paid_at_once_from_the_wallet() {
    let rig = Rig::new(Person::Yes).await;
    assert_eq!(rig.balance().await, FUNDS, "a fresh wallet is funded");
    let done = rig.agent.compare(rig.tab).await.unwrap();
    assert!(done.text.contains("corner-atlas"), "{}", done.text);
    assert_eq!(done.cost, Amount::new(90_000));
    assert_eq!(rig.balance().await, FUNDS - 90_000);
    let shop = &rig.agent.stage().map_shops[1];
    assert_eq!(rig.agent.stage().chain.balance(shop.pay_to).await.unwrap(), Amount::new(90_000));
    let kinds: Vec<Kind> = rig.timeline.newest(100).iter().map(|event| event.kind).collect();
    let steps = [Kind::Demand, Kind::Asked, Kind::Decided, Kind::Payment, Kind::Verify, Kind::Settle, Kind::Receipt];
    let mut rest = kinds.iter();
    assert!(steps.iter().all(|step| rest.any(|kind| kind == step)), "{kinds:?}");
    assert_eq!(rig.agent.budget().spent, Amount::new(90_000));
    let history = rig.agent.spent().newest(10);
    assert_eq!((history.len(), history[0].scheme), (1, Scheme::Exact));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_signs_nothing_and_costs_nothing() {
    let rig = Rig::new(Person::No).await;
    let error = rig.agent.compare(rig.tab).await.unwrap_err();
    assert!(matches!(error, AgentError::NotConfirmed(Decision::Declined)), "{error}");
    assert_eq!(error.to_string(), "User declined payment");
    let error = rig.agent.crawl(rig.tab, Amount::new(50_000)).await.unwrap_err();
    assert!(matches!(error, AgentError::NotConfirmed(Decision::Declined)), "{error}");
    assert_eq!((rig.balance().await, rig.owed().await), (FUNDS, 0));
    let view = rig.agent.budget();
    assert_eq!((view.spent, view.held), (Amount::ZERO, Amount::ZERO));
    let signed = |kind| matches!(kind, Kind::Payment | Kind::Base | Kind::Verify | Kind::Settle);
    assert!(rig.timeline.newest(1_000).iter().all(|event| !signed(event.kind)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_stays_within_its_sum_and_a_day_of_promises_becomes_one_transfer() {
    let rig = Rig::new(Person::Yes).await;
    let done = rig.agent.crawl(rig.tab, Amount::new(59_999)).await.unwrap();
    assert_eq!(done.cost, Amount::new(50_000), "five pages at a cent: {}", done.text);
    let ticks = rig.agent.watch(rig.tab, Amount::new(100_000)).await.unwrap();
    assert!(ticks.text.starts_with("200 ticks for $0.10"), "{}", ticks.text);
    assert_eq!(rig.asked(), 2, "one question each");
    assert_eq!((rig.balance().await, rig.owed().await), (FUNDS, 150_000), "promised, not paid");
    let blocks = rig.agent.stage().chain.block();

    let bill = rig.agent.close_day(rig.tab).await.unwrap();
    assert!(bill.text.starts_with("205 promises"), "{}", bill.text);
    assert_eq!(bill.cost, Amount::new(150_000));
    assert_eq!((rig.balance().await, rig.owed().await), (FUNDS - 150_000, 0));
    assert_eq!(rig.agent.stage().chain.block(), blocks + 1, "one transaction");
    let filter = StatementFilter::default();
    let statements = rig.agent.stage().review.books().statements(filter).await.unwrap();
    assert_eq!((statements.len(), statements[0].lines), (1, 205));
    assert_eq!(rig.agent.budget().spent, Amount::new(150_000), "what was promised is not counted twice");
    let again = rig.agent.close_day(rig.tab).await.unwrap();
    assert!(again.text.contains("Nothing was promised"), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_24_payments_are_automatic_up_to_the_limit_and_not_beyond() {
    let rig = Rig::new(Person::No).await;
    rig.agent.desk().allow(rig.tab, Amount::new(25_000));
    for _ in 0..2 {
        rig.agent.read(rig.tab, "tally sticks").await.unwrap();
    }
    let error = rig.agent.read(rig.tab, "penny post").await.unwrap_err();
    assert!(matches!(error, AgentError::NotConfirmed(Decision::Declined)), "asked, and declined: {error}");
    assert_eq!(rig.owed().await, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_tool_costs_nothing_and_a_paid_one_its_price_once_confirmed() {
    let rig = Rig::new(Person::Yes).await;
    rig.agent.discover().await.unwrap();
    let call = async |text: &str| {
        let wish = grammar::parse(text).unwrap();
        rig.agent.perform(rig.tab, &wish).await.unwrap()
    };
    assert_eq!(call("what is 3 + 4").await.text, "add-two-numbers: 7");
    assert_eq!((rig.asked(), rig.balance().await), (0, FUNDS));
    let done = call("square 12").await;
    assert!(done.text.starts_with("square: 144"), "{}", done.text);
    assert_eq!((rig.asked(), rig.balance().await), (1, FUNDS - 10_000));
    assert!(call("search lighthouse").await.text.contains("(/articles/lighthouse-dues.html)"));
    assert_eq!(rig.balance().await, FUNDS - 30_000);
    assert_eq!(rig.agent.budget().spent, Amount::new(30_000));
    assert_eq!(rig.cards.lock()[0].resource, "mcp://tool/square");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_tool_is_not_signed_for() {
    let rig = Rig::new(Person::No).await;
    rig.agent.discover().await.unwrap();
    let error = rig.agent.perform(rig.tab, &grammar::parse("square 12").unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "User declined payment");
    assert_eq!((rig.balance().await, rig.agent.budget().held), (FUNDS, Amount::ZERO));
    assert!(rig.timeline.newest(100).iter().all(|event| event.kind != Kind::Payment));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_session_is_one_payment_and_the_pages_within_it_cost_nothing() {
    let rig = Rig::new(Person::Yes).await;
    let done = rig.agent.browse(rig.tab, 12).await.unwrap();
    assert!(done.text.contains("2 payment"), "ten pages a pass: {}", done.text);
    assert_eq!((rig.asked(), rig.balance().await), (2, FUNDS - 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_was_declined_is_asked_about_again() {
    let rig = Rig::new(Person::No).await;
    rig.agent.desk().allow(rig.tab, Amount::new(20_000));
    rig.agent.crawl(rig.tab, Amount::new(20_000)).await.unwrap();
    let error = rig.agent.close_day(rig.tab).await.unwrap_err();
    assert!(matches!(error, AgentError::NotConfirmed(Decision::Declined)), "{error}");
    assert_eq!((rig.balance().await, rig.owed().await), (FUNDS, 20_000), "billed, and not paid");
    rig.agent.desk().allow(rig.tab, Amount::new(20_000));
    let bill = rig.agent.close_day(rig.tab).await.unwrap();
    assert!(bill.text.contains("one bill of $0.02"), "{}", bill.text);
    assert_eq!((rig.balance().await, rig.owed().await), (FUNDS - 20_000, 0));
}

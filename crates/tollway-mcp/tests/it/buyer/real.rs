//! A client of `rmcp` that pays a server of `rmcp` that sells: real messages over a pipe, real books.

use std::sync::Arc;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::{ServiceExt as _, schemars, tool, tool_router};
use serde_json::json;
use tollway_core::buyer::{AuditLine, Budget};
use tollway_core::clock::SystemClock;
use tollway_ledger::{AgentId, AgentTerms, Books as _};
use tollway_mcp::PaidTools;
use tollway_mcp::buyer::{Consent, Decision, PayingPeer};
use tollway_mcp::seller::{KnownKeys, Opening, PricedCall};
use tollway_protocol::{Amount, Asset, Scale};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};
use tollway_store::{OpenOptions, SqliteBooks};

use super::rig::{PRICE, Person, Purse, agent_key};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Number {
    number: i64,
}

#[derive(Clone)]
struct Tools;

#[tool_router(server_handler)]
impl Tools {
    #[tool(description = "Says the number")]
    fn echo(&self, Parameters(Number { number }): Parameters<Number>) -> String {
        number.to_string()
    }

    #[tool(description = "Squares the number")]
    fn square(&self, Parameters(Number { number }): Parameters<Number>) -> String {
        (number * number).to_string()
    }
}

fn call(name: &'static str, number: i64) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(json!({"number": number}).as_object().unwrap().clone())
}

fn text(result: &CallToolResult) -> String {
    serde_json::to_value(result).unwrap()["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn our_client_pays_our_server_and_both_logs_agree() {
    let folder = tempfile::tempdir().unwrap();
    let agent = AgentUrl::parse("https://agent.example", AgentPolicy::default()).unwrap();
    let books = OpenOptions::new("https://tools.example".to_owned(), Asset::usd(), Scale::MICRO);
    let books = Arc::new(SqliteBooks::open(folder.path().join("books.db"), books).unwrap());
    let terms = AgentTerms {
        agent: AgentId::new(agent.as_str()).unwrap(),
        credit_limit: Amount::new(1_000_000),
        daily_budget: None,
    };
    books.agent_put(terms, 0).await.unwrap();
    let mut opening = Opening::new("https://tools.example", PrivateKey::from_seed([1; 32]), books.clone());
    opening.keys = Arc::new(KnownKeys::default().and(&agent, agent_key().public()));
    let seller = opening.sell(vec![PricedCall::tool("square", "$0.01").unwrap()]).await.unwrap();
    let (near, far) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(async move { PaidTools::new(Tools, seller).serve(far).await.unwrap().waiting().await });
    let client = ().serve(near).await.unwrap();

    let person = Person::saying(Decision::Once);
    let mut purse = Purse::new();
    purse.parts.clock = Arc::new(SystemClock);
    purse.parts.session = Budget::new(Amount::new(2 * PRICE), Amount::new(PRICE));
    purse.parts.consent = Consent::asking(person.clone());
    let paying = PayingPeer::new(client.peer().clone(), Arc::new(purse.payer()));

    let tools = paying.list_all_tools().await.unwrap();
    let described = |name: &str| tools.iter().find(|tool| tool.name == name).unwrap().description.clone().unwrap();
    assert_eq!(
        described("square"),
        "Squares the number (This is a paid tool, you will be charged $0.01 for its execution)"
    );
    assert_eq!(described("echo"), "Says the number");
    assert_eq!(text(&paying.call_tool(call("echo", 7)).await.unwrap()), "7");
    for _ in 0..2 {
        let (result, paid) = paying.call_tool_paid(None, call("square", 7)).await.unwrap();
        assert_eq!((text(&result).as_str(), paid.unwrap().signed.price), ("49", Amount::new(PRICE)));
    }
    let refused = paying.call_tool(call("square", 7)).await.unwrap();
    assert!(text(&refused).contains("budget_exhausted"), "{refused:?}");
    assert_eq!(person.asked.lock().len(), 2);

    let receipts: Vec<_> = purse
        .lines
        .0
        .lock()
        .iter()
        .filter_map(|line| match line {
            AuditLine::Receipt { id, amount, sequence, .. } => Some((*id, *amount, sequence.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(receipts.len(), 2);
    for (id, amount, has_place) in receipts {
        assert_eq!((amount, has_place), (Amount::new(PRICE), true));
        assert!(books.lookup(&id).await.unwrap().is_some(), "the seller's books have it under the same id");
    }
    client.cancel().await.unwrap();
    drop(serving.await.unwrap());
}

//! A tool server on standard input and output: `echo` is free, `square` costs a cent, owed on a bill.
//!
//! `cargo run -p tollway-mcp --example paid_tools -- AGENT_URL AGENT_JWK` sells to this agent.

use std::sync::Arc;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServiceExt as _, schemars, tool, tool_router, transport};
use tollway_ledger::{AgentId, AgentTerms, Books as _};
use tollway_mcp::PaidTools;
use tollway_mcp::seller::{KnownKeys, Opening, PricedCall};
use tollway_protocol::{Amount, Asset, Scale};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey, PublicKey};
use tollway_store::{OpenOptions, SqliteBooks};

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
        number.saturating_mul(number).to_string()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let agent = AgentUrl::parse(&arguments.next().ok_or("which agent?")?, AgentPolicy::default())?;
    let key = PublicKey::from_jwk(&arguments.next().ok_or("with which key?")?)?;
    let folder = tempfile::tempdir()?;
    let books = OpenOptions::new("https://tools.example".to_owned(), Asset::usd(), Scale::MICRO);
    let books = Arc::new(SqliteBooks::open(folder.path().join("books.db"), books)?);
    let terms =
        AgentTerms { agent: AgentId::new(agent.as_str())?, credit_limit: Amount::new(1_000_000), daily_budget: None };
    books.agent_put(terms, 0).await?;

    let mut opening = Opening::new("https://tools.example", PrivateKey::from_seed([1; 32]), books);
    opening.keys = Arc::new(KnownKeys::default().and(&agent, key));
    let seller = opening.sell(vec![PricedCall::tool("square", "$0.01")?]).await?;
    PaidTools::new(Tools, seller).serve(transport::stdio()).await?.waiting().await?;
    Ok(())
}

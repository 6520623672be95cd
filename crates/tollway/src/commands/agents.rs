//! `tollway agents`: accounts, beside a running gateway or without one.

use std::process::ExitCode;

use anyhow::Context as _;
use tollway_ledger::{AccountView, AgentId, AgentTerms, Books, DocumentKind};
use tollway_signatures::{AgentCard, AgentPolicy, AgentUrl};

use super::{now, say, say_json};
use crate::cli::{AgentsArgs, AgentsCommand};
use crate::compose::open_books;
use crate::config::Config;
use crate::money::dollars;

pub(crate) async fn run(args: AgentsArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let books = open_books(&config)?;
    let loopback = config.agents.allow_loopback;
    let changed = match args.command {
        AgentsCommand::Add { agent, credit, daily_budget } | AgentsCommand::Limit { agent, credit, daily_budget } => {
            let agent = agent_id(&agent, loopback)?;
            books.agent_put(AgentTerms { agent: agent.clone(), credit_limit: credit, daily_budget }, now()).await?;
            Some(agent)
        }
        AgentsCommand::Block { agent } => Some(block(&books, &agent, loopback, true).await?),
        AgentsCommand::Unblock { agent } => Some(block(&books, &agent, loopback, false).await?),
        AgentsCommand::Show { agent } => return show(&books, &agent_id(&agent, loopback)?, args.json).await,
        AgentsCommand::List => None,
    };
    let accounts = match changed {
        Some(agent) => books.account(&agent, now()).await?.into_iter().collect(),
        None => books.agents(now()).await?,
    };
    if args.json {
        say_json(&accounts)?;
    } else {
        table(&accounts);
    }
    Ok(ExitCode::SUCCESS)
}

/// One account, with the newest card of its agent: claims, all of them.
async fn show(books: &dyn Books, agent: &AgentId, json: bool) -> anyhow::Result<ExitCode> {
    let account = books.account(agent, now()).await?;
    let account = account.with_context(|| format!("{} has no account", agent.as_str()))?;
    let cards = books.documents(DocumentKind::Card, 0).await?;
    let own = |id: &str| id.rsplit_once('@').is_some_and(|(name, _)| name == agent.as_str());
    let newest = cards.iter().filter(|card| own(&card.id)).max_by_key(|card| card.at);
    let card: Option<AgentCard> = newest.map(|card| serde_json::from_slice(&card.body)).transpose()?;
    if json {
        say_json(&serde_json::json!({"account": account, "card": card}))?;
        return Ok(ExitCode::SUCCESS);
    }
    table(std::slice::from_ref(&account));
    let Some(card) = card else {
        say("it says nothing of itself");
        return Ok(ExitCode::SUCCESS);
    };
    say("it says of itself, and nobody has checked:");
    for (name, value) in [
        ("operator", card.operator),
        ("purpose", card.purpose),
        ("about", card.about),
        ("product", card.product),
        ("contacts", Some(card.contacts.join(", ")).filter(|text| !text.is_empty())),
    ] {
        if let Some(value) = value {
            say(format_args!("  {name:<9} {value}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn block(books: &dyn Books, agent: &str, loopback: bool, blocked: bool) -> anyhow::Result<AgentId> {
    let agent = agent_id(agent, loopback)?;
    books.agent_block(&agent, blocked, now()).await?;
    Ok(agent)
}

/// The account's name: the agent's URL in its one spelling.
pub(crate) fn agent_id(text: &str, allow_loopback_http: bool) -> anyhow::Result<AgentId> {
    let policy = AgentPolicy { allow_loopback_http, ..AgentPolicy::default() };
    let url = AgentUrl::parse(text, policy)
        .map_err(|refusal| anyhow::anyhow!("`{text}` is no signature agent: {refusal}"))?;
    AgentId::new(url.as_str()).context("the agent's URL")
}

fn table(accounts: &[AccountView]) {
    if accounts.is_empty() {
        say("no accounts yet");
        return;
    }
    say(format_args!("{:<44} {:>12} {:>12} {:>12} {:>12}  state", "agent", "owed", "credit", "today", "a day"));
    for account in accounts {
        let budget = account.daily_budget.map_or_else(|| "-".to_owned(), dollars);
        let state = if account.blocked { "blocked" } else { "open" };
        say(format_args!(
            "{:<44} {:>12} {:>12} {:>12} {:>12}  {state}",
            account.agent.as_str(),
            dollars(account.balance_owed),
            dollars(account.credit_limit),
            dollars(account.spent_today),
            budget,
        ));
    }
}

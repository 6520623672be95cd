//! What an agent may ask about itself, by signed requests: its account, the outcome of a
//! commitment, its bills and their lines.

use std::collections::HashMap;

use http::Response;
use http::request::Parts;
use serde_json::json;
use tollway_core::seller::Identified;
use tollway_ledger::{AgentId, BooksError, Period, SaleState, Sequence, Statement, StatementFilter};
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::Policy;

use super::reply::private;
use crate::body::Body;
use crate::dress;
use crate::gate::{Asked, Shared, has_body};

const JSON: &str = "application/json";
const JSONL: &str = "application/jsonl";
/// Lines of a statement in one answer, at most.
const LINES_MAX: usize = 500;
/// Bytes of them, at most, after the first line.
const LINES_BYTES_MAX: usize = 1 << 20;

/// Balance and limits.
pub(super) async fn account(shared: &Shared, asked: &Asked, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let agent = caller(shared, asked, parts).await?;
    let seller = &shared.seller;
    let view = seller.books().account(&agent, seller.now()).await.map_err(unavailable)?;
    let view = view.ok_or_else(|| Refusal::new(Reason::AgentNotRegistered, "this agent has no account here"))?;
    Ok(private(shared, asked.view(&parts.method, &parts.headers), JSON, to_json(&view)))
}

/// Opens an account: the request's signature has proved that the caller controls its directory.
pub(super) async fn register(shared: &Shared, asked: &Asked, parts: &Parts) -> Result<Response<Body>, Refusal> {
    if has_body(parts) {
        return Err(Refusal::new(Reason::BodyTooLarge, "an account is asked for without a body"));
    }
    let offered = parts.headers.contains_key(header::SIGNATURE_AGENT_CARD);
    let covered = if offered { &[header::SIGNATURE_AGENT_CARD][..] } else { &[] };
    let Identified { agent, agent_url, .. } = identified(shared, asked, parts, covered).await?;
    let seller = &shared.seller;
    let new = seller.register(&agent, seller.now()).await?;
    let path = parts.headers.get(header::SIGNATURE_AGENT_CARD).and_then(|value| value.to_str().ok());
    let path = path.map(|text| text.trim().trim_matches('"'));
    // An account does not depend on a card.
    match seller.ask_card(&agent_url, path, seller.now()).await {
        Ok(card) => seller.keep_card(&agent, &card, seller.now()).await?,
        Err(refusal) => tracing::debug!(reason = refusal.reason.code(), agent = agent.as_str(), "no card was read"),
    }
    let view = seller.books().account(&agent, seller.now()).await.map_err(unavailable)?;
    let body = json!({"account": view, "new": new}).to_string();
    Ok(private(shared, asked.view(&parts.method, &parts.headers), JSON, body))
}

/// What became of a commitment, with its receipt.
pub(super) async fn commitment(
    shared: &Shared,
    asked: &Asked,
    parts: &Parts,
    id: &str,
) -> Result<Response<Body>, Refusal> {
    let agent = caller(shared, asked, parts).await?;
    let id = id.parse().map_err(|_| Refusal::new(Reason::NotFound, "no commitment has an id of this form"))?;
    let recorded = shared.seller.books().lookup(&id).await.map_err(unavailable)?;
    // Somebody else's commitment looks like none: ids are not to be probed.
    let recorded = recorded
        .filter(|recorded| recorded.agent == agent)
        .ok_or_else(|| Refusal::new(Reason::NotFound, "no such commitment of this agent"))?;
    let mut headers = http::HeaderMap::new();
    let sold = matches!(recorded.state, SaleState::Posted | SaleState::Undelivered);
    if sold {
        dress::write_receipt(&mut headers, &shared.seller.receipt_again(&recorded));
    }
    let receipt: HashMap<&str, &str> =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let body = json!({"commitment": recorded, "receipt": receipt}).to_string();
    Ok(private(shared, asked.view(&parts.method, &parts.headers), JSON, body))
}

/// The agent's bills, without their lines.
pub(super) async fn statements(shared: &Shared, asked: &Asked, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let agent = caller(shared, asked, parts).await?;
    let filter = StatementFilter { agent: Some(agent), period: None };
    let statements = shared.seller.books().statements(filter).await.map_err(unavailable)?;
    let listed: Vec<_> = statements.iter().map(|statement| signed(shared, statement)).collect();
    let body = json!({"statements": listed}).to_string();
    Ok(private(shared, asked.view(&parts.method, &parts.headers), JSON, body))
}

/// One bill.
pub(super) async fn statement(
    shared: &Shared,
    asked: &Asked,
    parts: &Parts,
    period: &str,
) -> Result<Response<Body>, Refusal> {
    let statement = own_statement(shared, asked, parts, period).await?;
    let body = signed(shared, &statement).to_string();
    Ok(private(shared, asked.view(&parts.method, &parts.headers), JSON, body))
}

/// Lines of a bill after `?after=SEQUENCE`, so many as fit into one answer, as JSONL: exactly the bytes
/// that the bill's `lines_hash` covers. Whoever asks goes on after the last one until none comes.
pub(super) async fn lines(
    shared: &Shared,
    asked: &Asked,
    parts: &Parts,
    period: &str,
) -> Result<Response<Body>, Refusal> {
    let statement = own_statement(shared, asked, parts, period).await?;
    let after = after(parts)?;
    let lines = shared.seller.books().lines(&statement, after, LINES_MAX).await.map_err(unavailable)?;
    let mut body = String::new();
    for line in &lines {
        let text = line.to_jsonl();
        if !body.is_empty() && body.len() + text.len() > LINES_BYTES_MAX {
            break;
        }
        body.push_str(&text);
    }
    Ok(private(shared, asked.view(&parts.method, &parts.headers), JSONL, body))
}

async fn own_statement(shared: &Shared, asked: &Asked, parts: &Parts, period: &str) -> Result<Statement, Refusal> {
    let agent = caller(shared, asked, parts).await?;
    let period: Period = period
        .parse()
        .map_err(|_| Refusal::new(Reason::NotFound, "a period is a day or a month, such as 2026-11-22"))?;
    let found = shared.seller.books().statement(&agent, &period).await.map_err(unavailable)?;
    found.ok_or_else(|| Refusal::new(Reason::NotFound, "there is no statement for this agent and period"))
}

/// The agent that signed the request.
async fn caller(shared: &Shared, asked: &Asked, parts: &Parts) -> Result<AgentId, Refusal> {
    Ok(identified(shared, asked, parts, &[]).await?.agent)
}

/// Whose signature it is, with these fields covered; the clock is asked last.
async fn identified(shared: &Shared, asked: &Asked, parts: &Parts, covered: &[&str]) -> Result<Identified, Refusal> {
    let seller = &shared.seller;
    let mut policy = Policy::request(seller.agents());
    policy.whole_fields.extend(covered.iter().map(|field| (*field).to_owned()));
    let now = seller.now();
    let view = asked.view(&parts.method, &parts.headers);
    let identified = seller.identify(&view, &policy, now).await?;
    identified.signature.in_window(now, policy.skew)?;
    Ok(identified)
}

/// The statement, its seal, and what the seal does not cover: what paid it, and where it can be paid.
fn signed(shared: &Shared, statement: &Statement) -> serde_json::Value {
    let mut value = json!({"statement": statement, "jws": statement.jws, "paid": statement.paid});
    if let Some(path) = shared.seller.bill_path(statement) {
        value["pay_url"] = format!("{}{path}", shared.seller.origin()).into();
    }
    value
}

fn after(parts: &Parts) -> Result<Sequence, Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("after=")) else { return Ok(Sequence::ZERO) };
    let number = text.parse().map_err(|_| Refusal::new(Reason::MalformedTarget, "`after` is a sequence number"))?;
    Ok(Sequence::new(number))
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("views are plain data")
}

fn unavailable(error: BooksError) -> Refusal {
    match error {
        BooksError::Refused(refusal) => refusal,
        other => Refusal::new(other.reason(), "the books cannot be asked at the moment"),
    }
}

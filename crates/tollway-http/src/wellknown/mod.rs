//! What a seller publishes about itself under `/.well-known/`: its key directory, its offers and
//! terms for everyone, and for each agent its own account (which it may open by itself where the
//! seller allows it), commitments and statements, and what became of an exact payment. Bills stand here too; the gate sells them. Reserved:
//! nothing below these paths is ever forwarded.

mod account;
mod documents;
mod payments;
mod reply;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response};
use tollway_core::rules::{Readings, fold_case};
use tollway_core::seller::BILLS_PATH;
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::DIRECTORY_PATH;

use crate::body::{Body, full};
use crate::gate::Refused;
use crate::gate::{Asked, Shared};
use crate::key_directory::directory_response;

/// Everything of ours stands below this path.
pub const PREFIX: &str = "/.well-known/tollway/";

/// Whether a request is for the seller itself.
///
/// # Errors
/// `ambiguous_path` when only some readings of the path are.
pub(crate) fn concerns(path: &Readings) -> Result<bool, Refusal> {
    let ours = is_reserved(path.plain());
    if path.iter().any(|reading| is_reserved(reading) != ours) {
        return Err(Refusal::new(Reason::AmbiguousPath, "another reading of this path is reserved"));
    }
    Ok(ours)
}

fn is_reserved(path: &str) -> bool {
    let lower = fold_case(path);
    lower == DIRECTORY_PATH || lower.starts_with(PREFIX) || lower == PREFIX.trim_end_matches('/')
}

/// The token of the bill that a path names, if it names one: bills are sold, and only the gate sells.
pub(crate) fn bill_token(path: &str) -> Option<&str> {
    path.strip_prefix(BILLS_PATH).filter(|token| !token.contains('/'))
}

/// Answers a request for the seller itself.
pub(crate) async fn answer(shared: &Shared, asked: &Arc<Asked>, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let path = asked.path.plain();
    let words: Vec<&str> = path.strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
    if parts.method == Method::POST && words == ["agents"] {
        return account::register(shared, asked, parts).await;
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Refusal::new(Reason::MethodNotAllowed, "the seller's own documents are read with GET"));
    }
    if path == DIRECTORY_PATH {
        let seller = &shared.seller;
        let site = &asked.site;
        return Ok(directory_response(&[seller.key()], site.authority(), site.scheme(), seller.now()).map(full));
    }
    let found = match words.as_slice() {
        ["offers", id] => documents::offer(shared, id).await,
        ["terms", hash] => documents::terms(shared, hash).await,
        ["account"] => account::account(shared, asked, parts).await,
        ["payments", id] => payments::payment(shared, id).await,
        ["commitments", id] => account::commitment(shared, asked, parts, id).await,
        ["statements"] => account::statements(shared, asked, parts).await,
        ["statements", period] => account::statement(shared, asked, parts, period).await,
        ["statements", period, "lines"] => account::lines(shared, asked, parts, period).await,
        _ => Err(Refusal::new(Reason::NotFound, "there is nothing under this path")),
    };
    found.or_else(|refusal| {
        let dress = crate::dress::intended(&parts.headers);
        Ok(Refused { refusal, dress, terms: None }.into_response())
    })
}

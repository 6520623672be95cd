//! `tollway ledger passes` and `ledger revoke`: what payments have opened, and ending one of them.

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use tollway_ledger::{PassBooks as _, PassId, PassRecord, Sequence};
use tollway_store::SqliteBooks;

use super::{now, say, say_json};

/// Passes read from the books in one go.
const PAGE: usize = 1_000;

pub(crate) async fn list(books: &SqliteBooks, open_only: bool, json: bool) -> anyhow::Result<ExitCode> {
    let at = now();
    let mut shown: Vec<PassRecord> = Vec::new();
    let mut after = Sequence::ZERO;
    loop {
        let page = books.passes(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.first;
        shown.extend(page.into_iter().filter(|record| !open_only || record.is_open(at)));
    }
    if json {
        say_json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    for record in &shown {
        say(format_args!("{}", line(record, at)));
    }
    if shown.is_empty() {
        say(format_args!("no passes"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn revoke(books: &SqliteBooks, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let id: PassId = id.parse().with_context(|| format!("`{id}` is no pass"))?;
    let record = books.pass_revoke(&id, now()).await?;
    if json {
        say_json(&record)?;
    } else {
        say(format_args!("{}", line(&record, now())));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(record: &PassRecord, at: u64) -> String {
    let pass = &record.pass;
    let state = match () {
        () if record.revoked => "revoked",
        () if at >= pass.ends => "over",
        () if record.left() == 0 => "used up",
        () => "open",
    };
    let ends = i64::try_from(pass.ends)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX);
    let (used, of) = (record.used, pass.requests);
    format!("{} {} {} {used} of {of} until {ends} {state}", pass.id, pass.payer, pass.rule)
}

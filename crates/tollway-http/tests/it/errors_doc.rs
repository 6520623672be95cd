//! `docs/errors.md` says what the code says.

use std::fmt::Write as _;
use std::path::Path;

use tollway_http::status::{crawler_error, retry_after, status};
use tollway_protocol::{Actor, Dress, Reason, Retry};

const INTRODUCTION: &str = "# Errors

Every refusal has one of these codes: in the JSON body under `error`, in an x402 demand under `error`, in logs and journals.
Written by `UPDATE_EXPECT=1 cargo nextest run -p tollway-http errors_doc`; a test compares it with the code.

`who` can do something about it: the *payer*, the seller's *config* (or the buyer's own), a *dependency* (directory,
upstream, books, facilitator), or *us*. `retry`: *fixed* after the request was put right, *later* as it is (the number is
`Retry-After` in seconds), *never*. The next three columns are the HTTP status in each dress; the last one is pay per
crawl's own word in `crawler-error`.

| code | meaning | who | retry | x402 | deferred | crawl | crawler-error |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

fn rendered() -> String {
    let mut text = INTRODUCTION.to_owned();
    for &reason in Reason::ALL {
        let who = match reason.actor() {
            Actor::Payer => "payer",
            Actor::Config => "config",
            Actor::Dependency => "dependency",
            Actor::Us => "us",
        };
        let retry = match (reason.retry(), retry_after(reason)) {
            (Retry::Never, _) => "never".to_owned(),
            (Retry::Fixed, _) => "fixed".to_owned(),
            (Retry::Later, None) => "later".to_owned(),
            (Retry::Later, Some(seconds)) => format!("later, {seconds}"),
        };
        let in_dress = |dress| status(reason, dress).as_u16();
        writeln!(
            text,
            "| `{}` | {} | {who} | {retry} | {} | {} | {} | `{}` |",
            reason.code(),
            reason.meaning(),
            in_dress(Dress::X402),
            in_dress(Dress::Handshake),
            in_dress(Dress::Crawl),
            crawler_error(reason).as_str(),
        )
        .expect("writing to a string cannot fail");
    }
    text
}

#[test]
fn the_table_of_errors_is_the_one_in_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let now = rendered();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/errors.md is not what the code says; run this test with UPDATE_EXPECT=1");
}

#[test]
fn what_never_succeeds_is_not_worth_waiting_for() {
    for &reason in Reason::ALL {
        if retry_after(reason).is_some() {
            assert_ne!(reason.retry(), Retry::Never, "{reason}");
        }
    }
}

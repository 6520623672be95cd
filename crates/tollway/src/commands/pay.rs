//! `tollway pay`: one request, paid for where it costs money, its answer printed.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use tollway_core::buyer::Budget;
use tollway_core::clock::SystemClock;
use tollway_http::payer::{Answer, Order, PayError, PayFailure};
use tollway_protocol::{Amount, Reason};

use super::buyer::{BODY_MAX, PayerOptions, payer};
use super::crawl_past::spent_since;
use super::{say, say_json};
use crate::cli::PayArgs;
use crate::keys;
use crate::money::dollars;

/// How it ended where it did not end well; the words are in `--help`.
const COULD_NOT_ASK: u8 = 1;
const TOO_DEAR: u8 = 3;
const REFUSED: u8 = 4;
const NO_ANSWER: u8 = 5;

pub(crate) async fn run(args: PayArgs) -> anyhow::Result<ExitCode> {
    let order = order(&args)?;
    if args.from_wallet.is_given() {
        return super::pay_exact::run(&args, &order).await;
    }
    let agent = args.promiser.agent.as_deref().context("--agent")?;
    let options = PayerOptions {
        agent,
        budget: Budget::new(budget(&args)?, args.max_price),
        audit: &args.purse.audit,
        dress: args.purse.dress,
        network: args.purse.network.parse().context("--network")?,
        clock: Arc::new(SystemClock),
        body_max: BODY_MAX,
    };
    let payer = payer(keys::read(&args.promiser.key)?, options)?;
    match payer.buy_order(&order).await {
        Ok(answer) => answered(&args, &answer),
        Err(failure) => failed(&args, &failure),
    }
}

/// What this payment may cost: what the audit log leaves of the budget, where there is one.
fn budget(args: &PayArgs) -> anyhow::Result<Amount> {
    let Some(budget) = args.budget else { return Ok(args.max_price) };
    let past = spent_since(&args.purse.audit, 0)?;
    let left = budget.checked_sub(past.charged()).and_then(|left| left.checked_sub(past.held()));
    Ok(left.unwrap_or(Amount::ZERO))
}

fn order(args: &PayArgs) -> anyhow::Result<Order> {
    let body = args.data.as_deref().map(data).transpose()?;
    let method = match (&args.method, &body) {
        (Some(method), _) => method.clone(),
        (None, Some(_)) => Method::POST,
        (None, None) => Method::GET,
    };
    let mut order = Order::new(method, args.url.clone());
    let mut has_type = false;
    for line in &args.headers {
        let (name, value) = field(line).with_context(|| format!("the field `{line}` is not `Name: value`"))?;
        has_type |= name == header::CONTENT_TYPE;
        order = order.with_field(name, value)?;
    }
    let Some(body) = body else { return Ok(order) };
    if !has_type {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        order = order.with_field(header::CONTENT_TYPE, form)?;
    }
    Ok(order.with_body(body))
}

fn field(line: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':').context("no colon")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

fn data(text: &str) -> anyhow::Result<Bytes> {
    let Some(file) = text.strip_prefix('@') else { return Ok(Bytes::copy_from_slice(text.as_bytes())) };
    let mut body = Vec::new();
    let read = match file {
        "-" => std::io::stdin().lock().read_to_end(&mut body).map(drop),
        file => std::fs::read(file).map(|read| body = read),
    };
    read.with_context(|| format!("cannot read {file}"))?;
    Ok(body.into())
}

fn answered(args: &PayArgs, answer: &Answer) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.output {
        std::fs::write(file, &answer.body).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if args.json {
        say_json(&facts(args, answer))?;
    } else {
        show(args, answer.status, &answer.headers, &answer.body);
        receipt(args, answer);
    }
    let is_fine = answer.status.is_success() || answer.status.is_redirection();
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// Prints the answer, with its head where that was asked for.
pub(super) fn show(args: &PayArgs, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
    if args.include {
        say(format_args!("HTTP/1.1 {status}"));
        for (name, value) in headers {
            say(format_args!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        say("");
    }
    if args.output.is_none() {
        print(body);
    }
}

/// A reader that has gone away ends the program quietly.
fn print(body: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(body).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn receipt(args: &PayArgs, answer: &Answer) {
    let Some(charged) = answer.charged else {
        eprintln!("tollway: {} cost nothing", args.url);
        return;
    };
    let place = answer.receipt.as_ref().and_then(|facts| facts.sequence);
    let place = place.map(|sequence| format!(", sequence {sequence} of the seller's journal")).unwrap_or_default();
    eprintln!("tollway: paid {} for {}, commitment {}{place}", dollars(charged.amount), args.url, charged.id);
}

fn facts(args: &PayArgs, answer: &Answer) -> serde_json::Value {
    let facts = answer.receipt.as_ref();
    json!({
        "url": args.url.as_str(),
        "status": answer.status.as_u16(),
        "bytes": answer.body.len(),
        "output": args.output.as_deref().map(Path::to_string_lossy),
        "charged": answer.charged.map_or(Amount::ZERO, |charged| charged.amount),
        "commitment": answer.charged.map(|charged| charged.id),
        "asset": facts.map(|facts| facts.asset.as_str()),
        "posted_at": facts.map(|facts| facts.posted_at),
        "sequence": facts.and_then(|facts| facts.sequence),
        "head": facts.and_then(|facts| facts.head.as_deref()),
    })
}

fn failed(args: &PayArgs, failure: &PayFailure) -> anyhow::Result<ExitCode> {
    let code = match &failure.error {
        _ if failure.charged.is_some() => NO_ANSWER,
        PayError::Unknown { .. } => NO_ANSWER,
        PayError::TooDear { .. } => TOO_DEAR,
        PayError::Refused(refusal) if matches!(refusal.reason, Reason::BudgetExhausted | Reason::OverMaxPrice) => {
            TOO_DEAR
        }
        PayError::Refused(refusal) if refusal.reason == Reason::JournalUnavailable => COULD_NOT_ASK,
        PayError::Refused(_) => REFUSED,
        PayError::Unreachable(_) => COULD_NOT_ASK,
    };
    let words = match &failure.error {
        PayError::TooDear { asked } => {
            format!("it costs {}, more than the {} of --max-price", dollars(*asked), dollars(args.max_price))
        }
        error => error.to_string(),
    };
    eprintln!("tollway: {words}");
    if args.json {
        say_json(&json!({
            "url": args.url.as_str(),
            "error": words,
            "charged": failure.charged.map_or(Amount::ZERO, |charged| charged.amount),
            "commitment": failure.charged.map(|charged| charged.id),
        }))?;
    }
    Ok(ExitCode::from(code))
}

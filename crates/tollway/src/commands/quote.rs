//! `tollway quote`: what a resource costs, under which offer and terms. Nothing is paid.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use tollway_core::offer::Offer;
use tollway_http::payer::Order;
use tollway_protocol::{Dress, Price};

use super::statement::asker;
use super::{now, say, say_json};
use crate::cli::QuoteArgs;
use crate::keys;

pub(crate) async fn run(args: QuoteArgs) -> anyhow::Result<ExitCode> {
    let order = Order::new(args.method.clone(), args.url.clone());
    if args.from_wallet.is_given() {
        return super::pay_exact::quote(&args.from_wallet, &order, args.json).await;
    }
    let agent = args.promiser.agent.as_deref().context("--agent")?;
    let scratch = std::env::temp_dir().join(format!("tollway-quote-{}", std::process::id()));
    let payer = asker(keys::read(&args.promiser.key)?, agent, &scratch)?;
    let quoted = payer.quote_order(&order).await;
    // The payer's log stays empty: nothing is bought here.
    let removed = std::fs::remove_file(&scratch);
    let offer = quoted?;
    removed.context("the scratch log")?;
    match (offer, args.json) {
        (None, true) => say_json(&json!({"url": args.url.as_str(), "free": true}))?,
        (None, false) => say("free"),
        (Some(offer), true) => say_json(&facts(&args, &offer))?,
        (Some(offer), false) => print(&offer),
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(args: &QuoteArgs, offer: &Offer) -> serde_json::Value {
    let document = offer.document();
    json!({
        "url": args.url.as_str(),
        "free": false,
        "amount": document.amount,
        "asset": document.asset,
        "scale": document.scale,
        "price": price(offer),
        "seller": document.seller,
        "rule": document.rule,
        "audience": document.audience,
        "scope": document.scope,
        "dresses": document.ways,
        "not_before": document.not_before,
        "not_after": document.not_after,
        "terms": document.terms,
        "offer": offer.id().to_string(),
        "jws": offer.jws(),
    })
}

fn print(offer: &Offer) {
    let document = offer.document();
    let line = |name: &str, value: &str| say(format_args!("{name:<8} {value}"));
    line("Price", &price(offer));
    line("For", &format!("{} {} of {}", document.scope.methods.join(", "), document.scope.path, document.seller));
    line("Who", &document.audience);
    line("Until", &until(document.not_after));
    line("Dresses", &document.ways.iter().map(Dress::to_string).collect::<Vec<_>>().join(", "));
    match &document.terms {
        Some(terms) => line("Terms", &format!("{} (sha256 {})", terms.url, terms.hash)),
        None => line("Terms", "none"),
    }
    line("Offer", &offer.id().to_string());
}

fn price(offer: &Offer) -> String {
    let document = offer.document();
    let price = Price { amount: document.amount, asset: document.asset.clone(), scale: document.scale };
    format!("{} {}", price.to_decimal(), document.asset.as_str())
}

/// The end of the window, and how far it is away.
fn until(not_after: u64) -> String {
    let left = not_after.saturating_sub(now());
    let end = i64::try_from(not_after).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    end.map_or_else(|| format!("{left} s from now"), |end| format!("{end}, {left} s from now"))
}

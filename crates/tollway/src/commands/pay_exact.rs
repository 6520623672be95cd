//! `tollway pay` and `tollway quote` from a wallet: the exact scheme, in either version of x402.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use serde_json::json;
use tollway_core::buyer::exact::{Ceilings, Choice, PayableAsset};
use tollway_core::clock::SystemClock;
use tollway_evm::asset::{Assets, chain_id};
use tollway_evm::client::EvmWallet;
use tollway_http::payer::exact::{Confirm, ExactAnswer, ExactPayer, ExactPayerParts, PurseFile, Quote};
use tollway_http::payer::{Order, PayError};
use tollway_protocol::{Amount, Asset, Network, Price, Reason, Scale};

use super::buyer::{BODY_MAX, client, entropy};
use super::{say, say_json};
use crate::cli::{FromWalletArgs, PayArgs};
use crate::evm;
use crate::money::dollars;

/// How it ended where it did not end well; the words are in `--help`.
const COULD_NOT_ASK: u8 = 1;
const TOO_DEAR: u8 = 3;
const REFUSED: u8 = 4;
const NO_ANSWER: u8 = 5;

/// Networks whose coins are worth nothing: paid on unless others are named.
const TEST_NETWORKS: [&str; 7] =
    ["eip155:84532", "eip155:421614", "eip155:11142220", "eip155:2201", "eip155:1328", "eip155:51", "eip155:31611"];

/// Sends an order, paid for from the wallet.
pub(super) async fn run(args: &PayArgs, order: &Order) -> anyhow::Result<ExitCode> {
    let payer = payer(&args.from_wallet, args.max_price)?;
    match payer.buy(order).await {
        Ok(answer) => answered(args, answer),
        Err(error) => failed(args, &error),
    }
}

/// Says what an order costs.
pub(super) async fn quote(args: &FromWalletArgs, order: &Order, as_json: bool) -> anyhow::Result<ExitCode> {
    // A quote names what is asked, whatever it is.
    let payer = payer(args, Amount::LARGEST)?;
    let quote = payer.quote(order).await?;
    match (quote, as_json) {
        (None, true) => say_json(&json!({"url": order.url().as_str(), "free": true}))?,
        (None, false) => say("free"),
        (Some(quote), true) => say_json(&quoted(order, &quote))?,
        (Some(quote), false) => print_quote(&quote),
    }
    Ok(ExitCode::SUCCESS)
}

/// A payer made of the arguments. Ceilings are never absent.
fn payer(args: &FromWalletArgs, per_payment: Amount) -> anyhow::Result<ExactPayer> {
    let key = evm::wallet_key(args.wallet.as_deref(), args.password_file.as_deref())?;
    let mut wallet = EvmWallet::new(key);
    for (network, url) in &args.rpc {
        let id = chain_id(network).with_context(|| format!("--rpc: {network} is no EVM chain"))?;
        wallet = wallet.asking(id, Arc::new(evm::rpc(network, vec![url.clone()], None)?));
    }
    let confirm: Option<Arc<dyn Confirm>> = if args.yes { None } else { Some(Arc::new(Terminal)) };
    Ok(ExactPayer::new(ExactPayerParts {
        transport: Arc::new(client()?),
        wallet: Arc::new(wallet),
        ceilings: Ceilings {
            per_payment,
            per_host: args.max_per_host,
            per_day: args.max_per_day,
            assets: payable(&args.networks),
        },
        purse: PurseFile::open(&args.purse).with_context(|| format!("the purse {}", args.purse.display()))?,
        confirm,
        again: args.again,
        clock: Arc::new(SystemClock),
        entropy: entropy(),
        body_max: BODY_MAX,
    }))
}

pub(super) fn payable(networks: &[Network]) -> Vec<PayableAsset> {
    let allowed = |network: &Network| match networks {
        [] => TEST_NETWORKS.contains(&network.as_str()),
        named => named.contains(network),
    };
    let assets = Assets::default();
    let known = assets.iter().filter(|asset| allowed(&asset.network));
    known
        .map(|asset| PayableAsset {
            network: asset.network.clone(),
            asset: asset.asset(),
            scale: asset.scale,
            symbol: asset.symbol.to_string(),
        })
        .collect()
}

/// Asks whoever sits at the terminal. Without one the answer is no.
struct Terminal;

#[async_trait]
impl Confirm for Terminal {
    async fn confirm(&self, url: &str, choice: &Choice) -> bool {
        if !std::io::stdin().is_terminal() {
            eprintln!("tollway: nobody is at a terminal to confirm {}; say --yes", dollars(choice.price));
            return false;
        }
        let question = format!(
            "Pay {} ({} of {} on {}) to {} for {url}? [y/N] ",
            dollars(choice.price),
            choice.requirements.amount,
            choice.requirements.asset,
            choice.requirements.network,
            choice.requirements.pay_to
        );
        // Reading a terminal blocks.
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = String::new();
            eprint!("{question}");
            let read = std::io::stderr().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
            read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
        });
        asked.await.unwrap_or(false)
    }
}

fn answered(args: &PayArgs, answer: ExactAnswer) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.output {
        std::fs::write(file, &answer.body).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if args.json {
        say_json(&facts(args, &answer))?;
    } else {
        super::pay::show(args, answer.status, &answer.headers, &answer.body);
        match &answer.paid {
            None => eprintln!("tollway: {} cost nothing, or nobody said what it cost", args.url),
            Some(paid) => eprintln!(
                "tollway: paid {} for {}, transfer {} on {}",
                dollars(paid.signed.price),
                args.url,
                paid.transaction,
                paid.signed.network
            ),
        }
    }
    let is_fine = answer.status.is_success() || answer.status.is_redirection();
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

fn facts(args: &PayArgs, answer: &ExactAnswer) -> serde_json::Value {
    let paid = answer.paid.as_ref();
    let signed = paid.map(|paid| &paid.signed);
    json!({
        "url": args.url.as_str(),
        "status": answer.status.as_u16(),
        "bytes": answer.body.len(),
        "output": args.output.as_deref().map(std::path::Path::to_string_lossy),
        "charged": signed.map_or(Amount::ZERO, |signed| signed.price),
        "payment": signed.map(|signed| signed.payment),
        "transaction": paid.map(|paid| paid.transaction.as_str()),
        "network": signed.map(|signed| &signed.network),
        "asset": signed.map(|signed| &signed.asset),
        "amount": signed.map(|signed| signed.amount),
        "pay_to": signed.map(|signed| signed.pay_to.as_str()),
        "payer": signed.map(|signed| signed.payer.as_str()),
        "x402_version": signed.map(|signed| signed.version),
    })
}

fn failed(args: &PayArgs, error: &PayError) -> anyhow::Result<ExitCode> {
    let code = match error {
        PayError::Refused(refusal) => match refusal.reason {
            Reason::BudgetExhausted | Reason::OverMaxPrice | Reason::Declined => TOO_DEAR,
            Reason::JournalUnavailable => COULD_NOT_ASK,
            Reason::OutcomeUnknown | Reason::BodyTooLarge => NO_ANSWER,
            _ => REFUSED,
        },
        PayError::TooDear { .. } => TOO_DEAR,
        PayError::Unknown { .. } => NO_ANSWER,
        PayError::Unreachable(_) => COULD_NOT_ASK,
    };
    eprintln!("tollway: {error}");
    if args.json {
        say_json(&json!({"url": args.url.as_str(), "error": error.to_string(), "charged": Amount::ZERO}))?;
    }
    Ok(ExitCode::from(code))
}

fn quoted(order: &Order, quote: &Quote) -> serde_json::Value {
    let choice = quote.choice.as_ref().ok();
    json!({
        "url": order.url().as_str(),
        "free": false,
        "x402_version": quote.version,
        "accepts": quote.accepts,
        "choice": choice.map(|choice| &choice.requirements),
        "price": choice.map(|choice| choice.price),
        "refused": quote.choice.as_ref().err().map(|refusal| refusal.reason.code()),
    })
}

fn print_quote(quote: &Quote) {
    say(format_args!("x402 version {}", quote.version));
    let assets = Assets::default();
    for entry in &quote.accepts {
        let known = assets.iter().find(|asset| {
            asset.network == entry.network && asset.asset().as_str().eq_ignore_ascii_case(entry.asset.as_str())
        });
        let sum = match known {
            Some(asset) => {
                let price = Price { amount: entry.amount, asset: asset.asset(), scale: asset.scale };
                format!("{} {}", price.to_decimal(), asset.symbol)
            }
            // Books in US dollars count millionths of one; no other scale is believed.
            None if entry.asset == Asset::usd() => {
                let price = Price { amount: entry.amount, asset: Asset::usd(), scale: Scale::MICRO };
                format!("{} USD", price.to_decimal())
            }
            None => format!("{} of {}", entry.amount, entry.asset),
        };
        let taken = quote.choice.as_ref().is_ok_and(|choice| choice.requirements == *entry);
        let mark = if taken { "  <- this wallet pays here" } else { "" };
        say(format_args!("  {:<18} {:<14} {sum} to {}{mark}", entry.scheme, entry.network, entry.pay_to));
    }
    if let Err(refusal) = &quote.choice {
        say(format_args!("this wallet cannot pay: {refusal}"));
    }
}

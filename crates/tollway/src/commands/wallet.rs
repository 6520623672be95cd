//! `tollway wallet`: keys that pay, what they hold, what was signed with them.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use alloy_primitives::Address;
use anyhow::Context as _;
use serde_json::json;
use tollway_core::buyer::exact::{Payment, PaymentEnd};
use tollway_evm::asset::Assets;
use tollway_http::payer::exact::PurseFile;
use tollway_protocol::{Amount, Network, Price};
use zeroize::Zeroizing;

use super::{now, say, say_json};
use crate::cli::{WalletArgs, WalletCommand};
use crate::money::dollars;
use crate::{evm, keystore};

/// Longest private key read from standard input, in bytes.
const KEY_MAX: u64 = 128;

pub(crate) async fn run(args: WalletArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        WalletCommand::New { file, password } => {
            let password = keystore::password(password.password_file.as_deref(), true)?;
            made(args.json, &file, keystore::create(&file, &keystore::fresh_key()?, &password)?)
        }
        WalletCommand::Import { file, password } => {
            let mut text = Zeroizing::new(String::new());
            std::io::stdin().lock().take(KEY_MAX).read_to_string(&mut text).context("standard input")?;
            let key = evm::key_bytes(&text)?;
            let password = keystore::password(password.password_file.as_deref(), true)?;
            made(args.json, &file, keystore::create(&file, &key, &password)?)
        }
        WalletCommand::Show { file } => made(args.json, &file, keystore::address(&file)?),
        WalletCommand::Balance { wallet, network, rpc } => balance(args.json, &wallet, &network, rpc).await,
        WalletCommand::Payments { purse } => payments(args.json, &purse),
    }
}

fn made(as_json: bool, file: &Path, address: Address) -> anyhow::Result<ExitCode> {
    if as_json {
        say_json(&json!({"wallet": file, "address": address.to_checksum(None)}))?;
    } else {
        say(address.to_checksum(None));
    }
    Ok(ExitCode::SUCCESS)
}

async fn balance(as_json: bool, wallet: &str, network: &Network, rpc: String) -> anyhow::Result<ExitCode> {
    let address = match wallet.parse::<Address>() {
        Ok(address) => address,
        Err(_) => keystore::address(Path::new(wallet))?,
    };
    let rpc = evm::rpc(network, vec![rpc], None)?;
    let coins = rpc.balance(address).await?;
    let assets = Assets::default();
    let mut held = Vec::new();
    for asset in assets.iter().filter(|asset| asset.network == *network) {
        let amount = rpc.balance_of(asset.address, address).await?;
        let amount = Amount::new(amount.try_into().unwrap_or(u128::MAX));
        let price = Price { amount, asset: asset.asset(), scale: asset.scale };
        held.push((asset, price));
    }
    if as_json {
        let held: Vec<_> = held
            .iter()
            .map(|(asset, price)| json!({"symbol": asset.symbol, "asset": asset.asset(), "amount": price.amount}))
            .collect();
        let gas = coins.to_string();
        say_json(&json!({"address": address.to_checksum(None), "network": network, "gas": gas, "assets": held}))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("{} on {network}", address.to_checksum(None)));
    for (asset, price) in held {
        say(format_args!("  {:<8} {}", asset.symbol, price.to_decimal()));
    }
    say(format_args!("  {:<8} {coins} wei", "gas"));
    Ok(ExitCode::SUCCESS)
}

fn payments(as_json: bool, path: &Path) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(path.is_file(), "there is no purse {}", path.display());
    let purse = PurseFile::open(path).with_context(|| format!("the purse {}", path.display()))?;
    let (payments, today) = (purse.payments()?, purse.spending(now())?);
    if as_json {
        say_json(&json!({"payments": payments, "today": today}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for payment in &payments {
        say(line(payment));
    }
    say(format_args!("today: {} paid, {} held", dollars(today.settled), dollars(today.held)));
    Ok(ExitCode::SUCCESS)
}

fn line(payment: &Payment) -> String {
    let signed = &payment.signed;
    let end = match &payment.end {
        PaymentEnd::Open => "open".to_owned(),
        PaymentEnd::Settled { transaction } => format!("paid {}", transaction.as_deref().unwrap_or("")),
        PaymentEnd::Refused { reason } => format!("refused {reason}"),
        PaymentEnd::Unknown => "outcome not known".to_owned(),
        PaymentEnd::Unused => "never used".to_owned(),
    };
    format!("{:<10} {} {}  {end}", dollars(signed.price), signed.method, signed.url)
}

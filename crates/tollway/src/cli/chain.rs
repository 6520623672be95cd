//! Arguments of what pays and settles on chains.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tollway_protocol::Amount;

use super::usd;

/// Paying from a wallet.
#[derive(Debug, Args)]
#[command(next_help_heading = "Paying from a wallet")]
pub(crate) struct FromWalletArgs {
    /// Pay by stablecoin from this keystore (see `tollway wallet new`), instead of by promise.
    #[arg(long, value_name = "FILE")]
    pub(crate) wallet: Option<PathBuf>,
    /// Pay with the bare private key in the environment variable TOLLWAY_WALLET_KEY. For trials.
    #[arg(long, conflicts_with = "wallet")]
    pub(crate) wallet_key_from_env: bool,
    /// File with the keystore's password; else TOLLWAY_WALLET_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Networks that may be paid on; test networks only, unless given.
    #[arg(long = "allow-network", value_name = "NETWORK")]
    pub(crate) networks: Vec<tollway_protocol::Network>,
    /// An endpoint of a network, to look up allowances and outcomes.
    #[arg(long, value_name = "NETWORK=URL", value_parser = rpc)]
    pub(crate) rpc: Vec<(tollway_protocol::Network, String)>,
    /// Most that one host may get in a day.
    #[arg(long, default_value = "$10", value_parser = usd)]
    pub(crate) max_per_host: Amount,
    /// Most that everyone may get in a day.
    #[arg(long, default_value = "$10", value_parser = usd)]
    pub(crate) max_per_day: Amount,
    /// What was signed; one file for all programs that share the ceilings.
    #[arg(long, value_name = "FILE", default_value = "purse.jsonl")]
    pub(crate) purse: PathBuf,
    /// Pay within the ceilings without asking. Needed where no person is at a terminal.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Pay anew for a purchase whose earlier payment ended without anyone knowing what became of it.
    #[arg(long)]
    pub(crate) again: bool,
}

impl FromWalletArgs {
    /// Whether a wallet was named.
    pub(crate) fn is_given(&self) -> bool {
        self.wallet.is_some() || self.wallet_key_from_env
    }
}

/// Who buys by promise; not needed where a wallet pays.
#[derive(Debug, Args)]
pub(crate) struct PromiserArgs {
    /// The signature agent: where the key is published, such as https://crawler.example.
    #[arg(long, required_unless_present_any = ["wallet", "wallet_key_from_env"])]
    pub(crate) agent: Option<String>,
    /// The private key that signs (JWK; see `tollway keys new`).
    #[arg(long, default_value = "crawler.jwk")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WalletArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: WalletCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a wallet: a new key in an encrypted keystore (Web3 Secret Storage, version 3).
    New {
        /// The keystore; never overwritten.
        file: PathBuf,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Put an existing private key into a keystore. It is read from standard input: 64 hexadecimal
    /// digits.
    Import {
        /// The keystore; never overwritten.
        file: PathBuf,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Show a wallet's address.
    Show {
        /// The keystore.
        file: PathBuf,
    },
    /// Ask a chain what a wallet holds.
    Balance {
        /// The keystore, or an address.
        wallet: String,
        /// The network, such as eip155:84532.
        #[arg(long, default_value = "eip155:84532")]
        network: tollway_protocol::Network,
        /// Its JSON-RPC endpoint.
        #[arg(long)]
        rpc: String,
    },
    /// What was signed from a purse, and what became of it.
    Payments {
        /// The purse.
        #[arg(long, value_name = "FILE", default_value = "purse.jsonl")]
        purse: PathBuf,
    },
}

/// Where a keystore's password comes from.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// File with the password; else TOLLWAY_WALLET_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FacilitatorArgs {
    /// The facilitator's configuration.
    #[arg(short, long, default_value = "facilitator.toml")]
    pub(crate) config: PathBuf,
    /// Listen here instead of where the configuration says.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// Read the configuration, say what it means, and start nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// Make an API key: the key for the caller, its SHA-256 for the configuration.
    #[command(subcommand)]
    pub(crate) command: Option<FacilitatorCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FacilitatorCommand {
    /// Make an API key: the key for the caller, its SHA-256 for the configuration.
    Key,
}

fn rpc(text: &str) -> Result<(tollway_protocol::Network, String), String> {
    let (network, url) = text.split_once('=').ok_or("it is written NETWORK=URL")?;
    Ok((network.parse().map_err(|error| format!("{error}"))?, url.to_owned()))
}

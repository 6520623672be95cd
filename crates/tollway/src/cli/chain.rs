//! Arguments of what pays and settles on chains.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use tollway_devnet::alloy_primitives::{Address, U256};
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

#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// Where JSON-RPC is answered.
    #[arg(long, default_value = "127.0.0.1:8545")]
    pub(crate) listen: SocketAddr,
    /// The chain's id.
    #[arg(long, default_value_t = 84_532)]
    pub(crate) chain_id: u64,
    /// Seconds between blocks; a block for each transaction unless given.
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) block_time: Option<u64>,
    /// Give an account test USDC from the start, such as 0x5e…=12.50.
    #[arg(long, value_name = "ADDRESS=USDC", value_parser = funding)]
    pub(crate) fund: Vec<(Address, U256)>,
    /// Print the state the chain begins with, as anvil and geth read it, and run nothing.
    #[arg(long)]
    pub(crate) print_genesis: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ADDRESS=USDC`, the amount in atomic units.
fn funding(text: &str) -> Result<(Address, U256), String> {
    let (address, amount) = text.split_once('=').ok_or("write it like 0x5e…=12.50")?;
    let address = address.parse().map_err(|error| format!("{address} is no address: {error}"))?;
    // Test USDC counts in millionths, as dollars do here.
    let amount = usd(&format!("{amount} USD")).map_err(|error| format!("{amount} is no amount of USDC: {error}"))?;
    Ok((address, U256::from(amount.get())))
}

pub(super) fn rpc(text: &str) -> Result<(tollway_protocol::Network, String), String> {
    let (network, url) = text.split_once('=').ok_or("it is written NETWORK=URL")?;
    Ok((network.parse().map_err(|error| format!("{error}"))?, url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_the_devnet_are_funded_in_usdc() {
        let address = Address::repeat_byte(0x5e);
        assert_eq!(funding(&format!("{address}=12.50")), Ok((address, U256::from(12_500_000))));
        for text in
            ["", "0x5e=1", "12", &format!("{address}="), &format!("{address}=-1"), &format!("{address}=0.0000001")]
        {
            assert!(funding(text).is_err(), "{text}");
        }
    }
}

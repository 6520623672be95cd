//! Arguments of paying for tools.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tollway_mcp::buyer::Entry;
use tollway_protocol::{Amount, Network};
use url::Url;

use super::{chain, usd};
use crate::commands::mcp_pay::Ask;

/// Where the tools are.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct McpServerArgs {
    /// The server, by streamable HTTP.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<Url>,
    /// The server, as a program that speaks on its standard input and output; split at spaces, with quotes for those
    /// that belong to a word.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = MCP_PAY_HELP)]
pub(crate) struct McpPayArgs {
    #[command(flatten)]
    pub(crate) server: McpServerArgs,
    /// Serve streamable HTTP here instead of standard input and output. Loopback only.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Pay by stablecoin from this keystore (see `tollway wallet new`).
    #[arg(long, value_name = "FILE")]
    pub(crate) wallet: Option<PathBuf>,
    /// Pay with the bare private key in the environment variable TOLLWAY_WALLET_KEY. For trials.
    #[arg(long, conflicts_with = "wallet")]
    pub(crate) wallet_key_from_env: bool,
    /// File with the keystore's password; else TOLLWAY_WALLET_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Networks that may be paid on; test networks only, unless given.
    #[arg(long = "allow-network", value_name = "NETWORK")]
    pub(crate) networks: Vec<Network>,
    /// An endpoint of a network, to look up allowances and outcomes.
    #[arg(long, value_name = "NETWORK=URL", value_parser = chain::rpc)]
    pub(crate) rpc: Vec<(Network, String)>,
    /// Pay by promise as this signature agent: where the key is published, such as https://crawler.example.
    #[arg(long, requires = "key")]
    pub(crate) agent: Option<String>,
    /// The private key that signs promises (JWK; see `tollway keys new`).
    #[arg(long, value_name = "FILE", requires = "agent")]
    pub(crate) key: Option<PathBuf>,
    /// Network id on which promises are billed.
    #[arg(long, default_value = "tollway:402")]
    pub(crate) network: Network,
    /// Take this scheme first where several ways are within the limits: exact, batch-settlement.
    #[arg(long, value_name = "SCHEME")]
    pub(crate) prefer: Option<String>,
    /// Take this network first.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) prefer_network: Option<Network>,
    /// Most that one call may cost.
    #[arg(long, default_value = "$0.10", value_parser = usd)]
    pub(crate) max_price: Amount,
    /// Most that this session may cost: from now until this program ends.
    #[arg(long, default_value = "$1", value_parser = usd)]
    pub(crate) budget: Amount,
    /// Most that this server may get in a day (UTC).
    #[arg(long, default_value = "$5", value_parser = usd)]
    pub(crate) per_server: Amount,
    /// Most that everyone may get in a day (UTC), from this purse.
    #[arg(long, default_value = "$5", value_parser = usd)]
    pub(crate) per_day: Amount,
    /// Pay only for these tools; `*` is any run of characters. May be given several times.
    #[arg(long = "allow-tool", value_name = "TOOL")]
    pub(crate) allowed: Vec<Entry>,
    /// Pay without asking what costs no more than this. $0 unless given: everything is asked for.
    #[arg(long, value_name = "AMOUNT", default_value = "$0", value_parser = usd)]
    pub(crate) yes_up_to: Amount,
    /// Seconds that whoever is asked has to answer.
    #[arg(long, value_name = "SECS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) confirm_within: u64,
    /// Where a person is asked, when the agent's client cannot.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) ask: Ask,
    /// What was signed; one file for all programs that share the limits of the day.
    #[arg(long, value_name = "FILE", default_value = "purse.jsonl")]
    pub(crate) purse: PathBuf,
    /// The log of promises and receipts; kept and continued.
    #[arg(long, value_name = "FILE", default_value = "audit.jsonl")]
    pub(crate) audit: PathBuf,
}

/// What `tollway mcp pay --help` ends with.
const MCP_PAY_HELP: &str =
    "Before a payment is signed, whoever sits there is asked: through the agent's own client where
it can ask (MCP elicitation), else where --ask says. Where nobody can be asked nothing is paid,
except what --yes-up-to allows. docs/mcp.md tells more.";

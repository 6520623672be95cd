//! The command line.
// Its documentation is what --help prints, where a URL in angle brackets would look odd.
#![allow(rustdoc::bare_urls)]

mod chain;
mod ledger;
mod mcp;
mod mcp_pay;
mod mcp_sell;
mod spending;

pub(crate) use chain::{
    DevnetArgs, FacilitatorArgs, FacilitatorCommand, FromWalletArgs, PromiserArgs, WalletArgs, WalletCommand,
};
pub(crate) use ledger::{Format, LedgerArgs, LedgerCommand, PaidArgs};
pub(crate) use mcp::{McpArgs, McpCommand};
pub(crate) use mcp_pay::McpPayArgs;
pub(crate) use mcp_sell::McpSellArgs;
pub(crate) use spending::SpendingArgs;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tollway_protocol::{Amount, Dress, Price};
use url::Url;

/// The open, self-hosted toll road of the web.
///
/// Sites and APIs answer `402 Payment Required` with terms a machine can read, crawlers and agents
/// pay by a signed promise, and one bill a day closes books that both sides can check.
#[derive(Debug, Parser)]
#[command(name = "tollway", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is logged, to standard error.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// What is worth a line. Keys, signatures, payments and queries never are.
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Warn)]
    pub(crate) log_level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See a whole day pass: a site, its gateway, a crawler that pays, the bill, the proof.
    Demo(DemoArgs),
    /// Watch an agent pay, in a browser: a funded test wallet, sellers and every message, on this machine alone.
    Playground(PlaygroundArgs),
    /// Put a gate in front of a folder of files or an HTTP server.
    Gateway(GatewayArgs),
    /// Read a configuration and say what it means, without starting anything.
    Check(CheckArgs),
    /// Say which rule decides a request, why, and what would be answered.
    Explain(ExplainArgs),
    /// Look at keys, books, clock, certificate, origin and directories, and say what to do.
    Doctor(DoctorArgs),
    /// Who may buy on credit.
    Agents(AgentsArgs),
    /// The books: close a day, write bills, export, verify, reconcile.
    Ledger(LedgerArgs),
    /// Crawl sites and pay for what costs money, within a budget.
    Crawl(CrawlArgs),
    /// Ask for one resource, pay for it, print it.
    Pay(PayArgs),
    /// Say what a resource costs, without paying.
    Quote(QuoteArgs),
    /// Fetch, verify and reconcile one's own bill.
    Statement(StatementArgs),
    /// Tools that cost: sell those of any MCP server, pay for those of others.
    Mcp(McpArgs),
    /// What was spent on pages and tools, by server, tool, day or scheme.
    Spending(SpendingArgs),
    /// Keys that sign, and the directory that publishes them.
    Keys(KeysArgs),
    /// Keys that pay by stablecoin, what they hold, what was signed with them.
    Wallet(WalletArgs),
    /// Verify and settle payments on chains for sellers.
    #[command(args_conflicts_with_subcommands = true)]
    Facilitator(FacilitatorArgs),
    /// Run an EVM chain with test money and the contracts of x402, for trials.
    Devnet(DevnetArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages, one for each command.
    Man {
        /// The folder; made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Which gateway.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The gateway's configuration.
    #[arg(short, long, default_value = "tollway.toml", global = true)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A folder of HTML to sell instead of the built-in site.
    #[arg(long, value_name = "DIR")]
    pub(crate) site: Option<PathBuf>,
    /// Where keys, books, logs and pages go; made anew.
    #[arg(long, value_name = "DIR", default_value = "tollway-demo")]
    pub(crate) dir: PathBuf,
    /// What the crawler may spend.
    #[arg(long, default_value = "$5", value_parser = usd)]
    pub(crate) budget: Amount,
    /// What a page costs.
    #[arg(long, default_value = "$0.002", value_parser = usd)]
    pub(crate) price: Amount,
    /// How the crawler promises to pay.
    #[arg(long, default_value = "x402", value_parser = dress)]
    pub(crate) dress: Dress,
    /// Pages at once.
    #[arg(long, default_value_t = 8)]
    pub(crate) concurrency: usize,
    /// Leave gateway and directory running until ctrl-c.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlaygroundArgs {
    /// Where the page is; a loopback address. Port 0 takes any that is free.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4024")]
    pub(crate) listen: SocketAddr,
    /// Print the URL and open no browser.
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Plan with a language model: the base URL of an endpoint that speaks OpenAI's chat completions.
    #[arg(long, value_name = "URL", requires = "llm_model")]
    pub(crate) llm_url: Option<Url>,
    /// The model's name.
    #[arg(long, value_name = "NAME", requires = "llm_url")]
    pub(crate) llm_model: Option<String>,
    /// The environment variable that holds the endpoint's key.
    #[arg(long, value_name = "VAR", requires = "llm_url")]
    pub(crate) llm_key_env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Listen here instead of where the configuration says.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = DOCTOR_EXIT_CODES)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `tollway doctor` ends with.
const DOCTOR_EXIT_CODES: &str = "Exit codes:
  0  nothing failed; there may be warnings
  1  the configuration cannot be read
  2  wrong command line
  3  a check failed";

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Method of the request.
    pub(crate) method: String,
    /// Its URL, or its path on the first public URL.
    pub(crate) url: String,
    /// A header of the request, such as "User-Agent: GPTBot/1.2".
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Explain it as if this signature agent had proved a signature.
    #[arg(long, value_name = "AGENT")]
    pub(crate) proved: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AgentsArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: AgentsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Open an account.
    Add {
        /// The signature agent's URL, such as https://crawler.example.
        agent: String,
        /// What it may owe at any time.
        #[arg(long, value_parser = usd)]
        credit: Amount,
        /// What it may buy in a day (UTC).
        #[arg(long, value_parser = usd)]
        daily_budget: Option<Amount>,
    },
    /// All accounts.
    List,
    /// One account, and what the agent says of itself.
    Show {
        /// The signature agent's URL.
        agent: String,
    },
    /// Change the limits of an account.
    Limit {
        /// The signature agent's URL.
        agent: String,
        /// What it may owe at any time.
        #[arg(long, value_parser = usd)]
        credit: Amount,
        /// What it may buy in a day (UTC); none unless given.
        #[arg(long, value_parser = usd)]
        daily_budget: Option<Amount>,
    },
    /// Sell nothing more to an agent.
    Block {
        /// The signature agent's URL.
        agent: String,
    },
    /// Sell to a blocked agent again.
    Unblock {
        /// The signature agent's URL.
        agent: String,
    },
}

/// Who buys.
#[derive(Debug, Args)]
pub(crate) struct BuyerArgs {
    /// The signature agent: where the key is published, such as https://crawler.example.
    #[arg(long)]
    pub(crate) agent: String,
    /// The private key that signs (JWK; see `tollway keys new`).
    #[arg(long, default_value = "crawler.jwk")]
    pub(crate) key: PathBuf,
}

/// How a buyer pays.
#[derive(Debug, Args)]
pub(crate) struct PurseArgs {
    /// The log of promises and receipts; kept and continued.
    #[arg(long, default_value = "audit.jsonl")]
    pub(crate) audit: PathBuf,
    /// How to promise to pay.
    #[arg(long, default_value = "x402", value_parser = dress)]
    pub(crate) dress: Dress,
    /// Network id on which to be billed.
    #[arg(long, default_value = "tollway:402")]
    pub(crate) network: String,
}

#[derive(Debug, Args)]
pub(crate) struct CrawlArgs {
    /// Where to begin; several sites share one budget and take turns.
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<Url>,
    #[command(flatten)]
    pub(crate) buyer: BuyerArgs,
    /// Most that one page may cost.
    #[arg(long, value_parser = usd)]
    pub(crate) max_price: Amount,
    /// Most that all of it may cost. With --out, that is the whole crawl into that folder: what its
    /// earlier runs spent by the same audit log counts, and what they promised without a known
    /// outcome is held.
    #[arg(long, value_parser = usd)]
    pub(crate) budget: Amount,
    /// Stop after this many pages.
    #[arg(long)]
    pub(crate) max_pages: Option<u64>,
    /// Longest page read, in bytes. No seller says before it is paid how long a page is: one that
    /// turns out longer is charged all the same. It is not bought again into the same folder, unless
    /// with a higher limit.
    #[arg(long, default_value_t = crate::crawl::PAGE_BYTES_MAX)]
    pub(crate) max_page_bytes: u64,
    /// Follow links this deep.
    #[arg(long)]
    pub(crate) depth: Option<u32>,
    /// Follow links on the whole host, or below the first URL's folder only.
    #[arg(long, value_enum, default_value_t = ScopeArg::Path)]
    pub(crate) scope: ScopeArg,
    /// Do not look for sitemaps (those robots.txt names, and /sitemap.xml).
    #[arg(long)]
    pub(crate) no_sitemaps: bool,
    /// Look for sitemaps, as is done unless told otherwise.
    #[arg(long, conflicts_with = "no_sitemaps")]
    pub(crate) sitemaps: bool,
    /// Pages at once.
    #[arg(long, default_value_t = 8)]
    pub(crate) concurrency: usize,
    /// Pages at once of one host.
    #[arg(long, default_value_t = 4)]
    pub(crate) per_host: usize,
    /// Seconds between two requests to a host, instead of what robots.txt asks for.
    #[arg(long)]
    pub(crate) crawl_delay: Option<f64>,
    /// WARNING: go where robots.txt says no. For your own sites, and where their owner has agreed;
    /// elsewhere it breaks the owner's word, and may get your key blocked.
    #[arg(long)]
    pub(crate) ignore_robots: bool,
    /// Save pages below this folder. A crawl that ended, or was killed, goes on from what is there:
    /// no page that is saved is asked for again.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Start over: what an earlier crawl left in the folder is removed first.
    #[arg(long, requires = "out")]
    pub(crate) fresh: bool,
    /// Add every answer to this archive (WARC/1.1), with what was paid for it.
    #[arg(long, value_name = "FILE")]
    pub(crate) warc: Option<PathBuf>,
    /// Serve a page with pages, money, rate and what is left of the budget, on this address
    /// (127.0.0.1:4026 unless given), also after the crawl, until ctrl-c. Its URL is printed.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:4026")]
    pub(crate) ui: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) purse: PurseArgs,
    /// Print the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = PAY_EXIT_CODES)]
pub(crate) struct PayArgs {
    /// What to ask for.
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) promiser: PromiserArgs,
    /// The method; GET unless given, or POST where there is data.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<http::Method>,
    /// A field to send, such as "Accept: text/csv".
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    pub(crate) headers: Vec<String>,
    /// Data to send, or @FILE to send a file, @- to send standard input. Sent as a form unless a
    /// Content-Type is given.
    #[arg(short, long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Write the body to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print status and fields before the body.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) include: bool,
    /// Most that it may cost.
    #[arg(long, default_value = "$0.10", value_parser = usd)]
    pub(crate) max_price: Amount,
    /// Most that everything in the audit log may have cost, with this.
    #[arg(long, value_parser = usd)]
    pub(crate) budget: Option<Amount>,
    #[command(flatten)]
    pub(crate) purse: PurseArgs,
    #[command(flatten)]
    pub(crate) from_wallet: FromWalletArgs,
    /// Print status and receipt as JSON, and the body only where --output says.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `tollway pay` ends with.
const PAY_EXIT_CODES: &str = "Exit codes:
  0  answered with 2xx or 3xx
  1  could not ask: a file, a key, no connection; nothing was charged
  2  wrong command line
  3  too dear, or over the budget; nothing was signed
  4  refused, or answered with 4xx or 5xx; nothing was charged
  5  charged, or perhaps charged, without an answer: the audit log has it";

#[derive(Debug, Args)]
pub(crate) struct QuoteArgs {
    /// What to ask about.
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) promiser: PromiserArgs,
    /// The method. A seller that asks no price for it runs the request.
    #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "GET")]
    pub(crate) method: http::Method,
    #[command(flatten)]
    pub(crate) from_wallet: FromWalletArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    Host,
    Path,
}

#[derive(Debug, Args)]
pub(crate) struct StatementArgs {
    /// The seller's origin, such as https://almanac.example.
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) buyer: BuyerArgs,
    /// A day or a month; the newest bill unless given.
    #[arg(long)]
    pub(crate) period: Option<String>,
    /// One's own log, to reconcile the bill with.
    #[arg(long)]
    pub(crate) audit: Option<PathBuf>,
    /// Keep the bill and its lines in this folder.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key file, readable by its owner only.
    New {
        /// The file; never overwritten.
        file: PathBuf,
    },
    /// Show a key's public half and thumbprint.
    Show {
        /// The key file.
        file: PathBuf,
    },
    /// Print the directory document of some keys.
    Directory {
        /// Key files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Serve the directory of some keys under its well-known path.
    Serve {
        /// Key files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:4022")]
        listen: SocketAddr,
        /// The origin under which the public sees it; it is what the document's signature is bound
        /// to. http:// and the address listened on unless given.
        #[arg(long)]
        public_url: Option<String>,
    },
}

/// US dollars, such as `$0.01` or `0.01 USD`, in micro-dollars.
fn usd(text: &str) -> Result<Amount, String> {
    let price = Price::parse(text).map_err(|error| format!("{error} (write it like $0.01 or \"0.01 USD\")"))?;
    if price.asset.as_str() != "USD" {
        return Err("amounts are in US dollars here".into());
    }
    Ok(price.amount)
}

fn dress(text: &str) -> Result<Dress, String> {
    text.parse().map_err(|error: tollway_protocol::ParseDressError| error.to_string())
}

/// Seconds since 1970, or an RFC 3339 time.
fn instant(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    u64::try_from(time.as_second()).map_err(|_| "a time after 1970".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn threat_26_odd_amounts_are_refused() {
        assert_eq!(usd("$0.01"), Ok(Amount::new(10_000)));
        for text in ["", "0.01", "-1 USD", "$1e3", "$0,01", "$0.0000001", "1 EUR"] {
            assert!(usd(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(instant("1795392000"), Ok(1_795_392_000));
        assert_eq!(instant("2026-11-23T00:00:00Z"), Ok(1_795_392_000));
        assert!(instant("tomorrow").is_err());
    }
}

//! Arguments of `tollway mcp sell`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct McpSellArgs {
    /// The server to sell, by streamable HTTP.
    #[arg(long, value_name = "URL", required_unless_present = "command", conflicts_with = "command")]
    pub(crate) upstream: Option<String>,
    /// The server to sell, as a program that speaks on its standard input and output; split at spaces, with quotes
    /// for those that belong to a word.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// What its calls cost, who sells, and where the books are (TOML).
    #[arg(long, value_name = "FILE", default_value = "prices.toml")]
    pub(crate) prices: PathBuf,
    /// Serve streamable HTTP here, at /mcp, instead of standard input and output.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

/// What `tollway mcp sell --help` ends with.
const HELP: &str = "Priced calls go through the till; lists show prices; everything else passes as it came. With
--listen the seller's documents are served too: offers, terms, accounts, bills. docs/mcp.md tells
what is said on the wire, docs/prices.example.toml what can be written into FILE.";

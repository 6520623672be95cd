//! Arguments of tools that cost.

use clap::{Args, Subcommand};

use super::{McpPayArgs, McpSellArgs};

#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    #[command(subcommand)]
    pub(crate) command: McpCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Put prices on the tools, resources and prompts of a server, without touching it.
    Sell(McpSellArgs),
    /// Stand between an agent and a server of tools that cost, and pay within limits.
    Pay(Box<McpPayArgs>),
}

//! Arguments of what was spent.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::spending::By;

#[derive(Debug, Args)]
pub(crate) struct SpendingArgs {
    /// By what it is added up.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
    /// The purse of what was signed.
    #[arg(long, value_name = "FILE", default_value = "purse.jsonl")]
    pub(crate) purse: PathBuf,
    /// The log of promises.
    #[arg(long, value_name = "FILE", default_value = "audit.jsonl")]
    pub(crate) audit: PathBuf,
    /// Serve a page with all of it on this address (127.0.0.1:4027 unless given) until ctrl-c. Its URL is
    /// printed.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:4027", conflicts_with_all = ["json", "csv"])]
    pub(crate) ui: Option<SocketAddr>,
    /// Print JSON; amounts are micro-dollars.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print CSV; amounts are micro-dollars.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

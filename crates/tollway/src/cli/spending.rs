//! Arguments of what was spent.

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
    /// Print JSON; amounts are micro-dollars.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print CSV; amounts are micro-dollars.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

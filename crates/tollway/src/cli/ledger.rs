//! Arguments of what looks after the books.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tollway_protocol::Amount;

use super::{ConfigArgs, instant, usd};

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Close a period: one signed bill for each agent. Closing twice changes nothing.
    Close {
        /// A day (2026-11-22) or a month (2026-11), UTC; yesterday unless given.
        #[arg(long)]
        period: Option<String>,
        /// The time it is, for trials: seconds since 1970, or 2026-11-23T00:00:00Z.
        #[arg(long, value_parser = instant)]
        now: Option<u64>,
    },
    /// Bills, all or one agent's, with their lines on request.
    Statement {
        /// Only this agent's.
        #[arg(long)]
        agent: Option<String>,
        /// Only this period's.
        #[arg(long)]
        period: Option<String>,
        /// Print the lines as CSV.
        #[arg(long)]
        lines: bool,
    },
    /// Record that a bill was paid: its agent's credit is free again. Recording it twice changes nothing.
    Paid(PaidArgs),
    /// Passes: what payments have opened, how much of each is used, and until when it is good.
    Passes {
        /// Only those that can still be used.
        #[arg(long)]
        open: bool,
    },
    /// End a pass before its time. Revoking it twice changes nothing.
    Revoke {
        /// The pass, as `passes` names it.
        pass: String,
    },
    /// Write the whole journal to a file, or to standard output.
    Export {
        /// JSON lines hold everything and can be verified; CSV holds the sales.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// The file; standard output unless given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Recompute chain, signatures and sums, from the books or from an export alone.
    Verify {
        /// An export to verify instead of the books.
        #[arg(long)]
        export: Option<PathBuf>,
        /// Public keys obtained from the parties: JWK or JWKS files.
        #[arg(long, value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// One promise or payment, or the newest entries of the journal.
    Show {
        /// A commitment's or a payment's id.
        id: Option<String>,
        /// How many entries.
        #[arg(long, default_value_t = 20)]
        last: u64,
    },
    /// Compare a crawler's log with the books or an export, and name every difference.
    Reconcile {
        /// The crawler's log.
        #[arg(long)]
        audit: PathBuf,
        /// An export instead of the books.
        #[arg(long)]
        export: Option<PathBuf>,
    },
}

/// A payment of a bill.
#[derive(Debug, Args)]
pub(crate) struct PaidArgs {
    /// Whose bill.
    pub(crate) agent: String,
    /// For which period: a day (2026-11-22) or a month (2026-11).
    pub(crate) period: String,
    /// How it was paid: card, bank and the like.
    #[arg(long)]
    pub(crate) rail: String,
    /// What the payment is called there; it pays one bill and no other.
    #[arg(long)]
    pub(crate) reference: String,
    /// What came in, which has to be what the bill asks for; that unless given.
    #[arg(long, value_parser = usd)]
    pub(crate) amount: Option<Amount>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Jsonl,
    Csv,
}

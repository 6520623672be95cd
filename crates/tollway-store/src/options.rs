//! How to open the books.

use std::time::Duration;

use tollway_ledger::Ledger;
use tollway_protocol::{Asset, Scale};

/// How to open the books.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The seller, by its public origin. Books of another seller are refused.
    pub seller: String,
    /// What is counted. Books of another asset are refused.
    pub asset: Asset,
    /// Decimal digits of the atomic unit.
    pub scale: Scale,
    /// How many live nonces are remembered; when there are more, new sales are refused.
    pub nonce_capacity: u64,
    /// How long to wait for another process that is writing.
    pub busy_wait: Duration,
    /// How long the writer gathers before it commits, when many sales are about to be posted: fewer
    /// and larger commits for a little latency. A sale that is alone never waits.
    pub gather_wait: Duration,
    /// How many commands may wait for the writer before callers wait to hand theirs in.
    pub queue: usize,
    /// Most pages (of 4 KiB) the file may grow to; beyond, the books answer as on a full disk.
    pub max_pages: Option<u32>,
}

impl OpenOptions {
    /// Room for 10 million nonces, 5 s of waiting for other processes, a queue of 4,096, no size limit.
    #[must_use]
    pub fn new(seller: impl Into<String>, asset: Asset, scale: Scale) -> Self {
        Self {
            seller: seller.into(),
            asset,
            scale,
            nonce_capacity: 10_000_000,
            busy_wait: Duration::from_secs(5),
            gather_wait: Duration::from_millis(2),
            queue: 4_096,
            max_pages: None,
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger { seller: self.seller.clone(), asset: self.asset.clone(), scale: self.scale }
    }
}

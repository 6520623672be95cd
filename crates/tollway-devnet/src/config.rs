//! How a chain is to be.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use alloy_primitives::{Address, U256};

use crate::chain::Clock;

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// As soon as a transaction can be run.
    Instant,
    /// Every so often, with or without transactions.
    Interval(Duration),
}

/// How a chain is to be. The contracts and the test accounts are always there.
#[derive(Clone)]
pub struct DevnetConfig {
    /// Where JSON-RPC is answered.
    pub listen: SocketAddr,
    /// The chain's id; Base Sepolia's unless changed.
    pub chain_id: u64,
    /// When blocks are made.
    pub mining: Mining,
    /// Who else has USDC from genesis on, in atomic units.
    pub funded: Vec<(Address, U256)>,
    /// Where time comes from.
    pub clock: Clock,
    /// The time of genesis, in seconds since 1970; what the clock says at the start unless given.
    pub genesis_time: Option<u64>,
}

impl Default for DevnetConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            chain_id: 84_532,
            mining: Mining::Instant,
            funded: Vec::new(),
            clock: system_clock(),
            genesis_time: None,
        }
    }
}

impl fmt::Debug for DevnetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevnetConfig")
            .field("listen", &self.listen)
            .field("chain_id", &self.chain_id)
            .field("mining", &self.mining)
            .field("funded", &self.funded)
            .field("genesis_time", &self.genesis_time)
            .finish_non_exhaustive()
    }
}

/// The machine's own clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

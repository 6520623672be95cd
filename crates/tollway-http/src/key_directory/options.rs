//! What a key directory may do; the defaults are those for a gateway on the open internet.

use std::time::Duration;

/// What a [`KeyDirectory`](super::KeyDirectory) may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryOptions {
    /// Agents on this very machine, by http too. For development; a program says so when it starts.
    pub allow_loopback: bool,
    /// Keys whose private half a standard prints, refused as `test_key` otherwise. For tests only.
    pub allow_test_keys: bool,
    /// Whether each key has to have signed its directory for the host that serves it. Without it a mirror can publish
    /// another's keys as its own.
    pub require_signature: bool,
    /// Most fetches at the same time. A quarter of them is kept for agents whose keys are held already, so that a crowd
    /// of strangers cannot keep those from being refreshed.
    pub fetches_in_flight: usize,
    /// Most fetches a second for agents of whom no key is held.
    pub new_agents_per_second: u32,
    /// The whole of one fetch, from the name's resolution to the last byte of the body.
    pub fetch_timeout: Duration,
    /// Longest freshness that is taken from a `Cache-Control`, in seconds.
    pub fresh_max: u64,
    /// How long keys are used after the last good fetch while refreshing fails, in seconds.
    pub stale_max: u64,
    /// Most keys that are remembered; an agent without keys (a failure) counts as one.
    pub entries_max: usize,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            allow_loopback: false,
            allow_test_keys: false,
            require_signature: true,
            fetches_in_flight: 16,
            new_agents_per_second: 10,
            fetch_timeout: Duration::from_secs(3),
            fresh_max: 3600,
            stale_max: 86_400,
            entries_max: 10_000,
        }
    }
}

//! JSON-RPC over HTTP POST. No CORS: a page in a browser has no business here.

mod dev;
mod error;
mod eth;
mod fees;
mod methods;
mod params;
mod serve;
mod shapes;

use parking_lot::RwLock;

use crate::{chain::Chain, faults::Faults};

pub(crate) use serve::serve;

/// What a request is answered from.
pub(crate) struct Node {
    pub(crate) chain: RwLock<Chain>,
    pub(crate) faults: Faults,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("faults", &self.faults).finish_non_exhaustive()
    }
}

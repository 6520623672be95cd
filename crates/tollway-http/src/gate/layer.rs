//! What a gate needs to know, and the layer that puts it in front of a service.

use std::sync::Arc;
use std::time::Duration;

use tollway_core::seller::Seller;

use super::answers::Answers;
use super::counters::Counters;
use super::exact::Spool;
use super::page::PageLook;
use super::ready::Demands;
use super::service::Gate;
use crate::endpoint::Endpoint;
use crate::site::Site;

/// Bounds of a gate.
#[derive(Debug, Clone, Copy)]
pub struct GateOptions {
    /// Longest request body on a priced resource, in bytes.
    pub request_body_max: usize,
    /// Answers up to this many bytes are gathered before they are charged, so that a cut one
    /// costs nothing; longer ones are charged at their head and streamed.
    pub gathered_max: usize,
    /// Answers to payments that settle at once are kept for their buyers up to this many bytes.
    pub spooled_max: usize,
    /// How long a copy waits for the first of its kind.
    pub replay_wait: Duration,
    /// How long the upstream may take to answer a priced request, gathered body included.
    pub upstream_wait: Duration,
    /// Whether paid requests carry a signed token to the upstream.
    pub payment_context: bool,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            request_body_max: 1 << 20,
            gathered_max: 256 << 10,
            spooled_max: 1 << 20,
            replay_wait: Duration::from_secs(10),
            upstream_wait: Duration::from_secs(30),
            payment_context: false,
        }
    }
}

/// Puts a [`Gate`] in front of a service.
#[derive(Clone)]
pub struct GateLayer {
    pub(super) shared: Arc<Shared>,
}

/// What all clones of a gate share.
pub(crate) struct Shared {
    pub(crate) seller: Seller,
    pub(crate) sites: Vec<Site>,
    pub(crate) options: GateOptions,
    pub(crate) answers: Answers,
    pub(crate) counters: Counters,
    pub(crate) demands: Demands,
    pub(crate) spool: Spool,
    pub(crate) look: PageLook,
}

impl GateLayer {
    /// A gate of this seller for these sites.
    pub fn new(seller: Seller, sites: Vec<Site>, options: GateOptions) -> Self {
        Self::with_spool(seller, sites, options, Spool::in_memory())
    }

    /// The same, with a place on disk where paid answers wait for their buyers.
    pub fn with_spool(seller: Seller, sites: Vec<Site>, options: GateOptions, spool: Spool) -> Self {
        let counters = Counters::new(seller.rules());
        let (answers, demands) = (Answers::default(), Demands::default());
        let look = PageLook::default();
        let shared = Shared { seller, sites, options, answers, counters, demands, spool, look };
        Self { shared: Arc::new(shared) }
    }

    /// The same gate before it is put to use, with another look of the page that people see.
    ///
    /// # Panics
    /// Where it is in use already.
    #[must_use]
    pub fn looking(mut self, look: PageLook) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("a gate's look is chosen before it is shared");
        shared.look = look;
        self
    }
}

impl GateLayer {
    /// What its gates have answered so far.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}

impl<S: Endpoint> tower::Layer<S> for GateLayer {
    type Service = Gate;

    fn layer(&self, inner: S) -> Gate {
        Gate::new(Arc::clone(&self.shared), Arc::new(inner))
    }
}

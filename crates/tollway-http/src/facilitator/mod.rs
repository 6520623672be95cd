//! A facilitator over HTTP (x402 v2, section 7): the service that others send their payments to, and
//! the client side of somebody else's.
//!
//! `service` routes and answers, `door` says who may ask and for how much, `counters` counts,
//! `openapi` describes; `remote` asks a facilitator elsewhere, `failover` several of them.

mod counters;
mod door;
mod failover;
mod openapi;
mod remote;
mod service;

pub use counters::FacilitatorCounters;
pub use door::{Allowance, ApiKey, Door};
pub use failover::Failover;
pub use remote::{RemoteFacilitator, RemoteOptions};
pub use service::{FacilitatorParts, FacilitatorService};

//! The gate: a tower layer in front of a resource. It asks the seller's engine what a request
//! costs, who promises to pay, and whether it may be served; it serves nothing priced unpaid.
//!
//! One file a step: `service` walks the road, `demand` writes refusals, `ready` keeps those that differ in their URL only, `sell` serves and settles,
//! `replay` answers what was sold before, `receipt` signs, `delivered` watches streamed bodies, `context` tells the
//! upstream who paid, `page` shows a 402 to people, `proof` finds out
//! who asks where a rule wants to know. `exact/` sells what is paid at once.

mod answers;
mod context;
mod counters;
mod delivered;
mod demand;
mod exact;
mod expiring;
mod layer;
mod page;
mod pass;
mod proof;
mod ready;
mod receipt;
mod replay;
mod request;
mod sell;
mod service;

pub use context::PaidBy;
pub use counters::{Class, Count, Counters, Outcome};
pub use exact::{Spool, SpoolError};
pub use expiring::expire_claims;
pub use layer::{GateLayer, GateOptions};
pub use page::{Colour, PageLook, PageLookError};
pub use proof::claims;
pub use receipt::sign_response;
pub use service::Gate;

pub use request::requester;

pub(crate) use demand::Refused;
pub(crate) use layer::Shared;
pub(crate) use request::{Asked, has_body};

//! Settlement against a real chain, by real sockets, with books in a real file.

mod approvals;
mod batches;
mod chain_faults;
mod claims;
mod crash;
mod hostile;
mod proxy;
pub(crate) mod rig;
mod service;

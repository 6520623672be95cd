//! Settlement against a real chain, by real sockets, with books in a real file.

mod batches;
mod claims;
pub(crate) mod rig;

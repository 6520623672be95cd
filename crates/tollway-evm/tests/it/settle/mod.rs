//! Settlement against a real chain, by real sockets, with books in a real file.

mod batches;
mod chain_faults;
mod claims;
<<<<<<< HEAD
pub(crate) mod rig;
=======
mod proxy;
mod rig;
>>>>>>> main

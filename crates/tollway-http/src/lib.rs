//! x402 and the deferred way over HTTP: the gate in front of what is sold, the payer of whoever
//! buys, and what both need (dresses, statuses, key directories, origins).
//!
//! This crate knows no scheme's rules and no other transport; what is decided is decided in
//! `tollway-core`.

pub mod body;
pub mod certificate;
pub mod dress;
pub mod endpoint;
pub mod evidence;
pub mod facilitator;
pub mod gate;
pub mod key_directory;
pub mod key_file;
pub mod message;
pub mod origin;
pub mod payer;
pub mod server;
pub mod site;
pub mod status;
pub mod tls;
pub mod wellknown;

mod upload;

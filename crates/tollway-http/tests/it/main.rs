//! Tests over real sockets.

mod errors_doc;
mod exact;
mod facilitator;
mod gate;
mod key_directory;
mod payer;
mod rig;
mod server;
mod upstream;

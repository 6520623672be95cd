//! The relay between real processes and sockets.

mod http;
mod pipes;
mod sell;
mod stage;

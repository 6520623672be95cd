//! What stands behind a gate: a folder of files, or another HTTP server.

mod folder;
mod memory;
mod proxy;

pub use folder::Folder;
pub use proxy::{ParseUpstreamError, Proxy};

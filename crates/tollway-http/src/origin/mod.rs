//! What stands behind a gate: a folder of files, or another HTTP server.

mod connect;
mod folder;
mod forwarded;
mod health;
mod memory;
mod proxy;
mod upgrade;
mod waits;

pub use connect::{Http2, Roots, TlsError};
pub use folder::Folder;
pub use forwarded::{Client, Forwarded, ParseRangeError, TrustedProxies};
pub use health::Health;
pub use proxy::{Proxy, ProxyError, ProxyOptions};
pub use upgrade::is_upgrade;

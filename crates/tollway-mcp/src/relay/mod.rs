//! A relay between clients and a server of MCP: passes every message as it came, over any pair of transports, and lets
//! a [`Hook`] answer, rewrite or wrap those requests that it takes.
//!
//! Only the outermost object of a message is read (MCP base protocol, "Messages"); what passes keeps its bytes.

mod child;
mod fields;
mod hook;
mod http;
mod lines;
mod link;
mod message;
mod sell;
mod sse;
mod state;
mod stdio;
mod switch;

use std::sync::Arc;
use std::time::Duration;

pub use child::{ChildUpstream, NoCommand};
pub use fields::Fields;
pub use hook::{Call, Hook, Lost, PassAll};
pub use http::{Door, EventBody, HttpFront, HttpUpstream, UpstreamError};
pub use lines::{Line, Lines, write_line};
pub use link::{FromServer, Inbound, Link, Outbound, Turned, Upstream};
pub use message::{Id, Kind, Message, Unreadable};
pub use sell::SellHook;
pub use sse::{Event, Events, TooLong};

/// How much of anything there may be.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one message.
    pub message: usize,
    /// Requests of one session without an answer yet.
    pub in_flight: usize,
    /// Sessions at once.
    pub sessions: usize,
    /// How long a session is kept in which nothing is said.
    pub idle: Duration,
    /// How long requests under way have to end when one side has left.
    pub grace: Duration,
    /// Events of one stream that are kept to be asked for again.
    pub kept_events: usize,
    /// Bytes of them.
    pub kept_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            in_flight: 1_024,
            sessions: 256,
            idle: Duration::from_secs(30 * 60),
            grace: Duration::from_secs(30),
            kept_events: 256,
            kept_bytes: 16 << 20,
        }
    }
}

/// Puts sessions with clients before sessions with one server.
#[derive(Clone)]
pub struct Relay {
    upstream: Arc<dyn Upstream>,
    hook: Arc<dyn Hook>,
    limits: Arc<Limits>,
}

impl Relay {
    /// Before `upstream`, with `hook` seeing what it takes.
    pub fn new(upstream: Arc<dyn Upstream>, hook: Arc<dyn Hook>, limits: Limits) -> Self {
        Self { upstream, hook, limits: Arc::new(limits) }
    }

    /// The bounds it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

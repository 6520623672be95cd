//! What goes between a relay and the transports on both its sides.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::message::{Id, Message};

/// Messages that wait on their way, in each direction.
pub(super) const WAITING: usize = 32;

/// A message on its way to the server.
#[derive(Debug)]
pub struct Inbound {
    /// The message.
    pub message: Message,
    /// The fields it came with over HTTP.
    pub headers: HeaderMap,
}

/// What goes to the client.
#[derive(Debug)]
pub enum Outbound {
    /// A message; `about` is the client's request that it belongs to.
    Message {
        /// The message.
        message: Message,
        /// Whose stream it goes into.
        about: Option<Id>,
    },
    /// A request that HTTP turned away.
    Turned {
        /// The request.
        id: Id,
        /// How.
        turned: Turned,
    },
    /// A request that will not be answered, because it was cancelled.
    Over {
        /// The request.
        id: Id,
    },
}

/// What came from the server.
#[derive(Debug)]
pub enum FromServer {
    /// A message; `about` is the request in whose stream it came.
    Message {
        /// The message.
        message: Message,
        /// Whose stream it came in.
        about: Option<Id>,
    },
    /// A request that HTTP turned away.
    Turned {
        /// The request.
        id: Id,
        /// How.
        turned: Turned,
    },
}

/// An answer of HTTP that holds no message, such as 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Its status.
    pub status: StatusCode,
    /// Those of its fields that say what to do: `WWW-Authenticate`, `Retry-After`, `Content-Type`.
    pub headers: HeaderMap,
    /// Its first bytes.
    pub body: Bytes,
}

impl Turned {
    /// The same in words.
    pub fn words(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let brief: String = body.chars().filter(|c| !c.is_control()).take(200).collect();
        format!("the server answered {}{}{brief}", self.status, if brief.is_empty() { "" } else { ": " })
    }
}

/// A session with the server. Dropping `to` ends it; when `from` ends, the server has left.
#[derive(Debug)]
pub struct Link {
    /// To the server.
    pub to: mpsc::Sender<Inbound>,
    /// From the server.
    pub from: mpsc::Receiver<FromServer>,
}

/// Where the server is.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Begins a session.
    ///
    /// # Errors
    /// When there is no server to speak with.
    async fn open(&self, longest: usize) -> std::io::Result<Link>;

    /// Whether requests outside a session are the server's to judge (revision 2026-07-28 knows no sessions).
    fn knows_no_sessions(&self) -> bool {
        false
    }
}

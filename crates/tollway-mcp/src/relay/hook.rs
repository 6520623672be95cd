//! Who may stand in the way of a request: take it, answer it, change it, look at its answer, and ask either side.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::link::Turned;
use super::message::{Id, Message};
use super::switch::Switch;

/// Takes requests of clients.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Whether this request is taken; others pass as they are, and in their order.
    fn takes(&self, request: &Message) -> bool;

    /// Answers a request that was taken. The answer's id is made the request's.
    ///
    /// # Errors
    /// What [`Call::forward`] failed with: it is told to the client in the words of its transport.
    async fn handle(&self, call: Call) -> Result<Message, Lost>;

    /// A session is over.
    fn ended(&self, _session: &str) {}
}

/// Takes nothing: everything passes.
#[derive(Debug, Clone, Copy)]
pub struct PassAll;

#[async_trait]
impl Hook for PassAll {
    fn takes(&self, _: &Message) -> bool {
        false
    }

    async fn handle(&self, call: Call) -> Result<Message, Lost> {
        call.forward().await
    }
}

/// Why there is no answer to a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Lost {
    /// The client has cancelled it: nothing is answered.
    #[error("cancelled")]
    Cancelled,
    /// The other side has left. Whether it acted on the request is not known.
    #[error("the other side has left")]
    Left,
    /// More requests are under way than are kept.
    #[error("too many requests are under way")]
    TooMany,
    /// HTTP turned the request away.
    #[error("{}", .0.words())]
    Turned(Box<Turned>),
}

/// A request that was taken.
pub struct Call {
    pub(super) switch: Arc<Switch>,
    pub(super) request: Message,
    pub(super) headers: HeaderMap,
    pub(super) cancelled: watch::Receiver<bool>,
}

impl Call {
    /// The request.
    pub fn request(&self) -> &Message {
        &self.request
    }

    /// Its name.
    pub fn id(&self) -> &Id {
        self.request.id().expect("only requests are taken")
    }

    /// The fields it came with; none over stdio.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Names the session.
    pub fn session(&self) -> &str {
        self.switch.session()
    }

    /// What the client said of itself when the session began: the `params` of `initialize`.
    pub fn client(&self) -> Option<Value> {
        self.switch.client()
    }

    /// Sends the request on as it came, and waits for its answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn forward(&self) -> Result<Message, Lost> {
        self.forward_as(self.request.clone()).await
    }

    /// Sends the request on with other `params`. A request can be sent on once: what is repeated is asked anew.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn forward_with(&self, params: Box<RawValue>) -> Result<Message, Lost> {
        self.forward_as(self.request.with("params", params)).await
    }

    async fn forward_as(&self, message: Message) -> Result<Message, Lost> {
        self.switch.forward(message, self.headers.clone(), self.cancelled.clone()).await
    }

    /// Asks the server something of the relay's own.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_server(&self, method: &str, params: &Value) -> Result<Message, Lost> {
        self.switch.ask_server(self.id(), method, params, self.headers.clone(), self.cancelled.clone()).await
    }

    /// Asks the client something of the relay's own, such as `elicitation/create`, in the stream of this request.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_client(&self, method: &str, params: &Value) -> Result<Message, Lost> {
        self.switch.ask_client(self.id(), method, params, self.cancelled.clone()).await
    }

    /// Tells the client something, in the stream of this request.
    pub async fn tell_client(&self, method: &str, params: &Value) {
        self.switch.tell_client(self.id(), Message::notification(method, params)).await;
    }

    /// Ends when the client cancels the request.
    pub async fn cancelled(&self) {
        super::switch::cancelled(self.cancelled.clone()).await;
    }
}

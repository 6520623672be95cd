//! The port to the server that is paid: one request, one answer.

use async_trait::async_trait;
use serde_json::{Map, Value};

/// A server of tools, however it is reached.
#[async_trait]
pub trait ToolServer: Send + Sync {
    /// Sends one request (`tools/call`, `resources/read`, `prompts/get`) and waits for its answer. It is asked again with
    /// the same payment where no answer comes.
    ///
    /// # Errors
    /// When no answer came.
    async fn request(&self, method: &str, params: &Map<String, Value>) -> Result<CallAnswer, Lost>;
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq)]
pub enum CallAnswer {
    /// `result`.
    Result(Value),
    /// `error`: an object with `code`, `message` and perhaps `data`.
    Error(Value),
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer came: {why}")]
pub struct Lost {
    why: String,
    for_good: bool,
}

impl Lost {
    /// The connection broke: asking again may help.
    #[must_use]
    pub fn now(why: impl Into<String>) -> Self {
        Self { why: why.into(), for_good: false }
    }

    /// The server has ended, or whoever called does not wait any more: asking again is of no use.
    #[must_use]
    pub fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), for_good: true }
    }

    /// Whether asking again is of no use.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        self.for_good
    }

    /// What happened.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

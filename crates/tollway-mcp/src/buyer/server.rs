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

/// No answer came: the connection broke, or the server ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer came: {0}")]
pub struct Lost(pub String);

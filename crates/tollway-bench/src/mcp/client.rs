//! A client of MCP at the other end of two pipes, with many calls at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, oneshot};
use tollway_mcp::buyer::{CallAnswer, Lost, ToolServer};
use tollway_mcp::relay::{Id, Line, Lines, Message, Relay, write_line};

/// Bytes that wait in a pipe.
const PIPE: usize = 1 << 20;
const LONGEST: usize = 16 << 20;

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// The client.
pub(crate) struct Client {
    to: mpsc::UnboundedSender<Message>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Client {
    /// Of a session of its own with the relay.
    pub(crate) fn of(relay: Relay) -> Self {
        let (own, others) = tokio::io::duplex(PIPE);
        let (from, to) = tokio::io::split(others);
        tokio::spawn(async move { relay.serve_pipes(from, to).await });
        let (from, mut writer) = tokio::io::split(own);
        let (to, mut messages) = mpsc::unbounded_channel::<Message>();
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                if write_line(&mut writer, &message).await.is_err() {
                    break;
                }
            }
        });
        let waiting = Waiting::default();
        tokio::spawn(read(from.take(u64::MAX), Arc::clone(&waiting)));
        Self { to, waiting, next: AtomicU64::new(1) }
    }

    /// One call.
    pub(crate) async fn call(&self, params: &Value) -> anyhow::Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (waiter, answer) = oneshot::channel();
        self.waiting.lock().insert(id, waiter);
        self.to
            .send(Message::request(&Id::Number(id.to_string()), "tools/call", params))
            .context("the relay has left")?;
        answer.await.context("the relay has left")
    }
}

async fn read(from: impl tokio::io::AsyncRead + Unpin, waiting: Waiting) {
    let mut lines = Lines::new(from, LONGEST);
    while let Ok(Some(Line::Whole(line))) = lines.next().await {
        let Ok(answer) = serde_json::from_slice::<Value>(&line) else { break };
        let waiter = answer["id"].as_u64().and_then(|id| waiting.lock().remove(&id));
        if let Some(waiter) = waiter {
            let _ = waiter.send(answer);
        }
    }
    waiting.lock().clear();
}

#[async_trait]
impl ToolServer for Client {
    async fn request(&self, _: &str, params: &Map<String, Value>) -> Result<CallAnswer, Lost> {
        let answer = self.call(&json!(params)).await.map_err(|error| Lost::for_good(error.to_string()))?;
        Ok(match answer.get("error") {
            Some(error) => CallAnswer::Error(error.clone()),
            None => CallAnswer::Result(answer["result"].clone()),
        })
    }
}

//! The server behind a relayed call, as the payer asks it.

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::server::{CallAnswer, Lost, ToolServer};
use crate::relay::{Call, Lost as Gone, Message};
use crate::wire::names::META;

/// A relayed call. It is sent on itself once; what the payer repeats is asked anew.
pub(super) struct Link<'a> {
    call: &'a Call,
    /// The params it came with; `None` where something else is asked beside it.
    params: Option<&'a Map<String, Value>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent: bool,
    lost: Option<Gone>,
    given: Option<(Message, CallAnswer)>,
}

impl<'a> Link<'a> {
    pub(super) fn new(call: &'a Call, params: &'a Map<String, Value>) -> Self {
        Self { call, params: Some(params), state: Mutex::default() }
    }

    /// Asks something else than the call itself.
    pub(super) fn beside(call: &'a Call) -> Self {
        Self { call, params: None, state: Mutex::default() }
    }

    /// The bytes of the last answer, if it is this one.
    pub(super) fn as_given(&self, answer: &CallAnswer) -> Option<Message> {
        let given = self.state.lock().given.take();
        given.filter(|(_, given)| given == answer).map(|(message, _)| message)
    }

    /// Why the last answer did not come.
    pub(super) fn lost(&self) -> Gone {
        self.state.lock().lost.take().unwrap_or(Gone::Left)
    }

    async fn send(&self, method: &str, params: &Map<String, Value>) -> Result<Message, Gone> {
        let first = self.params.is_some() && !std::mem::replace(&mut self.state.lock().sent, true);
        match self.params {
            Some(own) if first && own == params => self.call.forward().await,
            Some(_) if first => match self.with_meta(params) {
                Some(raw) => self.call.forward_with(raw).await,
                None => self.call.forward().await,
            },
            _ => self.call.ask_server(method, &Value::Object(params.clone())).await,
        }
    }

    /// The params as they came, with this `_meta`.
    fn with_meta(&self, params: &Map<String, Value>) -> Option<Box<RawValue>> {
        let mut fields = self.call.request().params()?;
        fields.set(META, super::raw(params.get(META)?));
        Some(fields.into_raw())
    }
}

#[async_trait]
impl ToolServer for Link<'_> {
    async fn request(&self, method: &str, params: &Map<String, Value>) -> Result<CallAnswer, Lost> {
        let message = match self.send(method, params).await {
            Ok(message) => message,
            Err(gone) => {
                let lost = match &gone {
                    Gone::Turned(_) | Gone::TooMany => Lost::now(gone.to_string()),
                    Gone::Cancelled | Gone::Left => Lost::for_good(gone.to_string()),
                };
                self.state.lock().lost = Some(gone);
                return Err(lost);
            }
        };
        let answer = match (message.value("result"), message.value("error")) {
            (Some(result), _) => CallAnswer::Result(result),
            (None, Some(error)) => CallAnswer::Error(error),
            // It is nested too deeply to be read, and goes on as it is.
            (None, None) => CallAnswer::Result(Value::Null),
        };
        self.state.lock().given = Some((message, answer.clone()));
        Ok(answer)
    }
}

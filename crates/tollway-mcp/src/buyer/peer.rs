//! The payer around a client of `rmcp`: one wrapper, and its calls are paid.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResult, ErrorData, ListToolsResult, PaginatedRequestParams, Tool};
use rmcp::service::{Peer, ServiceError};
use serde_json::{Map, Value};

use super::confirm::Confirm;
use super::payer::{Answered, PaidCall, ToolPayer};
use super::server::{CallAnswer, Lost, ToolServer};
use crate::kind::Kind;

/// A client whose tool calls are paid.
#[derive(Clone)]
pub struct PayingPeer {
    peer: Peer<RoleClient>,
    payer: Arc<ToolPayer>,
}

impl PayingPeer {
    /// Pays the calls of `peer` with `payer`.
    #[must_use]
    pub fn new(peer: Peer<RoleClient>, payer: Arc<ToolPayer>) -> Self {
        Self { peer, payer }
    }

    /// Who pays.
    #[must_use]
    pub fn payer(&self) -> &ToolPayer {
        &self.payer
    }

    /// Calls a tool, paying for it where it costs money, the limits allow it and consent was given. A refusal of our own
    /// is a result with `isError`.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn call_tool(&self, params: CallToolRequestParams) -> Result<CallToolResult, ServiceError> {
        Ok(self.call_tool_paid(None, params).await?.0)
    }

    /// The same, and what was paid; `confirm` is asked for this call where somebody has to be asked.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn call_tool_paid(
        &self,
        confirm: Option<&dyn Confirm>,
        params: CallToolRequestParams,
    ) -> Result<(CallToolResult, Option<PaidCall>), ServiceError> {
        let Value::Object(params) = value(&params) else { return Err(ServiceError::UnexpectedResponse) };
        let server = Server { peer: &self.peer, failed: Mutex::default() };
        let answered = self.payer.call_asking(Kind::Tool.method(), &params, &server, confirm).await;
        let Ok(Answered { answer, paid }) = answered else {
            return Err(server.failed.into_inner().unwrap_or(ServiceError::TransportClosed));
        };
        match answer {
            CallAnswer::Result(result) => Ok((typed(result)?, paid)),
            CallAnswer::Error(error) => Err(ServiceError::McpError(typed(error)?)),
        }
    }

    /// Lists tools; the description of each paid one tells what a call costs.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn list_tools(&self, params: Option<PaginatedRequestParams>) -> Result<ListToolsResult, ServiceError> {
        let listed = self.peer.list_tools(params).await?;
        let Value::Object(mut result) = value(&listed) else { return Ok(listed) };
        self.payer.list(&mut result);
        typed(Value::Object(result))
    }

    /// Every page of the list.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn list_all_tools(&self) -> Result<Vec<Tool>, ServiceError> {
        let listed = self.peer.list_all_tools().await?;
        let mut result = Map::from_iter([(Kind::Tool.listed().to_owned(), value(&listed))]);
        self.payer.list(&mut result);
        typed(result.remove(Kind::Tool.listed()).unwrap_or_default())
    }
}

/// The server behind a client.
struct Server<'a> {
    peer: &'a Peer<RoleClient>,
    failed: Mutex<Option<ServiceError>>,
}

#[async_trait]
impl ToolServer for Server<'_> {
    async fn request(&self, _: &str, params: &Map<String, Value>) -> Result<CallAnswer, Lost> {
        let params: CallToolRequestParams =
            serde_json::from_value(Value::Object(params.clone())).map_err(|error| Lost::for_good(error.to_string()))?;
        match self.peer.call_tool(params).await {
            Ok(result) => Ok(CallAnswer::Result(value(&result))),
            Err(ServiceError::McpError(error)) => Ok(CallAnswer::Error(value::<ErrorData>(&error))),
            Err(error) => {
                let over = matches!(error, ServiceError::TransportClosed | ServiceError::Cancelled { .. });
                let lost = if over { Lost::for_good(error.to_string()) } else { Lost::now(error.to_string()) };
                *self.failed.lock() = Some(error);
                Err(lost)
            }
        }
    }
}

fn value<T: serde::Serialize>(message: &T) -> Value {
    serde_json::to_value(message).expect("messages of MCP are JSON")
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ServiceError> {
    serde_json::from_value(value).map_err(|_| ServiceError::UnexpectedResponse)
}

//! A server made with `rmcp`, some of whose calls cost: wrap it and serve the wrapped one.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use rmcp::model::{
    ClientNotification, ClientRequest, CustomResult, ErrorCode, ErrorData, ProtocolVersion, ServerConfig, ServerResult,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, Service};
use serde_json::{Map, Value};

use crate::kind::Kind;
use crate::seller::{Answer, Call, Step, ToolSeller};
use crate::wire::names;

/// A server whose priced calls are sold. Everything else goes to the server it wraps as it came.
///
/// ```no_run
/// # use rmcp::{ServerHandler, ServiceExt as _};
/// # use tollway_mcp::{PaidTools, seller::ToolSeller};
/// # async fn serve(server: impl ServerHandler, seller: ToolSeller) -> Result<(), Box<dyn std::error::Error>> {
/// PaidTools::new(server, seller).serve(rmcp::transport::stdio()).await?.waiting().await?;
/// # Ok(())
/// # }
/// ```
pub struct PaidTools<S> {
    inner: Arc<S>,
    seller: ToolSeller,
}

impl<S> Clone for PaidTools<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), seller: self.seller.clone() }
    }
}

impl<S: Service<RoleServer>> PaidTools<S> {
    /// Sells the calls of `server` that the seller's price list speaks of.
    #[must_use]
    pub fn new(server: S, seller: ToolSeller) -> Self {
        Self { inner: Arc::new(server), seller }
    }

    async fn sell(
        &self,
        (kind, params): (Kind, Map<String, Value>),
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
        let step = match Call::of_request(kind.method(), &params, headers) {
            Some(call) => self.seller.admit(&call).await,
            None => Step::Pass,
        };
        match step {
            Step::Pass => self.inner.handle_request(request, context).await,
            Step::Answer(answer) => to_rmcp(answer),
            Step::Run(running) => {
                let inner = Arc::clone(&self.inner);
                let mut context = context;
                // Who pays is told nobody: the signed payment is the seller's business.
                context.meta.0.0.remove(names::PAYMENT);
                let call = async move { of_rmcp(inner.handle_request(request, context).await) };
                to_rmcp(running.run(call).await)
            }
        }
    }

    async fn list(
        &self,
        kind: Kind,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let listed = self.inner.handle_request(request, context).await?;
        match serde_json::to_value(&listed) {
            Ok(Value::Object(mut result)) => {
                self.seller.annotate_list(kind, &mut result);
                to_rmcp(Answer::Result(result))
            }
            _ => Ok(listed),
        }
    }
}

impl<S: Service<RoleServer>> Service<RoleServer> for PaidTools<S> {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        if let Some(called) = called(&request, &context) {
            return self.sell(called, request, context).await;
        }
        let listed = match &request {
            ClientRequest::ListToolsRequest(_) => Some(Kind::Tool),
            ClientRequest::ListResourcesRequest(_) => Some(Kind::Resource),
            ClientRequest::ListPromptsRequest(_) => Some(Kind::Prompt),
            _ => None,
        };
        match listed {
            Some(kind) => self.list(kind, request, context).await,
            None => self.inner.handle_request(request, context).await,
        }
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.inner.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }
}

/// The params of a request that may be priced, with the `_meta` that `rmcp` keeps beside them.
fn called(request: &ClientRequest, context: &RequestContext<RoleServer>) -> Option<(Kind, Map<String, Value>)> {
    let (kind, params) = match request {
        ClientRequest::CallToolRequest(request) => (Kind::Tool, serde_json::to_value(&request.params)),
        ClientRequest::ReadResourceRequest(request) => (Kind::Resource, serde_json::to_value(&request.params)),
        ClientRequest::GetPromptRequest(request) => (Kind::Prompt, serde_json::to_value(&request.params)),
        _ => return None,
    };
    let Ok(Value::Object(mut params)) = params else { return None };
    params.insert(names::META.to_owned(), Value::Object(context.meta.0.0.clone()));
    Some((kind, params))
}

fn of_rmcp(given: Result<ServerResult, ErrorData>) -> Answer {
    let object = |value| match value {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    let internal = || Answer::Error(Map::from_iter([("code".to_owned(), ErrorCode::INTERNAL_ERROR.0.into())]));
    match given {
        Ok(result) => object(serde_json::to_value(&result)).map_or_else(internal, Answer::Result),
        Err(error) => object(serde_json::to_value(&error)).map_or_else(internal, Answer::Error),
    }
}

fn to_rmcp(answer: Answer) -> Result<ServerResult, ErrorData> {
    match answer {
        Answer::Result(result) => Ok(ServerResult::CustomResult(CustomResult::new(Value::Object(result)))),
        Answer::Error(mut error) => {
            let code = error.get("code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
            let message = error.get("message").and_then(Value::as_str).unwrap_or("the call failed").to_owned();
            let code = code.map_or(ErrorCode::INTERNAL_ERROR, ErrorCode);
            Err(ErrorData::new(code, message, error.remove("data")))
        }
    }
}

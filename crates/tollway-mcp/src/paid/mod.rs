//! A server made with `rmcp`, some of whose calls cost: wrap it and serve the wrapped one.

mod passed_on;
mod spoken;

use std::future::Future;
use std::sync::Arc;

use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{ErrorData, RequestParamsMeta};
use rmcp::service::{RequestContext, RoleServer};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::kind::Kind;
use crate::seller::{Answer, Call, Step, ToolSeller};
use crate::wire::names;
use spoken::{Spoken, error_of, error_to};

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

impl<S: ServerHandler> PaidTools<S> {
    /// Sells the calls of `server` that the seller's price list speaks of.
    #[must_use]
    pub fn new(server: S, seller: ToolSeller) -> Self {
        Self { inner: Arc::new(server), seller }
    }

    /// A request that may be priced; `forward` hands it to the wrapped server.
    async fn sell<P, R, F>(
        &self,
        kind: Kind,
        (mut params, mut context): (P, RequestContext<RoleServer>),
        forward: impl FnOnce(Arc<S>, P, RequestContext<RoleServer>) -> F + Send + 'static,
    ) -> Result<R, ErrorData>
    where
        P: Serialize + RequestParamsMeta + Send + 'static,
        R: Spoken,
        F: Future<Output = Result<R, ErrorData>> + Send,
    {
        let inner = Arc::clone(&self.inner);
        let asked = asked(&params, &context)?;
        let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
        let step = match Call::of_request(kind.method(), &asked, headers) {
            Some(call) => self.seller.admit(&call).await,
            None => return Err(ErrorData::invalid_params("the request names nothing that can be called", None)),
        };
        match step {
            Step::Pass => forward(inner, params, context).await,
            Step::Answer(answer) => told(answer),
            Step::Run(running) => {
                // Who pays is told nobody: the signed payment is the seller's business.
                context.meta.0.0.remove(names::PAYMENT);
                if let Some(meta) = params.meta_mut() {
                    meta.0.0.remove(names::PAYMENT);
                }
                let call = async move {
                    match forward(inner, params, context).await {
                        Ok(given) => {
                            given.into_members().map_or_else(|error| Answer::Error(error_of(&error)), Answer::Result)
                        }
                        Err(error) => Answer::Error(error_of(&error)),
                    }
                };
                told(running.run(call).await)
            }
        }
    }

    /// The result of a list request, with prices.
    fn listed<R: Serialize + serde::de::DeserializeOwned>(&self, kind: Kind, list: R) -> Result<R, ErrorData> {
        let Ok(Value::Object(mut members)) = serde_json::to_value(&list) else { return Ok(list) };
        self.seller.annotate_list(kind, &mut members);
        spoken::read(members)
    }
}

/// The params with the `_meta` that `rmcp` keeps beside them.
fn asked<P: Serialize>(params: &P, context: &RequestContext<RoleServer>) -> Result<Map<String, Value>, ErrorData> {
    match serde_json::to_value(params) {
        Ok(Value::Object(mut asked)) => {
            let meta = asked.entry(names::META).or_insert_with(|| Value::Object(Map::new()));
            if let Some(meta) = meta.as_object_mut() {
                meta.extend(context.meta.0.0.clone());
            }
            Ok(asked)
        }
        _ => Err(ErrorData::invalid_params("the params are no object", None)),
    }
}

fn told<R: Spoken>(answer: Answer) -> Result<R, ErrorData> {
    match answer {
        Answer::Result(members) => R::of_members(members),
        Answer::Error(error) => Err(error_to(error)),
    }
}

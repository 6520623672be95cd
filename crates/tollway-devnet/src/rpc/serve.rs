//! Connections, requests and batches, each within bounds; and the faults that tests ask for.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use super::{Node, error::RpcError, methods, params::Params};
use crate::faults::Fault;

/// How long a request may be.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// How many requests a batch may hold.
const BATCH_MAX: usize = 1_000;
/// How many connections are served at once; more wait.
const CONNECTIONS_MAX: usize = 1_024;
/// How long to wait when no connection could be taken.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// How long requests under way may take when the chain stops.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why a connection ends without an answer.
#[derive(Debug, Error)]
#[error("dropped, as was asked for")]
struct Dropped;

/// Serves until told to stop, then lets what is under way end.
pub(crate) async fn serve(listener: TcpListener, node: Arc<Node>, mut stopped: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let permit = connections.clone().acquire_owned();
        let accepted = async { (permit.await, listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        // Too many open files, or a peer that left at once: the next one may fare better.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        };
        let connection = graceful.watch(connection(stream, node.clone()));
        tokio::spawn(async move {
            // A connection that breaks is its peer's affair.
            let _ = connection.await;
            drop(permit);
        });
    }
    // Requests that hang, as was asked for, are cut off.
    let _ = tokio::time::timeout(LAST_WORDS, graceful.shutdown()).await;
}

fn connection(
    stream: TcpStream,
    node: Arc<Node>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(node.clone(), request));
    hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service)
}

async fn answer(node: Arc<Node>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    if request.method() != Method::POST {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "JSON-RPC is asked for by POST\n");
        refusal.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
        return Ok(refusal);
    }
    let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long, or broke off\n"));
    };
    let Ok(asked) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        return Ok(said(&failed(Value::Null, &RpcError::parse())));
    };
    match all(&node, asked).await {
        Ok(Some(answer)) => Ok(said(&answer)),
        Ok(None) => Ok(plain(StatusCode::NO_CONTENT, "")),
        Err(Misbehaviour::Hang) => match std::future::pending::<Infallible>().await {},
        Err(Misbehaviour::Drop) => Err(Dropped),
        Err(Misbehaviour::Garbage) => Ok(plain(StatusCode::OK, "<html>{\"jsonrpc\": not this time")),
        Err(Misbehaviour::Status(code)) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(plain(status, "<html>not this time</html>"))
        }
    }
}

/// What a whole connection suffers from a fault.
enum Misbehaviour {
    Hang,
    Drop,
    Garbage,
    Status(u16),
}

/// Answers a request or a batch; nothing where no answer is wanted.
async fn all(node: &Arc<Node>, asked: Value) -> Result<Option<Value>, Misbehaviour> {
    let Value::Array(batch) = asked else { return one(node, asked).await };
    if batch.is_empty() || batch.len() > BATCH_MAX {
        let words = if batch.is_empty() { "empty batch" } else { "batch too large" };
        return Ok(Some(failed(Value::Null, &RpcError::request(words))));
    }
    let mut answers = Vec::with_capacity(batch.len());
    for asked in batch {
        answers.extend(one(node, asked).await?);
    }
    Ok((!answers.is_empty()).then_some(Value::Array(answers)))
}

async fn one(node: &Arc<Node>, asked: Value) -> Result<Option<Value>, Misbehaviour> {
    let Value::Object(mut asked) = asked else {
        return Ok(Some(failed(Value::Null, &RpcError::request("invalid request"))));
    };
    let id = asked.remove("id");
    let Some(Value::String(method)) = asked.remove("method") else {
        return Ok(Some(failed(id.unwrap_or_default(), &RpcError::request("invalid request"))));
    };
    let fault = node.faults.take(&method);
    let mines = fault == Some(Fault::DoThenMine);
    let error = match fault {
        Some(Fault::Hang) => return Err(Misbehaviour::Hang),
        Some(Fault::DropConnection) => return Err(Misbehaviour::Drop),
        Some(Fault::Garbage) => return Err(Misbehaviour::Garbage),
        Some(Fault::Status(code)) => return Err(Misbehaviour::Status(code)),
        Some(Fault::Error { code, message }) => {
            return Ok(id.map(|id| failed(id, &RpcError::new(code, message))));
        }
        Some(Fault::DoThenError { code, message }) => Some(Ok(RpcError::new(code, message))),
        Some(Fault::DoThenDrop) => Some(Err(Misbehaviour::Drop)),
        Some(Fault::DoThenHang) => Some(Err(Misbehaviour::Hang)),
        Some(Fault::DoThenMine) | None => None,
    };
    let outcome = execute(node, method, asked.remove("params")).await;
    if mines {
        node.chain.write().mine();
    }
    let outcome = match error {
        Some(instead) => Err(instead?),
        None => outcome,
    };
    Ok(id.map(|id| match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => failed(id, &error),
    }))
}

async fn execute(node: &Arc<Node>, method: String, params: Option<Value>) -> Result<Value, RpcError> {
    let params = Params::new(params)?;
    if !methods::is_long(&method) {
        return methods::run(node, &method, &params);
    }
    let node = node.clone();
    let run = tokio::task::spawn_blocking(move || methods::run(&node, &method, &params));
    run.await.unwrap_or_else(|_| Err(RpcError::internal("the method broke off")))
}

fn failed(id: Value, error: &RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

fn said(answer: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(words));
    *response.status_mut() = status;
    response
}

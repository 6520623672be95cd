//! Accepts connections and serves them over HTTP/1.1: bounded, with a time limit on slow heads.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::body::boxed;
use crate::endpoint::Endpoint;

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// How long a client may take to send a request's head.
    pub head_wait: Duration,
    /// Largest head, in bytes.
    pub head_max: usize,
    /// How long open requests may take to finish when the server stops.
    pub drain_wait: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_wait: Duration::from_secs(10),
            head_max: 32 << 10,
            drain_wait: Duration::from_secs(10),
        }
    }
}

/// Serves connections until `stop` ends, then lets open requests finish.
///
/// # Errors
/// Only when the listener itself cannot be used.
pub async fn serve(
    listener: TcpListener,
    endpoint: Arc<dyn Endpoint>,
    options: ServerOptions,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.local_addr()?;
    let slots = Arc::new(Semaphore::new(options.connections_max));
    let (draining, drain) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let slot = tokio::select! {
            () = &mut stop => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, Arc::clone(&endpoint), options, drain.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Out of descriptors, or a client that left at once: the next accept may succeed.
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    draining.send_replace(true);
    let all = u32::try_from(options.connections_max).unwrap_or(u32::MAX);
    let finished = slots.acquire_many(all);
    if tokio::time::timeout(options.drain_wait, finished).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    endpoint: Arc<dyn Endpoint>,
    options: ServerOptions,
    mut drain: watch::Receiver<bool>,
) {
    // Without it small answers wait for the other side's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let adapted = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answering = endpoint.answer(request.map(boxed));
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_wait)
        .max_buf_size(options.head_max.max(8_192))
        .serve_connection(TokioIo::new(stream), adapted);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = drain.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

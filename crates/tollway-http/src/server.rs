//! Accepts connections and serves them over HTTP/1.1 and HTTP/2, with TLS where configured: bounded,
//! with a time limit on slow heads.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::body::boxed;
use crate::endpoint::Endpoint;

/// Who is at the other end of a connection: found among a request's extensions where
/// [`ServerOptions::tell_peer`] says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

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
    /// Whether each request carries its [`Peer`].
    pub tell_peer: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_wait: Duration::from_secs(10),
            head_max: 32 << 10,
            drain_wait: Duration::from_secs(10),
            tell_peer: false,
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
    serve_tls(listener, endpoint, options, None, stop).await
}

/// The same over TLS, where there is an acceptor.
///
/// # Errors
/// Only when the listener itself cannot be used.
pub async fn serve_tls(
    listener: TcpListener,
    endpoint: Arc<dyn Endpoint>,
    options: ServerOptions,
    tls: Option<TlsAcceptor>,
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
            Ok((stream, address)) => {
                let peer = options.tell_peer.then_some(Peer { address, tls: tls.is_some() });
                let served = Served { endpoint: Arc::clone(&endpoint), peer };
                let connection = connection(stream, served, options, tls.clone(), drain.clone());
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

/// What a connection is served, and to whom.
struct Served {
    endpoint: Arc<dyn Endpoint>,
    peer: Option<Peer>,
}

async fn connection(
    stream: TcpStream,
    served: Served,
    options: ServerOptions,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<bool>,
) {
    // Without it small answers wait for the other side's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let Some(tls) = tls else { return serve_connection(stream, served, options, drain).await };
    match tokio::time::timeout(options.head_wait, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve_connection(stream, served, options, drain).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// HTTP/1.1 or HTTP/2, whichever the client begins with.
async fn serve_connection<S>(stream: S, served: Served, options: ServerOptions, mut drain: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&begun);
    let adapted = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        if let Some(peer) = served.peer {
            request.extensions_mut().insert(peer);
        }
        let answering = served.endpoint.answer(request.map(boxed));
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_wait)
        .max_buf_size(options.head_max.max(8_192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(options.head_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(Some(options.head_wait))
        .keep_alive_timeout(options.head_wait);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), adapted);
    tokio::pin!(serving);
    // Until the first bytes tell which version is spoken, no limit of either version runs.
    let first_request = tokio::time::sleep(options.head_wait);
    tokio::pin!(first_request);
    let mut waiting = true;
    let ended = loop {
        tokio::select! {
            ended = serving.as_mut() => break ended,
            _ = drain.changed() => {
                serving.as_mut().graceful_shutdown();
                break serving.as_mut().await;
            }
            () = &mut first_request, if waiting => {
                if !begun.load(Ordering::Relaxed) {
                    return;
                }
                waiting = false;
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;

//! Accepts connections and serves them over HTTP/1.1 and HTTP/2, with TLS where configured: bounded in number, in all
//! and from one address, and in how long a client may take to ask, to send and to take.

mod stream;
mod watch;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::endpoint::Endpoint;
use stream::{Leaving, Stream, arriving};
use watch::{Order, Place, Watch};

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
    /// Connections open at once from one IPv4 address or one IPv6 network of 64 bits; further ones are closed.
    pub per_address_max: usize,
    /// Whether that holds for loopback too, which stands for all clients of a proxy on this machine.
    pub cap_loopback: bool,
    /// How long a client may take to send a request's head, and how long a connection may stay without one.
    pub head_wait: Duration,
    /// How long a client may pause within a request's body.
    pub body_wait: Duration,
    /// How long a client may take nothing of an answer.
    pub write_wait: Duration,
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
            per_address_max: 512,
            cap_loopback: false,
            head_wait: Duration::from_secs(10),
            body_wait: Duration::from_secs(30),
            write_wait: Duration::from_secs(30),
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
    let watch = Watch::new(options);
    // Ends with this function, however that ends.
    let mut keeping = JoinSet::new();
    keeping.spawn(Arc::clone(&watch).keep());
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
                let Some(place) = place(&watch, address.ip()) else { continue };
                let peer = options.tell_peer.then_some(Peer { address, tls: tls.is_some() });
                let served = Served { endpoint: Arc::clone(&endpoint), peer };
                let connection = connection(stream, served, options, tls.clone(), place);
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
    watch.drain();
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

fn place(watch: &Arc<Watch>, from: IpAddr) -> Option<Place> {
    let place = watch.admit(from);
    if place.is_none() {
        tracing::debug!(%from, "an address has as many connections as it may");
    }
    place
}

async fn connection(stream: TcpStream, served: Served, options: ServerOptions, tls: Option<TlsAcceptor>, place: Place) {
    // Without it small answers wait for the other side's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let Some(tls) = tls else { return serve_connection(stream, served, options, place).await };
    match tokio::time::timeout(options.head_wait, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve_connection(stream, served, options, place).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// HTTP/1.1 or HTTP/2, whichever the client begins with, until it ends or is told to.
async fn serve_connection<S>(stream: S, served: Served, options: ServerOptions, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lane = Arc::clone(&place.lane);
    let adapted = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let under_way = lane.begin();
        if let Some(peer) = served.peer {
            request.extensions_mut().insert(peer);
        }
        let answering = served.endpoint.answer(request.map(|body| arriving(body, options.body_wait)));
        async move { Ok::<_, Infallible>(answering.await.map(|body| Leaving { body, _under_way: under_way })) }
    });
    let builder = builder(options);
    let stream = TokioIo::new(Stream::new(stream, Arc::clone(&place.lane)));
    let mut serving = pin!(builder.serve_connection_with_upgrades(stream, adapted));
    let mut finishing = false;
    let ended = poll_fn(|cx| {
        let order = place.lane.order(cx.waker());
        if order != Order::GoOn && !finishing {
            finishing = true;
            serving.as_mut().graceful_shutdown();
        }
        match serving.as_mut().poll(cx) {
            Poll::Pending if order == Order::Close => Poll::Ready(Ok(())),
            other => other,
        }
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// No limit of hyper's runs on slow heads over HTTP/1: they are watched from outside, like all else.
fn builder(options: ServerOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(options.head_max.max(8_192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(options.head_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(Some(options.head_wait))
        .keep_alive_timeout(options.head_wait);
    builder
}

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;

//! How often an unpaid request asks for memory, above what the same bytes cost a server that knows nothing.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tollway_http::body::boxed;
use tollway_http::endpoint::Endpoint as _;

use crate::rig::{Rig, Sent};

const REQUESTS: u64 = 200;
/// Allocations that a 402 may cost above the bare server's.
const ABOVE_MAX: u64 = 20;

/// Allocations of so many requests on a connection that is in use already, all on this thread.
fn counted(runtime: &Runtime, mut client: DuplexStream, server: JoinHandle<()>, request: &[u8], length: usize) -> u64 {
    let mut answer = vec![0; length];
    let mut ask = |times| {
        runtime.block_on(async {
            for _ in 0..times {
                client.write_all(request).await.unwrap();
                client.read_exact(&mut answer).await.unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 402"));
            }
        });
    };
    // Buffers and caches grow first.
    ask(REQUESTS);
    let counted = allocation_counter::measure(|| ask(REQUESTS));
    server.abort();
    counted.count_total
}

#[test]
fn a_402_asks_for_little_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rig = runtime.block_on(Rig::new());
    let request = String::from_utf8(Sent::plain(&rig.site, "GET", "/paid/page.html?a=b").bytes()).unwrap();
    let request = request.replace("connection: close\r\n", "");
    let got = runtime.block_on(rig.call(&Sent::plain(&rig.site, "GET", "/paid/page.html?a=b")));
    let (headers, body) = (got.headers, got.body);
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let told = format!("content-length: {}\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\r\n", body.len());
    let length = "HTTP/1.1 402 Payment Required\r\n".len() + fields + told.len() + body.len();

    let gate = rig.gate.clone();
    let (client, server) = duplex(64 << 10);
    let gated = service_fn(move |request: Request<Incoming>| {
        let answering = gate.answer(request.map(boxed));
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(server), gated);
    let serving = runtime.spawn(async move { drop(serving.await) });
    let ours = counted(&runtime, client, serving, request.as_bytes(), length);

    let (client, server) = duplex(64 << 10);
    let bare = service_fn(move |_: Request<Incoming>| {
        let mut response = Response::new(Full::<Bytes>::new(body.clone()));
        *response.status_mut() = http::StatusCode::PAYMENT_REQUIRED;
        *response.headers_mut() = headers.clone();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(server), bare);
    let serving = runtime.spawn(async move { drop(serving.await) });
    let theirs = counted(&runtime, client, serving, request.as_bytes(), length);

    let above = ours.saturating_sub(theirs) / REQUESTS;
    println!("{} allocations a 402, {} of the bare server", ours / REQUESTS, theirs / REQUESTS);
    assert!(theirs > 0 && above <= ABOVE_MAX, "{above} allocations above the bare server");
}

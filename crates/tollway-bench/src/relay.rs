//! Proxies compared: the gate in front of an upstream, and nginx in front of the same, each with one worker; and the
//! upstream itself, in a process of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tollway_http::gate::{GateLayer, GateOptions};
use tollway_http::origin::Proxy;
use tower::Layer as _;

use crate::stage;
use crate::table::say;

/// A page of the upstream.
pub(crate) const SMALL: &str = "/small";
/// Bytes of it.
const SMALL_BYTES: usize = 4 << 10;
/// A file of the upstream.
pub(crate) const LARGE: &str = "/large";
/// Bytes of it.
const LARGE_BYTES: usize = 1 << 20;

/// Where one of the two listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct At {
    pub(crate) address: SocketAddr,
}

/// Serves the two bodies from memory until standard input ends.
pub(crate) fn upstream() -> anyhow::Result<()> {
    serve(async || {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (small, large) = (Bytes::from(vec![b'a'; SMALL_BYTES]), Bytes::from(vec![b'a'; LARGE_BYTES]));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (small, large) = (small.clone(), large.clone());
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let body = if request.uri().path() == LARGE { large.clone() } else { small.clone() };
                    std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(body))))
                });
                if stream.set_nodelay(true).is_ok() {
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
            }
        });
        Ok(address)
    })
}

/// Serves a gate with books below `dir` in front of `upstream`, until standard input ends.
pub(crate) fn gateway(dir: &Path, upstream: SocketAddr) -> anyhow::Result<()> {
    serve(async || {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let origin = format!("http://{address}");
        let books = Arc::new(stage::books(&dir.join("relay.db"), &origin)?);
        let gate = GateLayer::new(stage::seller(&origin, books)?, vec![origin.parse()?], GateOptions::default());
        stage::start(listener, Arc::new(gate.layer(Proxy::new(&format!("http://{upstream}"))?)));
        Ok(address)
    })
}

/// One worker: what `begin` starts runs on this thread, while another waits for the end.
fn serve(begin: impl AsyncFnOnce() -> anyhow::Result<SocketAddr>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        say(&serde_json::to_string(&At { address: begin().await? })?)?;
        let end = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        end.await?.map(drop).context("standard input broke off")
    })
}

/// nginx as a proxy to the upstream, one process; ended when it is dropped.
pub(crate) struct Nginx {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// `None` where it is not installed.
    pub(crate) fn start(dir: &Path, upstream: SocketAddr) -> anyhow::Result<Option<Self>> {
        let address = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let root = dir.display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/nginx.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;\n\
             uwsgi_temp_path {root}/d; scgi_temp_path {root}/e; keepalive_requests 100000000; tcp_nodelay on;\n\
             upstream pages {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://pages; proxy_http_version 1.1;\n\
             proxy_set_header Host $http_host; proxy_set_header Connection \"\"; }} }} }}\n"
        );
        let path = dir.join("nginx.conf");
        std::fs::write(&path, config)?;
        let started = Command::new("nginx")
            .arg("-e")
            .arg(dir.join("nginx.log"))
            .arg("-c")
            .arg(&path)
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else { return Ok(None) };
        let nginx = Self { process, address };
        for _ in 0..500 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(Some(nginx));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        anyhow::bail!("nginx does not take connections: see {}", dir.join("nginx.log").display())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself; both then say so, which changes nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

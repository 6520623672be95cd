//! A small HTTP server that misbehaves to order, and names that resolve to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tollway_core::seller::KeySource;
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, NameLookup, directory_response};
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey, PublicKey, Thumbprint};

/// Where every test's clock begins.
pub(crate) const NOW: u64 = 1_760_000_000;

/// What the server does with a request.
pub(crate) enum Reply {
    Answer(Response<Bytes>),
    Raw(Vec<u8>),
    /// The response, once the gate is open.
    Held(watch::Receiver<bool>, Response<Bytes>),
    /// This much at once, and then a byte every 10 ms, for ever.
    Drip(Vec<u8>),
    Silence,
    HangUp,
}

type Behaviour = Box<dyn Fn(&str) -> Reply + Send>;

/// A server on 127.0.0.1. Connections and requests are counted.
pub(crate) struct Server {
    shared: Arc<Shared>,
    pub(crate) port: u16,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    /// `behaviour` gets the authority asked for.
    pub(crate) async fn start(behaviour: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Box::new(behaviour)),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&accepting)));
            }
        });
        Self { shared, port }
    }

    /// Serves the directory of these keys, signed for whatever authority is asked.
    pub(crate) async fn serving(keys: &[u8]) -> Self {
        Self::start(directory_of(keys)).await
    }

    pub(crate) fn behave(&self, behaviour: impl Fn(&str) -> Reply + Send + 'static) {
        *self.shared.behaviour.lock() = Box::new(behaviour);
    }

    /// The agent whose name is `<name>.localhost`, on this server.
    pub(crate) fn agent(&self, name: &str) -> AgentUrl {
        agent(&format!("http://{name}.localhost:{}", self.port))
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

pub(crate) fn agent(url: &str) -> AgentUrl {
    let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    AgentUrl::parse(url, policy).unwrap()
}

pub(crate) fn private(seed: u8) -> PrivateKey {
    PrivateKey::from_seed([seed; 32])
}

pub(crate) fn keyid(seed: u8) -> Thumbprint {
    *private(seed).public().thumbprint()
}

/// The good response of `authority` with the keys of these seeds.
pub(crate) fn signed_directory(keys: &[u8], authority: &str) -> Response<Bytes> {
    let keys: Vec<_> = keys.iter().map(|&seed| private(seed)).collect();
    let keys: Vec<_> = keys.iter().collect();
    directory_response(&keys, authority, "http", NOW)
}

pub(crate) fn directory_of(keys: &[u8]) -> impl Fn(&str) -> Reply + Send + 'static {
    let keys = keys.to_vec();
    move |authority| Reply::Answer(signed_directory(&keys, authority))
}

/// Every name is 127.0.0.1; lookups are counted.
#[derive(Default)]
pub(crate) struct Here {
    pub(crate) lookups: AtomicUsize,
}

#[async_trait]
impl NameLookup for Here {
    async fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// Options for agents on this machine, without a limit on new ones.
pub(crate) fn local() -> DirectoryOptions {
    DirectoryOptions {
        allow_loopback: true,
        new_agents_per_second: u32::MAX,
        fetch_timeout: Duration::from_secs(30),
        ..DirectoryOptions::default()
    }
}

pub(crate) fn directory(options: DirectoryOptions) -> KeyDirectory {
    KeyDirectory::with_names(options, Arc::new(Here::default())).unwrap()
}

/// Asks for the key of `seed`.
pub(crate) async fn ask(directory: &KeyDirectory, agent: &AgentUrl, seed: u8, now: u64) -> Result<PublicKey, Reason> {
    directory.key(agent, &keyid(seed), now).await.map_err(|Refusal { reason, .. }| reason)
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Some(authority) = read_authority(&mut stream).await else {
        return;
    };
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let reply = (shared.behaviour.lock())(&authority);
    // A reader that has seen enough hangs up; that is no failure of the server.
    let _ = write_reply(&mut stream, reply).await;
}

async fn read_authority(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    assert!(head.starts_with("GET /.well-known/http-message-signatures-directory HTTP/1.1\r\n"));
    let host = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    Some(host.expect("HTTP/1.1 requests have a Host"))
}

async fn write_reply(stream: &mut TcpStream, reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Answer(response) => stream.write_all(&wire(&response)).await?,
        Reply::Raw(bytes) => stream.write_all(&bytes).await?,
        Reply::Held(mut gate, response) => {
            gate.wait_for(|open| *open).await.map_err(io::Error::other)?;
            stream.write_all(&wire(&response)).await?;
        }
        Reply::Drip(bytes) => {
            stream.write_all(&bytes).await?;
            let mut beat = tokio::time::interval(Duration::from_millis(10));
            loop {
                beat.tick().await;
                stream.write_all(b" ").await?;
            }
        }
        Reply::Silence => std::future::pending::<()>().await,
        Reply::HangUp => return Ok(()),
    }
    stream.shutdown().await
}

/// The response in HTTP/1.1.
pub(crate) fn wire(response: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let length = response.body().len();
    bytes.extend_from_slice(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
    bytes.extend_from_slice(response.body());
    bytes
}

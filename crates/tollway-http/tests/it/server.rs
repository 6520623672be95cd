//! The server itself: TLS with a certificate that changes, HTTP/1.1 and HTTP/2, slow clients, and an
//! end that lets open requests finish.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tollway_http::body::{Body, boxed, full};
use tollway_http::endpoint::Endpoint;
use tollway_http::server::{ServerOptions, serve, serve_tls};
use tollway_http::tls::Certificate;
use tower::service_fn;

fn hello() -> Arc<dyn Endpoint> {
    Arc::new(service_fn(|request: Request<Body>| async move {
        Ok(Response::new(full(format!("{:?} {}", request.version(), request.uri().path()))))
    }))
}

fn options() -> ServerOptions {
    ServerOptions {
        head_wait: Duration::from_millis(300),
        body_wait: Duration::from_millis(300),
        write_wait: Duration::from_millis(300),
        drain_wait: Duration::from_secs(5),
        ..ServerOptions::default()
    }
}

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

async fn start(endpoint: Arc<dyn Endpoint>, certificate: Option<Arc<Certificate>>) -> Running {
    start_with(options(), endpoint, certificate).await
}

async fn start_with(
    options: ServerOptions,
    endpoint: Arc<dyn Endpoint>,
    certificate: Option<Arc<Certificate>>,
) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let acceptor = certificate.map(|certificate| certificate.acceptor().unwrap());
    let stopped = async move { drop(stopped.await) };
    let server = tokio::spawn(serve_tls(listener, endpoint, options, acceptor, stopped));
    Running { address, stop, server }
}

/// Writes a self-signed certificate for `localhost` and returns its DER.
fn write_certificate(folder: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().to_vec()
}

async fn tls_to(
    address: std::net::SocketAddr,
    trusted: &[u8],
    protocol: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn http_2_is_spoken_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = write_certificate(folder.path());
    let certificate = Certificate::read(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
    let running = start(hello(), Some(Arc::new(certificate))).await;
    let stream = tls_to(running.address, &trusted, b"h2").await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/page").body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0 /page");
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let old = write_certificate(folder.path());
    let certificate = Arc::new(Certificate::read(&chain, &key).unwrap());
    let running = start(hello(), Some(Arc::clone(&certificate))).await;
    assert!(tls_to(running.address, &old, b"http/1.1").await.is_ok());

    let new = write_certificate(folder.path());
    assert!(tls_to(running.address, &new, b"http/1.1").await.is_err(), "not read again yet");
    certificate.reload().unwrap();
    assert!(tls_to(running.address, &new, b"http/1.1").await.is_ok());
    assert!(tls_to(running.address, &old, b"http/1.1").await.is_err());

    let foreign_key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&key, foreign_key.signing_key.serialize_pem()).unwrap();
    assert!(certificate.reload().is_err(), "the key is not the certificate's");
    std::fs::write(&key, "no key").unwrap();
    assert!(certificate.reload().is_err());
    assert!(tls_to(running.address, &new, b"http/1.1").await.is_ok(), "the old one stays");
}

#[tokio::test]
async fn threat_62_slow_heads_and_silent_connections_are_closed() {
    let running = start(hello(), None).await;
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut slow = TcpStream::connect(running.address).await.unwrap();
        slow.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "still open after {sent:?}");
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn threat_71_a_head_beyond_the_cap_is_refused() {
    let running = start(hello(), None).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(64 << 10));
    // The server may close before it has read everything.
    drop(client.write_all(head.as_bytes()).await);
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn threat_67_open_requests_finish_when_the_server_stops() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waiting: Arc<dyn Endpoint> = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        Arc::new(service_fn(move |_: Request<Body>| {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move {
                begun.notify_one();
                go_on.notified().await;
                Ok(Response::new(full("finished")))
            }
        }))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, waiting, options(), async move { drop(stopped.await) }));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    begun.notified().await;
    stop.send(()).unwrap();
    go_on.notify_one();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("finished"), "{answer}");
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn stopping_an_idle_server_ends_it_at_once() {
    let running = start(hello(), None).await;
    running.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running.server).await.unwrap().unwrap().unwrap();
}

/// Longer than every window here; a server that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn read_until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A connection may be reset as well as ended.
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(closed.expect("still open"));
    answer
}

#[tokio::test]
async fn threat_62_a_connection_that_asks_for_nothing_more_is_closed() {
    let running = start(hello(), None).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_until_closed(&mut client).await.ends_with(b"/a"));
}

#[tokio::test]
async fn threat_62_an_http_2_connection_without_requests_is_closed() {
    let running = start(hello(), None).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    // This side answers every ping, and never asks again.
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/page").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, connection).await.expect("still open").unwrap().ok();
    drop(client);
}

#[tokio::test]
async fn threat_62_who_takes_nothing_of_an_answer_is_cut_off() {
    let endless: Arc<dyn Endpoint> = Arc::new(service_fn(|_: Request<Body>| async {
        let piece = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; 64 << 10])));
        Ok(Response::new(boxed(StreamBody::new(futures_util::stream::repeat_with(piece)))))
    }));
    let running = start(endless, None).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // Whoever reads, however slowly, is served for as long as it does.
    let mut taken = vec![0; 4 << 20];
    for _ in 0..5 {
        client.read_exact(&mut taken).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What the kernels hold between them is still there; after it, nothing.
    tokio::time::sleep(Duration::from_millis(900)).await;
    read_until_closed(&mut client).await;
}

#[tokio::test]
async fn threat_62_a_body_that_does_not_go_on_is_given_up() {
    let gathering: Arc<dyn Endpoint> = Arc::new(service_fn(|request: Request<Body>| async move {
        let error = request.into_body().collect().await.unwrap_err();
        Ok(Response::new(full(error.to_string())))
    }));
    let running = start(gathering, None).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    let answer = String::from_utf8(read_until_closed(&mut client).await).unwrap();
    assert!(answer.ends_with("the request body did not go on in time"), "{answer}");
}

#[tokio::test]
async fn threat_62_one_address_gets_so_many_connections_and_no_more() {
    let few = ServerOptions { per_address_max: 3, cap_loopback: true, ..options() };
    let running = start_with(few, hello(), None).await;
    let ask = async |stream: &mut TcpStream| {
        let sent = stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut answer = [0; 12];
        sent.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer.ends_with(b"200")
    };
    let mut open = Vec::new();
    for number in 0..6 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(ask(&mut stream).await, number < 3, "connection {number}");
        open.push(stream);
    }
    drop(open);
    let again = async {
        loop {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            if ask(&mut stream).await {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("its places are not given back");
}

//! The proxy before real upstreams: TLS, HTTP/2, windows, health, other protocols, and who asks.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tollway_core::rules::Action;
use tollway_http::body::{Body, boxed, empty};
use tollway_http::endpoint::Endpoint;
use tollway_http::origin::{Forwarded, Http2, Proxy, ProxyOptions, Roots, TrustedProxies};
use tollway_http::server::{ServerOptions, serve, serve_tls};
use tollway_http::tls::Certificate;
use tollway_protocol::Reason;

use crate::rig::{Behind, Got, Origin, Rig, Sent, Setup, Way, charging, closed_port, parse, response, rule};

/// A certificate for `name`, by its own authority; the files are `cert.pem`, `key.pem` and `ca.pem`.
fn write_certificates(folder: &Path, name: &str) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("ca.pem"), ca_certificate.pem()).unwrap();
}

struct Upstream {
    origin: Origin,
    port: u16,
    folder: TempDir,
}

/// The counting origin behind TLS, its certificate for `name`.
async fn over_tls(name: &str) -> Upstream {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(folder.path(), name);
    let certificate = Certificate::read(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
    let acceptor = Arc::new(certificate).acceptor().unwrap();
    let origin = Origin::new();
    origin.behave(|request| {
        let (version, authority) = (request.version(), request.uri().authority().map(ToString::to_string));
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        std::future::ready(response(200, &[], format!("{version:?} {}", authority.or(host).unwrap())))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Arc::new(origin.clone());
    tokio::spawn(serve_tls(listener, endpoint, ServerOptions::default(), Some(acceptor), std::future::pending()));
    Upstream { origin, port, folder }
}

impl Upstream {
    fn options(&self, http2: Http2) -> ProxyOptions {
        ProxyOptions { http2, roots: Roots::File(self.folder.path().join("ca.pem")), ..short() }
    }
}

/// Windows short enough to wait for.
fn short() -> ProxyOptions {
    let window = Duration::from_millis(300);
    ProxyOptions { first_byte_wait: window, idle_wait: window, ..ProxyOptions::default() }
}

fn get(target: &str) -> Request<Body> {
    Request::get(target).header("host", "shop.example").body(empty()).unwrap()
}

async fn asked(proxy: &Proxy, request: Request<Body>) -> Got {
    Got::of(Endpoint::answer(proxy, request).await).await
}

#[tokio::test]
async fn an_upstream_is_spoken_to_over_tls_in_the_version_it_chooses() {
    let upstream = over_tls("localhost").await;
    let url = format!("https://localhost:{}", upstream.port);
    for (http2, version) in
        [(Http2::Never, Version::HTTP_11), (Http2::Negotiate, Version::HTTP_2), (Http2::Always, Version::HTTP_2)]
    {
        let proxy = Proxy::with(&url, &upstream.options(http2)).unwrap();
        for _ in 0..3 {
            let got = asked(&proxy, get("/a?b=c")).await;
            assert_eq!((got.status, got.body), (200, format!("{version:?} shop.example").into()), "{http2:?}");
        }
        assert!(upstream.origin.last().target.ends_with("/a?b=c"));
    }
}

#[tokio::test]
async fn threat_09_an_upstream_without_its_certificate_is_not_asked() {
    let upstream = over_tls("localhost").await;
    let other = over_tls("elsewhere.example").await;
    let options = upstream.options(Http2::Negotiate);
    let (trusted, url) = (|port| format!("https://localhost:{port}"), format!("https://127.0.0.1:{}", upstream.port));
    for (what, url, options) in [
        ("another authority", trusted(other.port), options.clone()),
        ("another name", trusted(other.port), other.options(Http2::Never)),
        ("an address it does not name", url, options.clone()),
        ("the roots of the web", trusted(upstream.port), short()),
    ] {
        let proxy = Proxy::with(&url, &options).unwrap();
        let got = asked(&proxy, get("/a")).await;
        assert_eq!((got.status, got.reason()), (502, Some(Reason::UpstreamUnreachable)), "{what}");
        assert!(String::from_utf8_lossy(&got.body).contains("certificate"), "{what}: {:?}", got.body);
    }
    assert_eq!((upstream.origin.runs(), other.origin.runs()), (0, 0));
    let missing = ProxyOptions { roots: Roots::File("/nonexistent/ca.pem".into()), ..short() };
    assert!(Proxy::with("https://localhost", &missing).is_err());
}

#[tokio::test]
async fn http_2_without_tls_is_spoken_where_it_is_known() {
    let origin = Origin::new();
    origin.behave(|request| std::future::ready(response(200, &[], format!("{:?}", request.version()))));
    let url = origin.over_http().await;
    let speaking = |http2| Proxy::with(&url, &ProxyOptions { http2, ..short() }).unwrap();
    assert_eq!(asked(&speaking(Http2::Always), get("/a")).await.body, "HTTP/2.0");
    assert_eq!(asked(&speaking(Http2::Negotiate), get("/a")).await.body, "HTTP/1.1");
}

#[tokio::test]
async fn what_is_no_upstream_is_refused() {
    for url in ["localhost", "ftp://localhost", "http://localhost/path", "http://u@localhost", "https://", ""] {
        assert!(Proxy::new(url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn threat_09_an_upstream_that_is_gone_or_silent_is_named_precisely() {
    let gone = Proxy::with(&format!("http://127.0.0.1:{}", closed_port().await), &short()).unwrap();
    for failures in 1..=3 {
        let got = asked(&gone, get("/a")).await;
        assert_eq!((got.status, got.reason()), (502, Some(Reason::UpstreamUnreachable)));
        assert_eq!(gone.health().is_up(Instant::now()), failures < 3);
    }
    let origin = Origin::new();
    origin.behave(|_| std::future::pending());
    let silent = Proxy::with(&origin.over_http().await, &short()).unwrap();
    let got = asked(&silent, get("/a")).await;
    assert_eq!((got.status, got.reason()), (504, Some(Reason::UpstreamTimeout)));
    origin.behave(|_| {
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"begun")))]);
        let body = boxed(StreamBody::new(begun.chain(futures_util::stream::pending())));
        std::future::ready(http::Response::new(body))
    });
    let got = asked(&silent, get("/a")).await;
    assert_eq!((got.status, got.cut), (200, true), "it stopped in the middle");
}

#[tokio::test]
async fn bodies_stream_both_ways_and_a_long_upload_is_not_silence() {
    let origin = Origin::new();
    // Echoes chunk by chunk, while the request is still being sent.
    origin.behave(|request| std::future::ready(http::Response::new(request.into_body())));
    let proxy = Proxy::with(&origin.over_http().await, &short()).unwrap();
    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let chunks = futures_util::stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|chunk| (Ok::<_, std::io::Error>(Frame::data(chunk)), receive))
    });
    let request = Request::post("/a").header("host", "shop.example").body(boxed(StreamBody::new(Box::pin(chunks))));
    let mut answer = Endpoint::answer(&proxy, request.unwrap()).await.into_body();
    for number in 0..4_u8 {
        send.send(Bytes::from(vec![number; 1_000])).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame[0], number, "each chunk comes back before the next one is sent");
    }
    drop(send);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn an_upstream_that_is_asked_is_well_when_it_answers_again() {
    let origin = Origin::new();
    origin.answer(|| response(500, &[], "ill"));
    let proxy = Proxy::with(&origin.over_http().await, &short()).unwrap();
    let health = proxy.health();
    let watching = tokio::spawn(proxy.watch("/healthz".parse().unwrap(), Duration::from_millis(5)));
    crate::rig::until(|| !health.is_up(Instant::now())).await;
    assert_eq!(origin.last().target, "/healthz");
    origin.answer(|| response(204, &[], ""));
    crate::rig::until(|| health.is_up(Instant::now())).await;
    watching.abort();
}

/// The gate's own front: a socket, the forwarding fields, the gate, a proxy, the origin.
async fn fronted(rig: &Rig, trusted: &[&str]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gate: Arc<dyn Endpoint> = Arc::new(rig.gate.clone());
    let forwarded = Forwarded::new(TrustedProxies::parse(trusted).unwrap(), vec![rig.site.clone()], gate);
    let options = ServerOptions { tell_peer: true, ..ServerOptions::default() };
    tokio::spawn(serve(listener, Arc::new(forwarded), options, std::future::pending()));
    address
}

async fn ask(address: std::net::SocketAddr, sent: &Sent) -> Got {
    parse(&crate::rig::raw(address, &sent.bytes()).await).unwrap()
}

#[tokio::test]
async fn threat_69_only_trusted_proxies_speak_for_others() {
    let rig = Rig::with(Setup { behind: Behind::Proxy, ..Setup::default() }).await;
    let lying = |host: &str| {
        Sent::plain(&rig.site, "GET", "/open/a")
            .set("host", host)
            .add("x-forwarded-for", "6.6.6.6, 203.0.113.9")
            .add("x-forwarded-proto", "http")
            .add("x-forwarded-host", "shop.example")
            .add("forwarded", "for=6.6.6.6")
            .add("x-real-ip", "6.6.6.6")
    };
    let seen = |name: &str| rig.origin.last().headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let open = fronted(&rig, &[]).await;
    assert_eq!(ask(open, &lying("shop.example")).await.status, 200);
    assert_eq!(seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen("x-forwarded-proto").as_deref(), Some("https"), "as the site is known");
    assert_eq!(seen("forwarded").as_deref(), Some("for=127.0.0.1;host=\"shop.example\";proto=https"));
    assert_eq!(seen("x-real-ip"), None);
    assert_eq!(ask(open, &lying("10.0.0.5:4021")).await.status, 421, "a stranger names no other host");

    let behind = fronted(&rig, &["127.0.0.0/8"]).await;
    assert_eq!(ask(behind, &lying("10.0.0.5:4021")).await.status, 200);
    assert_eq!(seen("x-forwarded-for").as_deref(), Some("203.0.113.9, 127.0.0.1"));
    assert_eq!(seen("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(seen("host").as_deref(), Some("shop.example"));
}

/// A server that agrees to change to `echo`, and then says everything back.
async fn echoing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    url
}

async fn echo(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.contains("upgrade: echo") && head.contains("connection: upgrade"), "{head}");
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(agreed.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await.unwrap();
}

async fn upgrading_rig() -> Rig {
    let mut sold = charging("streams", "/streams/*", |_| {});
    sold.conditions.upgrade = true;
    let rules = vec![charging("pages", "/paid/*", |_| {}), sold, rule("shut", "/shut/*", Action::Block)];
    let proxy = Proxy::new(&echoing().await).unwrap();
    Rig::with(Setup { rules, behind: Behind::Other(Arc::new(proxy)), ..Setup::default() }).await
}

/// The answer's head, and the stream behind it.
async fn upgraded(address: std::net::SocketAddr, sent: &Sent) -> (String, TcpStream) {
    let sent = sent.clone().add("connection", "Upgrade").add("upgrade", "echo");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&sent.bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

#[tokio::test]
async fn threat_88_a_priced_page_changes_to_no_other_protocol_unless_its_rule_says_so() {
    let rig = upgrading_rig().await;
    let address = fronted(&rig, &[]).await;
    let (head, mut free) = upgraded(address, &Sent::plain(&rig.site, "GET", "/free")).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    free.write_all(b"hello").await.unwrap();
    let mut said = [0; 5];
    free.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");

    let (head, _) = upgraded(address, &Sent::plain(&rig.site, "GET", "/paid/a")).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (head, _) = upgraded(address, &rig.buy(Way::X402, "/paid/a", "1")).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (head, _) = upgraded(address, &Sent::plain(&rig.site, "GET", "/streams/a")).await;
    assert!(head.starts_with("HTTP/1.1 402"), "{head}");
    assert_eq!(rig.sales().await, 0);

    let (head, mut sold) = upgraded(address, &rig.buy(Way::X402, "/streams/a", "2")).await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("payment-response: "), "{head}");
    sold.write_all(b"paid").await.unwrap();
    let mut said = [0; 4];
    sold.read_exact(&mut said).await.unwrap();
    assert_eq!((&said, rig.sales().await), (b"paid", 1));
    let again = rig.buy(Way::X402, "/streams/a", "2");
    let (head, _) = upgraded(address, &again).await;
    assert!(head.starts_with("HTTP/1.1 409"), "a replay gets its receipt and no stream: {head}");
    assert_eq!(rig.sales().await, 1);
}

#[tokio::test]
async fn an_offer_of_plain_http_2_is_passed_over() {
    let rig = Rig::new().await;
    let address = fronted(&rig, &[]).await;
    let asking = Sent::plain(&rig.site, "GET", "/paid/a").add("connection", "Upgrade").add("upgrade", "h2c");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&asking.bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 402");
}

//! Many mutated targets over sockets, paid and unpaid, with and without nginx in front: whatever the target, the origin
//! runs for a priced resource only with a reserve, and no byte of it leaves without a posting.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tollway_http::gate::PaidBy;

use super::paths::{Dice, mutated, priced, rules};
use super::sloppy;
use crate::rig::{Got, Rig, Sent, Setup, page_text, parse, response, until};

/// Targets of one run, and of one with `TOLLWAY_WHOLE=1`, which takes minutes.
const TARGETS: u64 = 3_000;
const TARGETS_WHOLE: u64 = 100_000;
const LANES: u64 = 8;
const SEED: u64 = 0x0073_7065_6c6c;
/// One in so many requests pays.
const PAYS: usize = 12;
/// Longest answer that is read.
const ANSWER_MAX: usize = 64 << 10;

fn targets() -> u64 {
    if std::env::var_os("TOLLWAY_WHOLE").is_some() { TARGETS_WHOLE } else { TARGETS }
}

/// Whether any server that we know of would take this target for a priced resource.
fn may_be_priced(target: &str) -> bool {
    sloppy::readings(target).iter().any(|(_, path)| priced(path))
}

/// What the origin saw: runs for free, runs that were paid for, and those that should have been.
#[derive(Default)]
struct Runs {
    free: AtomicUsize,
    paid: AtomicUsize,
    stolen: AtomicUsize,
}

async fn watched(site: Option<&str>) -> (Rig, Arc<Runs>) {
    let rig =
        Rig::with(Setup { rules: rules(), socket: true, site: site.map(str::to_owned), ..Setup::default() }).await;
    let runs = Arc::new(Runs::default());
    let seen = Arc::clone(&runs);
    rig.origin.behave(move |request| {
        let target = request.uri().to_string();
        // Only a gate that holds a reserve makes one.
        let paid = request.extensions().get::<PaidBy>().is_some();
        let count = match (paid, may_be_priced(&target)) {
            (true, _) => &seen.paid,
            (false, true) => &seen.stolen,
            (false, false) => &seen.free,
        };
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(response(200, &[("etag", "\"v1\"")], page_text(&target)))
    });
    (rig, runs)
}

/// What came of one lane's requests.
#[derive(Default)]
struct Tally {
    answers: u64,
    sold: u64,
}

async fn lane<S, F>(rig: &Rig, number: u64, connect: impl Fn() -> F) -> Tally
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = S>,
{
    let mut dice = Dice(SEED ^ (number << 32));
    let mut tally = Tally::default();
    let mut connection = None;
    for request in 0..targets() / LANES {
        let target = mutated(&mut dice);
        let bytes = bytes(rig, &mut dice, &target, &format!("{number}.{request}"));
        let stream = match connection.take() {
            Some(stream) => stream,
            None => connect().await,
        };
        let (got, kept) = ask(stream, &bytes).await;
        connection = kept;
        let Some(got) = got else { continue };
        tally.answers += 1;
        if got.status < 300 && got.headers.contains_key("payment-response") {
            tally.sold += 1;
        } else if got.status < 300 {
            // Free: nothing that a careless server would have taken for something priced.
            let text = String::from_utf8_lossy(&got.body).into_owned();
            let meant = text.trim_start_matches("<p>the page at ").trim_end_matches("</p>");
            assert!(!may_be_priced(meant), "{target}: {text} left unpaid");
        }
    }
    tally
}

/// A request for this target as it stands, whether a client could have meant it or not; now and then one that pays.
fn bytes(rig: &Rig, dice: &mut Dice, target: &str, nonce: &str) -> Vec<u8> {
    let meant = target.starts_with('/') && !target.contains('#');
    let pays = dice.below(PAYS) == 0 && meant && target.parse::<http::Uri>().is_ok_and(|uri| uri == target);
    let sent = if pays {
        let draft = rig.draft(&rig.agent, "GET", target).with("crawler-exact-price", "USD 0.01");
        draft.params(|params| params.nonce = Some(nonce.to_owned())).signed(&rig.agent.key())
    } else {
        Sent::plain(&rig.site, if dice.below(4) == 0 { "HEAD" } else { "GET" }, target)
    };
    let text = String::from_utf8(sent.bytes()).unwrap();
    text.replace("connection: close\r\n", "").into_bytes()
}

/// The answer, and the connection where it can be used again.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &[u8]) -> (Option<Got>, Option<S>) {
    if stream.write_all(request).await.is_err() {
        return (None, None);
    }
    let head = request.starts_with(b"HEAD");
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.unwrap_or(0);
        let got = parse(&answer);
        let whole = got.as_ref().is_some_and(|got| head || !got.cut);
        assert!(answer.len() < ANSWER_MAX);
        if read == 0 || whole {
            let told = got.as_ref().is_some_and(|got| got.headers.contains_key("content-length"));
            let closes = got.as_ref().is_some_and(|got| got.field("connection") == Some("close"));
            return (got, (read > 0 && told && !closes).then_some(stream));
        }
    }
}

async fn run<S, F>(rig: &Rig, runs: &Runs, connect: impl Fn() -> F + Copy)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = S>,
{
    let lanes = (0..LANES).map(|number| lane(rig, number, connect));
    let tallies = futures_util::future::join_all(lanes).await;
    rig.quiet().await;
    let answers: u64 = tallies.iter().map(|tally| tally.answers).sum();
    let sold: u64 = tallies.iter().map(|tally| tally.sold).sum();
    let count = |runs: &AtomicUsize| runs.load(Ordering::SeqCst) as u64;
    assert_eq!(count(&runs.stolen), 0, "the origin ran for something priced, and nothing was held");
    assert_eq!((sold, rig.books.postings()), (count(&runs.paid), sold), "sold, posted and run for are the same");
    // The run says something only if all ways were taken often.
    let all = targets();
    let free = count(&runs.free);
    let often = answers > all * 9 / 10 && sold > all / 500 && free > all / 50;
    assert!(often, "{answers} answers to {all} targets, {sold} sold, {free} free");
    assert_eq!(rig.audit().await.sales, sold);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_06_mutated_targets_over_a_socket_are_paid_for_or_not_served() {
    let (rig, runs) = watched(None).await;
    let address = rig.address.unwrap();
    run(&rig, &runs, || async move { TcpStream::connect(address).await.unwrap() }).await;
}

/// nginx in front of a gate, on a socket of its own; ended with this.
struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// With a `path` behind the gate's address nginx hands on what it has understood, without one what came.
    async fn start(gate: std::net::SocketAddr, path: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;\n\
             uwsgi_temp_path {root}/d; scgi_temp_path {root}/e; keepalive_requests 1000000;\n\
             upstream gate {{ server {gate}; keepalive 16; keepalive_requests 1000000; }}\n\
             server {{ listen unix:{root}/socket; location / {{ proxy_pass http://gate{path}; proxy_http_version 1.1;\n\
             proxy_set_header Host $http_host; proxy_set_header Connection \"\"; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let error = folder.path().join("error.log");
        let process = Command::new("nginx")
            .args([Path::new("-e"), &error, Path::new("-c"), &folder.path().join("nginx.conf")])
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is needed: apt-get install nginx-light");
        let nginx = Self { process, folder };
        let socket = nginx.socket();
        until(|| std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
        nginx
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_06_mutated_targets_behind_nginx_are_paid_for_or_not_served() {
    for path in ["", "/"] {
        let (rig, runs) = watched(Some("http://shop.example")).await;
        let nginx = Nginx::start(rig.address.unwrap(), path).await;
        let socket = nginx.socket();
        let socket = socket.as_path();
        run(&rig, &runs, || async move { UnixStream::connect(socket).await.unwrap() }).await;
    }
}

//! A seller and its crawlers as processes of the real program, in one folder, on loopback ports.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tollway_ledger::Period;

/// What a page of the test site costs, in micro-dollars.
pub(crate) const PRICE: u128 = 2_000;
/// When a test gives up: later than a crawler, whose request may be lost the moment a gateway is killed.
const PATIENCE: Duration = Duration::from_secs(90);
const BIN: &str = env!("CARGO_BIN_EXE_tollway");

/// What a process said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process that serves or loads until it is stopped. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    /// Behind a lock for the sake of threads that share a crawler; nobody ever waits for it.
    lines: Mutex<Receiver<String>>,
}

/// Where a shop differs from the usual one.
pub(crate) struct Plan {
    pub(crate) pages: usize,
    /// The `[agents]` section.
    pub(crate) agents: String,
    /// Further public origins.
    pub(crate) more_urls: Vec<String>,
}

/// A seller: its folder, its configuration, its site of priced pages under `/p/`.
pub(crate) struct Shop {
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) origin: String,
    today: u64,
}

/// A crawler: its key, its directory, its log.
pub(crate) struct Crawler {
    pub(crate) folder: TempDir,
    pub(crate) agent: String,
    _directory: Running,
}

/// Runs the program to its end.
pub(crate) fn tollway<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    let output = command(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!said.err.contains("panicked"), "{}", said.err);
    said
}

pub(crate) fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(BIN);
    command.args(args).stdin(Stdio::null());
    command
}

impl Said {
    /// It ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// It refused, and said all of this.
    #[track_caller]
    pub(crate) fn refused(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "stdout: {}\nstderr: {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in: {}", self.err);
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

impl Running {
    /// Starts a process and waits for a line that begins with `ready`; the rest of that line.
    #[track_caller]
    pub(crate) fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, ready: &str) -> (Self, String) {
        let mut running = Self::launch(args);
        let rest = running.wait_line(ready);
        (running, rest)
    }

    pub(crate) fn launch<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut child = command(args).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines: Mutex::new(lines) }
    }

    #[track_caller]
    fn wait_line(&mut self, ready: &str) -> String {
        loop {
            let line = self.lines.get_mut().unwrap().recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line `{ready}`"));
            if let Some(rest) = line.strip_prefix(ready) {
                return rest.to_owned();
            }
        }
    }

    /// SIGKILL: no handler runs, no buffer is written.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then everything it still says.
    pub(crate) fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.lines.get_mut().unwrap().iter().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            pages: 12,
            agents: "allow_loopback = true\nstarter_credit = \"$1000\"".to_owned(),
            more_urls: Vec::new(),
        }
    }
}

impl Shop {
    pub(crate) fn open(pages: usize) -> Self {
        Self::planned(&Plan { pages, ..Plan::default() })
    }

    pub(crate) fn planned(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_site(&folder.path().join("site"), plan.pages);
        let port = free_port();
        let origin = format!("http://127.0.0.1:{port}");
        let mut urls = vec![origin.clone()];
        urls.extend(plan.more_urls.iter().cloned());
        let config = format!(
            "public_urls = {urls:?}\nlisten = \"127.0.0.1:{port}\"\n[origin]\nfolder = \"site\"\n\
             [seller]\nkey = \"seller.jwk\"\n[books]\npath = \"books.db\"\n[agents]\n{}\n\
             [[rules]]\nid = \"pages\"\npath = \"/p/*\"\nmethods = [\"GET\"]\naudience = \"signed\"\n\
             action = \"charge\"\nprice = \"$0.002\"\n",
            plan.agents
        );
        std::fs::write(folder.path().join("tollway.toml"), config).unwrap();
        let shop = Self { folder, port, origin, today: now() };
        tollway(["keys", "new", &shop.file("seller.jwk")]).ok();
        shop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn config(&self) -> String {
        self.file("tollway.toml")
    }

    #[track_caller]
    pub(crate) fn gateway(&self) -> Running {
        let (running, address) = Running::start(["gateway", "-c", &self.config()], "listening on ");
        assert_eq!(address, self.origin);
        running
    }

    pub(crate) fn ledger(&self, args: &[&str]) -> Said {
        let config = self.config();
        tollway(["ledger", "-c", &config].iter().chain(args))
    }

    /// `tollway ledger … --json`, which must end well.
    #[track_caller]
    pub(crate) fn ledger_json(&self, args: &[&str]) -> Value {
        let config = self.config();
        tollway(["ledger", "-c", &config, "--json"].iter().chain(args)).ok().json()
    }

    pub(crate) fn agents(&self, args: &[&str]) -> Said {
        let config = self.config();
        tollway(["agents", "-c", &config, "--json"].iter().chain(args))
    }

    /// The day so many days from the one on which the shop opened, and the second at which it ends.
    pub(crate) fn day(&self, offset: u64) -> (String, String) {
        let day = Period::day_of(self.today + offset * 86_400);
        (day.to_string(), day.end().to_string())
    }

    /// Closes a day as if it had just ended. The one after the opening day, usually: then a midnight
    /// in the middle of a test changes nothing.
    #[track_caller]
    pub(crate) fn close(&self, offset: u64) -> Value {
        let (day, end) = self.day(offset);
        self.ledger_json(&["close", "--period", &day, "--now", &end])
    }

    /// Writes an export; its lines.
    pub(crate) fn export(&self, name: &str) -> Vec<String> {
        self.ledger_json(&["export", "--out", &self.file(name)]);
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Bodies of the journal's entries of a kind.
    pub(crate) fn bodies(&self, kind: &str) -> Vec<Value> {
        let lines = self.export("bodies.jsonl");
        let bodies = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].take());
        bodies.filter(|body| body["kind"] == kind).collect()
    }

    /// Public keys of the parties, obtained from themselves.
    pub(crate) fn public_keys(&self, crawlers: &[&Crawler]) -> String {
        let mut args = vec!["keys".to_owned(), "directory".to_owned(), self.file("seller.jwk")];
        args.extend(crawlers.iter().map(|crawler| crawler.file("crawler.jwk")));
        std::fs::write(self.path("keys.json"), tollway(args).ok().out).unwrap();
        self.file("keys.json")
    }
}

impl Crawler {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("crawler.jwk").to_str().unwrap().to_owned();
        tollway(["keys", "new", &key]).ok();
        let (directory, url) = Running::start(["keys", "serve", &key, "--listen", "127.0.0.1:0"], "serving ");
        let agent = url.split_once("/.well-known/").unwrap().0.to_owned();
        Self { folder, agent, _directory: directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn crawl_args(&self, shop: &Shop, more: &[&str]) -> Vec<String> {
        let mut args = vec!["crawl".to_owned(), format!("{}/index.html", shop.origin), "--json".to_owned()];
        let (agent, key, audit) = (&self.agent, &self.file("crawler.jwk"), &self.file("audit.jsonl"));
        let who = ["--agent", agent, "--key", key, "--audit", audit, "--max-price", "$0.01"];
        args.extend(who.map(str::to_owned));
        if !more.contains(&"--budget") {
            args.extend(["--budget".to_owned(), "$100".to_owned()]);
        }
        args.extend(more.iter().map(|&word| word.to_owned()));
        args
    }

    pub(crate) fn crawl(&self, shop: &Shop, more: &[&str]) -> Said {
        tollway(self.crawl_args(shop, more))
    }

    /// Every page of the shop, bought.
    #[track_caller]
    pub(crate) fn buy_all(&self, shop: &Shop) -> Value {
        self.crawl(shop, &[]).ok().json()
    }

    /// `tollway statement URL …`, with the JSON flag.
    pub(crate) fn statement(&self, url: &str, more: &[&str]) -> Said {
        let (key, agent) = (self.file("crawler.jwk"), self.agent.as_str());
        tollway(["statement", url, "--json", "--agent", agent, "--key", &key].iter().chain(more))
    }

    /// Whole lines of the log that are JSON: what a crash cut short is left out.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("audit.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn log_of(&self, kind: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["kind"] == kind).collect()
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        std::fs::metadata(self.path("audit.jsonl")).map_or(0, |meta| meta.len())
    }
}

/// Asks again and again until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_micros(500));
    }
}

/// A port that nobody listens on, below the range that outgoing connections take theirs from: it
/// stays free while a gateway is down.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(8).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + number % 20_000).unwrap();
        if TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok() {
            return port;
        }
    }
}

/// A plain GET: status line and headers, and the body.
pub(crate) fn get(port: u16, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Micro-dollars of a JSON string.
#[track_caller]
pub(crate) fn amount(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// How many elements an array has.
pub(crate) fn count(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

/// The same numbers in every run with the same seed; the seed is printed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("TOLLWAY_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(22);
        println!("TOLLWAY_SEED={seed}");
        Self(seed)
    }

    /// A number below `end` (`SplitMix64`).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn write_site(site: &Path, pages: usize) {
    std::fs::create_dir_all(site.join("p")).unwrap();
    let links: String = (0..pages).map(|page| format!("<a href=\"/p/{page}.html\">{page}</a>\n")).collect();
    std::fs::write(site.join("index.html"), format!("<!doctype html><title>all</title>\n{links}")).unwrap();
    for page in 0..pages {
        std::fs::write(site.join(format!("p/{page}.html")), format!("<!doctype html><title>{page}</title>")).unwrap();
    }
}

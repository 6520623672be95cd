//! `tollway mcp pay` before `tollway mcp sell` before a server that knows nothing of either: real processes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rig::{Crawler, Running, command, free_port, tollway};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server of tools without prices: one answer for each connection.
fn tools(runs: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let runs = Arc::clone(&runs);
            std::thread::spawn(move || serve_one(stream, &runs));
        }
    });
    port
}

fn serve_one(stream: TcpStream, runs: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    let mut method = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        let lower = line.to_ascii_lowercase();
        if method.is_empty() {
            method = line.split(' ').next().unwrap().to_owned();
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer =
        (method == "POST").then(|| serde_json::from_slice(&body).unwrap()).and_then(|asked| answer(&asked, runs));
    let text = match (answer, method.as_str()) {
        (Some(answer), _) => {
            let body = answer.to_string();
            format!("200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        (None, "POST") => "202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
        (None, _) => "405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    // Whoever asked may have gone.
    let _ = write!(reader.get_mut(), "HTTP/1.1 {}", text.replacen("\r\n", "\r\nconnection: close\r\n", 1));
}

fn answer(asked: &Value, runs: &AtomicUsize) -> Option<Value> {
    let id = asked.get("id")?;
    let result = match asked["method"].as_str().unwrap() {
        "initialize" => json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "tools", "version": "1"}}),
        "tools/list" => json!({"tools": [
            {"name": "square", "description": "Squares", "inputSchema": {"type": "object"}},
            {"name": "echo", "description": "Echoes", "inputSchema": {"type": "object"}, "x": 1.50}]}),
        "tools/call" => {
            runs.fetch_add(1, Ordering::SeqCst);
            let number = asked["params"]["arguments"]["number"].as_i64().unwrap_or(0);
            json!({"content": [{"type": "text", "text": (number * number).to_string()}]})
        }
        _ => json!({}),
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// A shop of tools, and an agent with an account there.
struct Market {
    folder: TempDir,
    runs: Arc<AtomicUsize>,
    crawler: Crawler,
    url: String,
    _shop: Running,
}

impl Market {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let upstream = format!("http://127.0.0.1:{}/mcp", tools(Arc::clone(&runs)));
        let port = free_port();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        tollway(["keys", "new", &file("seller.jwk")]).ok();
        let prices = format!(
            "public_urls = [\"http://127.0.0.1:{port}\"]\n[seller]\nkey = \"seller.jwk\"\n[books]\npath = \"books.db\"\n\
             [agents]\nallow_loopback = true\nstarter_credit = \"$1000\"\n\
             [[calls]]\ntool = \"square\"\nprice = \"$0.01\"\n"
        );
        std::fs::write(folder.path().join("prices.toml"), prices).unwrap();
        let listen = format!("127.0.0.1:{port}");
        let prices = file("prices.toml");
        let args = ["mcp", "sell", "--upstream", &upstream, "--prices", &prices, "--listen", &listen];
        let (shop, _) = Running::start(args, "listening on ");
        Self { runs, crawler: Crawler::new(), url: format!("http://{listen}/mcp"), folder, _shop: shop }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn pay_args(&self, more: &[&str]) -> Vec<String> {
        let (key, purse, audit) =
            (self.crawler.file("crawler.jwk"), self.file("purse.jsonl"), self.file("audit.jsonl"));
        let fixed = [
            "mcp",
            "pay",
            "--upstream",
            &self.url,
            "--agent",
            &self.crawler.agent,
            "--key",
            &key,
            "--purse",
            &purse,
            "--audit",
            &audit,
        ];
        fixed.iter().chain(more).map(|&word| word.to_owned()).collect()
    }

    fn agent(&self, capabilities: Value, more: &[&str]) -> Agent {
        Agent::start(&self.pay_args(more), capabilities)
    }

    fn spending(&self, by: &str, format: &str) -> String {
        let (purse, audit) = (self.file("purse.jsonl"), self.file("audit.jsonl"));
        tollway(["spending", "--by", by, "--purse", &purse, "--audit", &audit, format]).ok().out
    }
}

/// An agent that speaks over the pipes of `tollway mcp pay`.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<Value>,
    warned: Receiver<String>,
    asked: u64,
    /// What it answers to questions.
    word: &'static str,
    questions: Vec<String>,
}

impl Agent {
    fn start(args: &[String], capabilities: Value) -> Self {
        let mut child =
            command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, said) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(serde_json::from_str(&line).unwrap()))
        });
        let (sender, warned) = mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let input = child.stdin.take();
        let mut agent = Self { child, input, said, warned, asked: 0, word: "do not pay", questions: Vec::new() };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": capabilities,
            "clientInfo": {"name": "agent", "version": "1"}});
        agent.ask("initialize", &hello);
        agent.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        agent
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{message}").and_then(|()| input.flush()).unwrap();
    }

    fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.asked += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params}));
        self.asked
    }

    /// Asks, answers questions meanwhile, and gives the answer.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begin(method, params);
        self.wait(id)
    }

    fn wait(&mut self, id: u64) -> Value {
        loop {
            let message = self.said.recv_timeout(PATIENCE).unwrap();
            if message["method"] == "elicitation/create" {
                self.questions.push(message["params"]["message"].as_str().unwrap().to_owned());
                let answer = json!({"action": "accept", "content": {"decision": self.word}});
                self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": answer}));
            } else if message["id"] == id {
                return message["result"].clone();
            }
        }
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({"name": name, "arguments": arguments}))
    }

    /// Leaves, and waits until the payer has.
    fn leave(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

fn names(list: &Value) -> Vec<&str> {
    list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn an_agent_pays_for_a_tool_when_its_owner_says_so_through_its_client() {
    let market = Market::open();
    let mut agent = market.agent(json!({"elicitation": {}}), &["--ask", "nobody"]);
    let list = agent.ask("tools/list", &json!({}));
    assert_eq!(names(&list), ["square", "echo", "wallet_status", "spending_report", "quote"]);
    let words = "Squares (This is a paid tool, you will be charged $0.01 for its execution)";
    assert_eq!((list["tools"][0]["description"].as_str().unwrap(), &list["tools"][1]["x"]), (words, &json!(1.5)));

    let declined = agent.call("square", &json!({"number": 7}));
    assert_eq!((text(&declined), &declined["isError"]), ("User declined payment", &json!(true)));
    assert_eq!(market.runs.load(Ordering::SeqCst), 0);
    assert!(agent.questions[0].starts_with("Pay $0.01 for `square` of 127.0.0.1:"), "{}", agent.questions[0]);

    agent.word = "pay once";
    let paid = agent.call("square", &json!({"number": 7}));
    assert_eq!(text(&paid), "49");
    assert_eq!(paid["_meta"]["x402/payment-response"]["success"], true, "{paid}");
    assert_eq!(text(&agent.call("echo", &json!({"number": 3}))), "9", "free");
    assert_eq!((market.runs.load(Ordering::SeqCst), agent.questions.len()), (2, 2));

    let quote = agent.call("quote", &json!({"tool": "square", "arguments": {"number": 1}}));
    assert_eq!(quote["structuredContent"]["quote"]["price"], "10000", "{quote}");
    let status = agent.call("wallet_status", &json!({}));
    assert_eq!(status["structuredContent"]["session"]["spent"], "10000", "{status}");
    let spent = agent.call("spending_report", &json!({"by": "tool"}));
    assert_eq!(spent["structuredContent"]["rows"][0]["key"], "mcp://tool/square", "{spent}");
    agent.leave();

    let report: Value = serde_json::from_str(&market.spending("tool", "--json")).unwrap();
    let row = json!({"key": "mcp://tool/square", "payments": 1, "paid": "10000", "held": "0", "refused": 0});
    assert_eq!(report["rows"], json!([row]));
    assert_eq!(
        market.spending("scheme", "--csv"),
        "scheme,payments,paid_micro_usd,held_micro_usd,refused\ndeferred,1,10000,0,0\n"
    );
    let log = std::fs::read_to_string(market.file("audit.jsonl")).unwrap();
    let kinds: Vec<_> = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["promise", "receipt"]);
}

#[test]
fn without_anybody_to_ask_only_what_may_go_unasked_is_paid_and_the_limits_of_the_day_outlive_the_program() {
    let market = Market::open();
    let mut agent = market.agent(json!({}), &["--ask", "nobody"]);
    let refused = agent.call("square", &json!({"number": 7}));
    assert_eq!(text(&refused), "Nobody is there to confirm the payment, so nothing was paid");
    agent.leave();
    for paid in [true, false] {
        let limits = ["--ask", "nobody", "--yes-up-to", "$0.01", "--per-day", "$0.015"];
        let mut agent = market.agent(json!({}), &limits);
        let result = agent.call("square", &json!({"number": 7}));
        assert_eq!(text(&result) == "49", paid, "{result}");
        assert_eq!(text(&result).contains("budget_exhausted"), !paid);
        agent.leave();
    }
    assert_eq!(market.runs.load(Ordering::SeqCst), 1);
}

/// Sends a request to the page, and reads the answer.
fn page(address: &str, request: &str, fields: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_that_asks_wants_a_session_and_its_own_origin() {
    let market = Market::open();
    let mut agent = market.agent(json!({}), &["--ask", "page"]);
    let call = agent.begin("tools/call", &json!({"name": "square", "arguments": {"number": 7}}));
    let line = agent.warned.recv_timeout(PATIENCE).unwrap();
    let url = line.split_once(" at http://").unwrap().1;
    let (address, token) = url.split_once("/?").unwrap();

    assert!(page(address, "GET /", "", "").starts_with("HTTP/1.1 4"), "no session");
    let admitted = page(address, &format!("GET /?{token}"), "", "");
    let cookie = admitted.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("SameSite=Strict") && cookie.contains("HttpOnly"));
    let session = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    let shown = page(address, "GET /", &session, "");
    assert!(shown.contains("Pay $0.01 for `square`"), "{shown}");
    let id = shown.split_once("name=\"id\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let form = format!("id={id}&decision=once");
    let foreign = format!("{session}origin: http://evil.example\r\n");
    for fields in [session.as_str(), "origin: http://127.0.0.1\r\n", &foreign] {
        assert!(page(address, "POST /decide", fields, &form).starts_with("HTTP/1.1 4"), "{fields}");
    }
    assert_eq!(market.runs.load(Ordering::SeqCst), 0);
    let ours = format!("{session}origin: http://{address}\r\n");
    assert!(page(address, "POST /decide", &ours, &form).starts_with("HTTP/1.1 303"));
    assert_eq!(text(&agent.wait(call)), "49");
    assert!(page(address, "POST /decide", &ours, &form).starts_with("HTTP/1.1 410"), "it was answered");
}

#[test]
fn over_http_it_listens_on_loopback_only_and_knows_its_host() {
    let market = Market::open();
    tollway(market.pay_args(&["--listen", "0.0.0.0:0"])).refused(&["only a loopback address"]);
    let args = market.pay_args(&["--listen", "127.0.0.1:0", "--yes-up-to", "$0.01"]);
    let (_running, url) = Running::start(&args, "listening on http://");
    let address = url.strip_suffix("/mcp").unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
        "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}});
    let fields = "content-type: application/json\r\naccept: application/json, text/event-stream\r\n";
    let greeted = page(address, "POST /mcp", fields, &hello.to_string());
    assert!(greeted.starts_with("HTTP/1.1 200"), "{greeted}");
    let session = greeted.lines().find(|line| line.to_ascii_lowercase().starts_with("mcp-session-id:")).unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "square", "arguments": {"number": 7}}});
    let paid = page(address, "POST /mcp", &format!("{fields}{session}\r\n"), &call.to_string());
    assert!(paid.contains("\"49\"") && paid.contains("x402/payment-response"), "{paid}");
    let foreign = page(address, "POST /mcp", &format!("{fields}origin: http://evil.example\r\n"), &hello.to_string());
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
}

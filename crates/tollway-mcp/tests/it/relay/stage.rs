//! What the relay stands between in these tests: a server that is a process, one over HTTP that does as it is told, a
//! client of pipes and one of HTTP, and a hook.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tollway_mcp::relay::{
    Call, ChildUpstream, Door, Hook, HttpFront, HttpUpstream, Limits, Lost, Message, Relay, Upstream,
};

/// Nothing here takes as long.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// Answers each request with what it heard, asks the client something when it is told `ask`, tells progress when it is
/// told `progress`, never answers `silence` nor `quiet` (of which it tells), and ends when it is told `leave`. Requests begin with their id.
const SERVER: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  case "$line" in
    *'"method":"leave"'*) exit 0;;
    *'"method":"silence"'*) continue;;
    *'"method":"quiet"'*) printf '{"jsonrpc":"2.0","method":"notifications/quiet"}\n'; continue;;
    *'"method":"ask"'*) printf '{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"n":1.0}}\n';;
    *'"method":"progress"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}\n';;
  esac
  case "$line" in
    *'"method":"tools/list"'*)
      tools='[{"z":1.0,"name":"square"},{"name":"ping","z":1.50}]'
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":%s}}\n' "$id" "$tools";;
    *'"id":'*'"method":'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"heard":%s}}\n' "$id" "$line";;
    *) printf '{"jsonrpc":"2.0","method":"notifications/heard","params":%s}\n' "$line";;
  esac
done
"#;

pub(super) fn process() -> Arc<dyn Upstream> {
    Arc::new(ChildUpstream::new("sh", ["-c", SERVER]))
}

/// Takes `tools/call`; the tool's name says what it does.
#[derive(Default)]
pub(super) struct Till {
    pub(super) ended: Mutex<Vec<String>>,
    pub(super) lost: Mutex<Vec<String>>,
}

#[async_trait]
impl Hook for Till {
    fn takes(&self, request: &Message) -> bool {
        request.method() == Some("tools/call")
    }

    async fn handle(&self, call: Call) -> Result<Message, Lost> {
        let name = call.request().params().and_then(|params| params.text("name")).unwrap_or_default();
        match name.as_str() {
            "answered" => Ok(Message::result(call.id(), &json!({ "by": "the hook" }))),
            "twice" => {
                call.forward().await?;
                call.ask_server("again", &json!({ "n": 2 })).await
            }
            "confirmed" => {
                let said = call.ask_client("elicitation/create", &json!({ "message": "pay?" })).await?;
                Ok(Message::result(call.id(), &json!({ "said": said.value("result") })))
            }
            "panics" => panic!("of a hook"),
            _ => {
                let answer = call.forward().await;
                if let Err(lost) = &answer {
                    self.lost.lock().push(lost.to_string());
                }
                answer
            }
        }
    }

    fn ended(&self, session: &str) {
        self.ended.lock().push(session.to_owned());
    }
}

/// A client at the other end of two pipes.
pub(super) struct PipeClient {
    lines: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    to: Option<WriteHalf<DuplexStream>>,
    pub(super) serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl PipeClient {
    pub(super) fn of(relay: Relay) -> Self {
        let (own, others) = tokio::io::duplex(1 << 20);
        let (from, to) = tokio::io::split(others);
        let serving = tokio::spawn(async move { relay.serve_pipes(from, to).await });
        let (from, to) = tokio::io::split(own);
        Self { lines: BufReader::new(from).lines(), to: Some(to), serving }
    }

    pub(super) async fn say(&mut self, line: &str) {
        let to = self.to.as_mut().unwrap();
        to.write_all(line.as_bytes()).await.unwrap();
        to.write_all(b"\n").await.unwrap();
    }

    pub(super) async fn hear(&mut self) -> Option<String> {
        tokio::time::timeout(LONG, self.lines.next_line()).await.unwrap().unwrap()
    }

    pub(super) async fn leave(&mut self) {
        self.to.take().unwrap().shutdown().await.unwrap();
    }
}

/// What a scripted server was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn id(&self) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()["id"].clone()
    }
}

pub(super) type Said = Response<Full<Bytes>>;

pub(super) fn said(status: u16, media: &str, body: impl Into<Bytes>) -> Said {
    let answer = Response::builder().status(status).header("content-type", media);
    answer.body(Full::new(body.into())).unwrap()
}

/// A server over HTTP that answers as `script` says, and what it was asked.
pub(super) struct Scripted {
    pub(super) url: String,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    pub(super) async fn new(script: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, heard) = (Arc::new(script), Arc::clone(&asked));
        serve(listener, move |request: Request<Incoming>| {
            let (script, heard) = (Arc::clone(&script), Arc::clone(&heard));
            async move {
                let (head, body) = request.into_parts();
                let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                let asked = Asked { method: head.method, headers: head.headers, body };
                heard.lock().push(asked.clone());
                script(&asked)
            }
        });
        Self { url, asked }
    }

    pub(super) fn upstream(&self) -> Arc<dyn Upstream> {
        Arc::new(HttpUpstream::new(&self.url, HeaderMap::new()).unwrap())
    }
}

/// A relay that listens.
pub(super) struct Listening {
    pub(super) front: HttpFront,
    pub(super) address: SocketAddr,
    pub(super) client: reqwest::Client,
}

pub(super) async fn listening(upstream: Arc<dyn Upstream>, hook: Arc<dyn Hook>, limits: Limits) -> Listening {
    let front = HttpFront::new(Relay::new(upstream, hook, limits), Door::loopback(), "/mcp");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = front.clone();
    serve(listener, move |request| {
        let front = serving.clone();
        async move { front.answer(request).await }
    });
    Listening { front, address, client: reqwest::Client::builder().no_proxy().build().unwrap() }
}

fn serve<F, A, B>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<B>> + Send,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection);
        }
    });
}

impl Listening {
    pub(super) fn request(&self, method: Method, session: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("http://{}/mcp", self.address));
        let request = request.header("accept", "application/json, text/event-stream");
        match session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }

    pub(super) async fn post(&self, session: Option<&str>, body: &str) -> reqwest::Response {
        let request = self.request(Method::POST, session).header("content-type", "application/json");
        request.body(body.to_owned()).send().await.unwrap()
    }

    /// Begins a session; its name.
    pub(super) async fn begin(&self) -> String {
        let answer = self.post(None, r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.headers()["mcp-session-id"].to_str().unwrap().to_owned()
    }
}

/// The next event of an answer: its id and its data.
pub(super) async fn event(answer: &mut reqwest::Response, kept: &mut String) -> Option<(String, String)> {
    loop {
        if let Some((event, rest)) = kept.split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let found = field("id: ").zip(field("data: ").or_else(|| field("data:")));
            *kept = rest.to_owned();
            if found.is_some() {
                return found;
            }
            continue;
        }
        let piece = tokio::time::timeout(LONG, answer.chunk()).await.unwrap().unwrap()?;
        kept.push_str(std::str::from_utf8(&piece).unwrap());
    }
}

//! A server over HTTP: what is said goes by `POST`, what it says by itself comes by `GET`, and a stream that breaks is
//! taken up after its last event.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use reqwest::{Client, Response, Url, redirect};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tollway_protocol::header as header_names;

use super::{EVENTS, JSON, LAST_EVENT, SESSION, VERSION, is_media};
use crate::relay::link::{FromServer, Inbound, Link, Turned, Upstream, WAITING};
use crate::relay::message::{Id, Kind, Message};
use crate::relay::sse::Events;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take to accept what wants no answer.
const ACCEPT: Duration = Duration::from_secs(30);
/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(5);
/// How often in a row a broken stream is taken up without any progress.
const TRIES: u32 = 5;
/// Where the server does not say when to connect again, in milliseconds; and the longest it may say.
const RETRY: (u64, u64) = (1_000, 30_000);
/// Of an answer that turns a request away.
const TURNED_MAX: usize = 64 << 10;

/// A server at a URL.
#[derive(Debug, Clone)]
pub struct HttpUpstream {
    client: Client,
    url: Url,
    headers: HeaderMap,
}

/// Why a URL cannot be a server's.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It is no URL of HTTP.
    #[error("`{0}` is no http or https URL")]
    Url(String),
    /// The TLS client cannot be set up on this machine.
    #[error("the client cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
}

impl HttpUpstream {
    /// The server at `url`; every request carries `headers` besides what the client sent.
    ///
    /// # Errors
    /// What is no URL of HTTP.
    pub fn new(url: &str, headers: HeaderMap) -> Result<Self, UpstreamError> {
        let wrong = || UpstreamError::Url(url.to_owned());
        let parsed: Url = url.parse().map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
            return Err(wrong());
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .tcp_keepalive(Duration::from_secs(30))
            .user_agent(concat!("tollway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(UpstreamError::Client)?;
        Ok(Self { client, url: parsed, headers })
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn open(&self, longest: usize) -> std::io::Result<Link> {
        let (to, inbound) = mpsc::channel(WAITING);
        let (told, from) = mpsc::channel(WAITING);
        let session = Arc::new(Session { server: self.clone(), longest, told, agreed: Mutex::default() });
        tokio::spawn(session.serve(inbound));
        Ok(Link { to, from })
    }

    fn knows_no_sessions(&self) -> bool {
        true
    }
}

struct Session {
    server: HttpUpstream,
    longest: usize,
    told: mpsc::Sender<FromServer>,
    agreed: Mutex<Agreed>,
}

/// What the greeting has settled.
#[derive(Debug, Default, Clone)]
struct Agreed {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// How a stream came to its end.
enum Ended {
    /// The answer came.
    Answered,
    /// It broke off.
    Broken,
    /// What it says cannot be read.
    Unreadable(String),
}

impl Session {
    async fn serve(self: Arc<Self>, mut inbound: mpsc::Receiver<Inbound>) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                next = inbound.recv() => match next {
                    Some(inbound) => self.say(inbound, &mut tasks).await,
                    None => break,
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
        }
        tasks.shutdown().await;
        self.leave().await;
    }

    async fn say(self: &Arc<Self>, inbound: Inbound, tasks: &mut JoinSet<()>) {
        if let Kind::Request { id, .. } = inbound.message.kind().clone() {
            let session = Arc::clone(self);
            tasks.spawn(async move { session.ask(id, inbound).await });
            return;
        }
        let greeted = inbound.message.method() == Some("notifications/initialized");
        // In order: what follows may rest on it.
        match tokio::time::timeout(ACCEPT, self.post(&inbound)).await {
            Ok(Ok(answer)) if answer.status().is_success() => {}
            Ok(Ok(answer)) => tracing::warn!(status = %answer.status(), "the server turned a message away"),
            Ok(Err(error)) => tracing::warn!(%error, "the server could not be told something"),
            Err(_) => tracing::warn!("the server took too long to accept a message"),
        }
        if greeted {
            let session = Arc::clone(self);
            tasks.spawn(async move { session.listen(inbound.headers).await });
        }
    }

    /// Sends a request, and hands on everything up to its answer.
    async fn ask(&self, id: Id, inbound: Inbound) {
        let greets = inbound.message.method() == Some("initialize");
        let answer = match self.post(&inbound).await {
            Ok(answer) => answer,
            Err(error) => return self.fail(&id, &format!("the server cannot be reached: {}", chain(&error))).await,
        };
        if !answer.status().is_success() {
            let turned = turned(answer).await;
            return self.tell(FromServer::Turned { id, turned }).await;
        }
        if greets {
            self.agreed.lock().session = answer.headers().get(SESSION).cloned();
        }
        let media = answer.headers().get(header::CONTENT_TYPE);
        if is_media(media, EVENTS) {
            return self.follow(answer, &id, inbound.headers).await;
        }
        if !is_media(media, JSON) {
            return self.fail(&id, "the server's answer is neither JSON nor a stream of events").await;
        }
        let messages = match read(answer, self.longest).await {
            Ok(bytes) => Message::read_all(&bytes).map_err(|unreadable| unreadable.to_string()),
            Err(why) => Err(why),
        };
        match messages {
            Ok(messages) => {
                if !self.hand_on(messages, Some(&id)).await {
                    self.fail(&id, "the server's answer does not answer the request").await;
                }
            }
            Err(why) => self.fail(&id, &format!("the server's answer cannot be read: {why}")).await,
        }
    }

    /// Reads the stream of a request until its answer has come.
    async fn follow(&self, mut answer: Response, id: &Id, headers: HeaderMap) {
        let mut place = Place::default();
        loop {
            match self.events(answer, Some(id), &mut place).await {
                Ended::Answered => return,
                Ended::Unreadable(why) => return self.fail(id, &why).await,
                Ended::Broken => {}
            }
            let again = match &place.last {
                None => None,
                Some(_) => self.again(&headers, &mut place).await,
            };
            match again {
                Some(next) => answer = next,
                None => return self.fail(id, "the server's stream ended before its answer").await,
            }
        }
    }

    /// Listens to what the server says by itself, for as long as it lets us.
    async fn listen(&self, headers: HeaderMap) {
        let mut place = Place::default();
        let mut next = match self.get(&headers, &place).await {
            Ok(answer) if answer.status() == StatusCode::OK => Some(answer),
            Ok(_) => None,
            Err(_) => self.again(&headers, &mut place).await,
        };
        while let Some(answer) = next {
            if let Ended::Unreadable(why) = self.events(answer, None, &mut place).await {
                tracing::warn!(%why, "the server's stream cannot be read");
            }
            next = self.again(&headers, &mut place).await;
        }
    }

    async fn events(&self, mut answer: Response, id: Option<&Id>, place: &mut Place) -> Ended {
        let mut events = Events::new(self.longest);
        while let Ok(Some(piece)) = answer.chunk().await {
            events.feed(&piece);
            loop {
                let event = match events.take() {
                    Ok(Some(event)) => event,
                    Ok(None) => break,
                    Err(too_long) => return Ended::Unreadable(too_long.to_string()),
                };
                place.tries = 0;
                place.last = event.id.or_else(|| place.last.take());
                place.retry = event.retry.or(place.retry);
                if event.data.is_empty() || !matches!(event.name.as_str(), "" | "message") {
                    continue;
                }
                match Message::read_all(&event.data) {
                    Ok(messages) => {
                        if self.hand_on(messages, id).await {
                            return Ended::Answered;
                        }
                    }
                    Err(why) => tracing::warn!(%why, "the server sent an event that is no message"),
                }
            }
        }
        Ended::Broken
    }

    /// Connects again after the last event; `None` when that is refused, or was tried often enough.
    async fn again(&self, headers: &HeaderMap, place: &mut Place) -> Option<Response> {
        while place.tries < TRIES {
            let wait = place.retry.unwrap_or(RETRY.0).min(RETRY.1) << place.tries.min(4);
            place.tries += 1;
            tokio::time::sleep(Duration::from_millis(wait.min(RETRY.1))).await;
            match self.get(headers, place).await {
                Ok(answer) if answer.status() == StatusCode::OK => return Some(answer),
                Ok(answer) if answer.status().is_client_error() => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether the answer to `id` was among them.
    async fn hand_on(&self, messages: Vec<Message>, id: Option<&Id>) -> bool {
        let mut answered = false;
        for message in messages {
            answered |= matches!(message.kind(), Kind::Response { id: own } if Some(own) == id);
            self.learn(&message);
            self.tell(FromServer::Message { message, about: id.cloned() }).await;
        }
        answered
    }

    /// Without a client that tells the revision in its fields, the one agreed on is told for it.
    fn learn(&self, message: &Message) {
        if self.agreed.lock().version.is_some() || !matches!(message.kind(), Kind::Response { .. }) {
            return;
        }
        let version = message.result_fields().and_then(|result| result.text("protocolVersion"));
        self.agreed.lock().version = version.and_then(|version| HeaderValue::from_str(&version).ok());
    }

    async fn post(&self, inbound: &Inbound) -> reqwest::Result<Response> {
        let mut headers = self.headers(&inbound.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let body = inbound.message.as_str().to_owned();
        self.server.client.post(self.server.url.clone()).headers(headers).body(body).send().await
    }

    async fn get(&self, headers: &HeaderMap, place: &Place) -> reqwest::Result<Response> {
        let mut headers = self.headers(headers);
        headers.insert(header::ACCEPT, HeaderValue::from_static(EVENTS));
        if let Some(last) = place.last.as_deref().and_then(|last| HeaderValue::from_str(last).ok()) {
            headers.insert(LAST_EVENT, last);
        }
        self.server.client.get(self.server.url.clone()).headers(headers).send().await
    }

    async fn leave(&self) {
        if self.agreed.lock().session.is_some() {
            let headers = self.headers(&HeaderMap::new());
            let leaving = self.server.client.delete(self.server.url.clone()).headers(headers).send();
            // A server that does not let go of a session lets it grow old.
            let _ = tokio::time::timeout(LEAVING, leaving).await;
        }
    }

    fn headers(&self, of_client: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of_client.iter().filter(|(name, _)| travels(name)) {
            headers.append(name, value.clone());
        }
        for (name, value) in &self.server.headers {
            headers.insert(name, value.clone());
        }
        let agreed = self.agreed.lock().clone();
        if let Some(session) = agreed.session {
            headers.insert(SESSION, session);
        }
        if let Some(version) = agreed.version.filter(|_| !headers.contains_key(VERSION)) {
            headers.insert(VERSION, version);
        }
        headers
    }

    async fn fail(&self, id: &Id, why: &str) {
        let message = Message::error(id, -32_000, why, None);
        self.tell(FromServer::Message { message, about: Some(id.clone()) }).await;
    }

    async fn tell(&self, told: FromServer) {
        // Whoever listened has left.
        let _ = self.told.send(told).await;
    }
}

/// Where a stream stands.
#[derive(Debug, Default)]
struct Place {
    last: Option<String>,
    retry: Option<u64>,
    tries: u32,
}

/// Fields of the client that are meant for the server, and not for the connection, this relay, or its till.
fn travels(name: &HeaderName) -> bool {
    const OWN: [&str; 19] = [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "last-event-id",
        "mcp-session-id",
        "origin",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let name = name.as_str();
    let prefixed = ["proxy-", "sec-", "x-forwarded-"].iter().any(|prefix| name.starts_with(prefix));
    !prefixed && !OWN.contains(&name) && !header_names::PAYMENTS.contains(&name)
}

async fn turned(answer: Response) -> Turned {
    let status = answer.status();
    let mut headers = HeaderMap::new();
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::CONTENT_TYPE] {
        for value in answer.headers().get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    let body = read(answer, TURNED_MAX).await.unwrap_or_default();
    Turned { status, headers, body }
}

async fn read(mut answer: Response, most: usize) -> Result<Bytes, String> {
    let mut found = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| chain(&error))? {
        if found.len() + piece.len() > most {
            return Err(format!("it is longer than {most} bytes"));
        }
        found.extend_from_slice(&piece);
    }
    Ok(found.freeze())
}

/// An error with what caused it: the outermost alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

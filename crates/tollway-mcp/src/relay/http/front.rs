//! Clients over HTTP: `POST` says something, `GET` listens, `DELETE` leaves ("Streamable HTTP").

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, mpsc};

use super::body::EventBody;
use super::door::Door;
use super::seat::{Seat, Seats};
use super::stream::{First, Stream, after};
use super::{EVENTS, JSON, LAST_EVENT, SESSION, VERSION, is_media, random_name};
use crate::relay::Relay;
use crate::relay::link::{Inbound, WAITING};
use crate::relay::message::{Id, Kind, Message};
use crate::relay::switch::{ClientSide, run};

/// How long an answer may take to be sent as one JSON text; then a stream is begun, which can be taken up again.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first revision whose clients know an event without a message.
const PRIMED_SINCE: &str = "2025-11-25";

/// Serves clients over HTTP at one path.
#[derive(Clone)]
pub struct HttpFront {
    relay: Relay,
    door: Arc<Door>,
    path: Arc<str>,
    seats: Seats,
    room: Arc<Semaphore>,
}

type Answer = Response<EventBody>;

impl HttpFront {
    /// At `path` (such as `/mcp`), for those whom `door` lets in.
    pub fn new(relay: Relay, door: Door, path: &str) -> Self {
        let room = Arc::new(Semaphore::new(relay.limits().sessions));
        Self { relay, door: Arc::new(door), path: path.into(), seats: Seats::default(), room }
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.relay.limits().sessions - self.room.available_permits()
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        let (head, body) = request.into_parts();
        let answered = if head.uri.path() != &*self.path {
            Err(plain(StatusCode::NOT_FOUND, "no such path").into())
        } else if let Err(why) = self.door.admit(&head.uri, &head.headers) {
            Err(plain(StatusCode::FORBIDDEN, why).into())
        } else {
            match head.method {
                Method::POST => self.post(head.headers, body).await,
                Method::GET => self.listen(&head.headers),
                Method::DELETE => self.leave(&head.headers),
                _ => {
                    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "POST, GET or DELETE");
                    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
                    Err(answer.into())
                }
            }
        };
        answered.unwrap_or_else(|refused| *refused)
    }

    async fn post<B>(&self, headers: HeaderMap, body: B) -> Result<Answer, Box<Answer>>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        if !is_media(headers.get(header::CONTENT_TYPE), JSON) {
            return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content is application/json").into());
        }
        let takes = Takes::of(&headers)?;
        let body = whole(body, self.relay.limits().message).await?;
        let messages =
            Message::read_all(&body).map_err(|unreadable| json(StatusCode::BAD_REQUEST, &unreadable.answer()))?;
        let (seat, new) = self.seat(&headers, &messages).await?;
        let requests: Vec<Id> = messages.iter().filter_map(request_id).collect();
        let Ok(stream) = seat.ask(&requests) else {
            let message = Message::error(&requests[0], -32_600, "another request of this `id` is under way", None);
            return Err(json(StatusCode::BAD_REQUEST, &message).into());
        };
        let primed = seat.version.get().is_some_and(|version| version.as_str() >= PRIMED_SINCE);
        let to = seat.to().ok_or_else(gone)?;
        for message in messages {
            to.send(Inbound { message, headers: headers.clone() }).await.map_err(|_| gone())?;
        }
        drop(to);
        if requests.is_empty() {
            return Ok(answer(StatusCode::ACCEPTED, EventBody::whole("")));
        }
        let mut answer = self.answered(&seat, &stream, takes, primed, matches!(new, New::Ephemeral)).await;
        if matches!(new, New::Named) {
            if answer.status().is_success() {
                let name = HeaderValue::from_str(&seat.name).expect("hexadecimal digits are a field");
                answer.headers_mut().insert(SESSION, name);
            } else {
                // A greeting that was turned away opens nothing.
                self.seats.lock().remove(&seat.name);
                seat.leave();
            }
        }
        Ok(answer)
    }

    async fn answered(&self, seat: &Arc<Seat>, stream: &Arc<Stream>, takes: Takes, primed: bool, only: bool) -> Answer {
        let first = if takes.events {
            tokio::time::timeout(PATIENCE, stream.first()).await.unwrap_or(First::More)
        } else {
            stream.first().await
        };
        match first {
            First::Answer(message) if takes.json => json(StatusCode::OK, &message),
            First::Turned(turned) => {
                let mut answer = answer(turned.status, EventBody::whole(turned.body));
                answer.headers_mut().extend(turned.headers);
                answer
            }
            _ if !takes.events => plain(StatusCode::NOT_ACCEPTABLE, "the answer is more than one JSON text"),
            _ => {
                let kept: Option<Box<dyn Send>> = only.then(|| Box::new(Leaving(Arc::clone(seat))) as Box<dyn Send>);
                events(EventBody::events(stream.read_from(0), primed, kept))
            }
        }
    }

    /// The session of these messages: the one they name, or a new one that they open.
    async fn seat(&self, headers: &HeaderMap, messages: &[Message]) -> Result<(Arc<Seat>, New), Box<Answer>> {
        if headers.contains_key(SESSION) {
            return self.known(headers).map(|seat| (seat, New::No));
        }
        let greets = messages.iter().any(|message| message.method() == Some("initialize"));
        if greets {
            return self.open(true).await.map(|seat| (seat, New::Named));
        }
        if !self.relay.upstream.knows_no_sessions() {
            return Err(
                refused(StatusCode::BAD_REQUEST, "no Mcp-Session-Id: a session begins with `initialize`").into()
            );
        }
        self.open(false).await.map(|seat| (seat, New::Ephemeral))
    }

    fn known(&self, headers: &HeaderMap) -> Result<Arc<Seat>, Box<Answer>> {
        let name = headers.get(SESSION).and_then(|value| value.to_str().ok());
        let name = name.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "no Mcp-Session-Id"))?;
        let seat = self.seats.lock().get(name).cloned().ok_or_else(gone)?;
        let version = headers.get(VERSION).and_then(|value| value.to_str().ok());
        let agreed = seat.version.get().map(String::as_str);
        // A server that speaks HTTP judges the field itself.
        if !self.relay.upstream.knows_no_sessions() && version.is_some() && agreed.is_some() && version != agreed {
            return Err(refused(StatusCode::BAD_REQUEST, "MCP-Protocol-Version is not the one agreed on").into());
        }
        Ok(seat)
    }

    async fn open(&self, named: bool) -> Result<Arc<Seat>, Box<Answer>> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            return Err(plain(StatusCode::SERVICE_UNAVAILABLE, "too many sessions").into());
        };
        let link = self.relay.upstream.open(self.relay.limits().message).await.map_err(|error| {
            tracing::warn!(%error, "no session with the server");
            plain(StatusCode::BAD_GATEWAY, "the server cannot be reached")
        })?;
        let (to, from_client) = mpsc::channel(WAITING);
        let (to_client, outbound) = mpsc::channel(WAITING);
        let version = Arc::new(OnceLock::new());
        let name = random_name();
        let seat = Arc::new(Seat::new(name.clone(), self.relay.limits(), to, Arc::clone(&version)));
        if named {
            self.seats.lock().insert(name.clone(), Arc::clone(&seat));
        }
        let client = ClientSide { session: name, from: from_client, to: to_client, version };
        let (relay, seats, own) = (self.relay.clone(), Arc::clone(&self.seats), Arc::clone(&seat));
        tokio::spawn(async move {
            let session = async {
                tokio::join!(run(&relay, client, link), own.route(outbound));
            };
            tokio::select! {
                () = session => {}
                () = expired(&own, relay.limits().idle, &seats) => {}
            }
            seats.lock().remove(&own.name);
            drop(room);
        });
        Ok(seat)
    }

    fn listen(&self, headers: &HeaderMap) -> Result<Answer, Box<Answer>> {
        if !Takes::of(headers)?.events {
            return Err(plain(StatusCode::NOT_ACCEPTABLE, "what is told here are text/event-stream").into());
        }
        let seat = self.known(headers)?;
        seat.to().ok_or_else(gone)?;
        let Some(last) = headers.get(LAST_EVENT) else {
            let stream = seat.standing();
            return Ok(events(EventBody::events(stream.unread(), false, None)));
        };
        let place = last.to_str().ok().and_then(after);
        let (stream, place) = place
            .and_then(|(number, place)| Some((seat.stream(number)?, place)))
            .ok_or_else(|| refused(StatusCode::BAD_REQUEST, "this Last-Event-ID is not, or no longer, known"))?;
        Ok(events(EventBody::events(stream.read_from(place), false, None)))
    }

    fn leave(&self, headers: &HeaderMap) -> Result<Answer, Box<Answer>> {
        let seat = self.known(headers)?;
        self.seats.lock().remove(&seat.name);
        seat.leave();
        Ok(answer(StatusCode::OK, EventBody::whole("")))
    }
}

/// How messages came to their session.
enum New {
    /// It was open.
    No,
    /// They opened it, and it gets a name.
    Named,
    /// It ends with their answers.
    Ephemeral,
}

/// Ends a session with the body of its only answer.
struct Leaving(Arc<Seat>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// What a client takes for an answer.
#[derive(Clone, Copy)]
struct Takes {
    json: bool,
    events: bool,
}

impl Takes {
    fn of(headers: &HeaderMap) -> Result<Self, Box<Answer>> {
        let mut all = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        if all.peek().is_none() {
            return Ok(Self { json: true, events: true });
        }
        let mut takes = Self { json: false, events: false };
        for media in all.flat_map(|value| value.split(',')) {
            let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            takes.json |= matches!(media.as_str(), JSON | "application/*" | "*/*");
            takes.events |= matches!(media.as_str(), EVENTS | "text/*" | "*/*");
        }
        if takes.json || takes.events {
            return Ok(takes);
        }
        Err(plain(StatusCode::NOT_ACCEPTABLE, "answers are application/json or text/event-stream").into())
    }
}

/// Ends when nothing was said in a session for so long.
async fn expired(seat: &Seat, idle: Duration, seats: &Seats) {
    loop {
        let since = seat.idle_since();
        match since.map(|since| since + idle) {
            Some(end) if end <= tokio::time::Instant::now() => break,
            Some(end) => tokio::time::sleep_until(end).await,
            None => tokio::time::sleep(idle).await,
        }
    }
    // Its requests are over: what remains is to let go of both sides.
    seats.lock().remove(&seat.name);
    seat.leave();
}

async fn whole<B>(body: B, most: usize) -> Result<Bytes, Box<Answer>>
where
    B: Body<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    let mut body = std::pin::pin!(body);
    let mut found = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| plain(StatusCode::BAD_REQUEST, "the content broke off"))?;
        if let Ok(piece) = frame.into_data() {
            if found.len() + piece.len() > most {
                return Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "the message is too long").into());
            }
            found.extend_from_slice(&piece);
        }
    }
    Ok(found.freeze())
}

fn request_id(message: &Message) -> Option<Id> {
    match message.kind() {
        Kind::Request { id, .. } => Some(id.clone()),
        _ => None,
    }
}

fn answer(status: StatusCode, body: EventBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn with_type(mut answer: Answer, media: &'static str) -> Answer {
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    with_type(answer(status, EventBody::whole(text)), "text/plain; charset=utf-8")
}

fn json(status: StatusCode, message: &Message) -> Answer {
    with_type(answer(status, EventBody::whole(message.as_str().to_owned())), JSON)
}

fn refused(status: StatusCode, text: &'static str) -> Answer {
    json(status, &Message::error(&Id::Null, -32_000, text, None))
}

fn gone() -> Box<Answer> {
    refused(StatusCode::NOT_FOUND, "this session is not, or no longer, known").into()
}

fn events(body: EventBody) -> Answer {
    with_type(answer(StatusCode::OK, body), EVENTS)
}

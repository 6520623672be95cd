//! Live parts: server-sent events (HTML Living Standard 9.2) from a bounded hub, with replay after a lost connection.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::mpsc;
use tollway_http::body::{Body, BoxError, boxed};

use crate::reply;

/// Readers at once; one more is told to come back.
const READERS_MAX: usize = 64;
/// Chunks that wait for a slow reader before events are passed over.
const CHUNKS: usize = 4;
/// Most events in one chunk.
const BATCH: usize = 256;
/// A line now and then, so that a broken connection is noticed on both sides.
const PULSE: Duration = Duration::from_secs(15);

/// Takes events and tells them to every reader. Keeps the last ones for those who lost their connection.
pub struct Hub {
    state: Mutex<State>,
    kept: usize,
}

struct State {
    last: u64,
    ring: VecDeque<Event>,
    /// Gone when the hub is closed.
    sender: Option<broadcast::Sender<Event>>,
}

/// One event, ready for the wire.
#[derive(Debug, Clone)]
struct Event {
    id: u64,
    text: Bytes,
}

impl Hub {
    /// A hub that keeps its last `kept` events, at least one.
    pub fn new(kept: usize) -> Self {
        let kept = kept.max(1);
        let (sender, _) = broadcast::channel(kept);
        Self { state: Mutex::new(State { last: 0, ring: VecDeque::new(), sender: Some(sender) }), kept }
    }

    /// Tells an event of this kind (a word) to everyone; its id. Never waits.
    pub fn publish(&self, kind: &'static str, data: &impl Serialize) -> u64 {
        let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        let mut state = self.state.lock();
        state.last += 1;
        let id = state.last;
        // JSON holds no line feed: the data is one line.
        let event = Event { id, text: format!("id: {id}\nevent: {kind}\ndata: {data}\n\n").into() };
        if state.ring.len() == self.kept {
            state.ring.pop_front();
        }
        state.ring.push_back(event.clone());
        if let Some(sender) = &state.sender {
            // Without readers nobody is told.
            drop(sender.send(event));
        }
        id
    }

    /// Ends every reader's answer, so that a server can stop.
    pub fn close(&self) {
        self.state.lock().sender = None;
    }

    /// Answers a reader: what it missed since its `Last-Event-ID`, then what happens.
    pub fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
        let Some((first, receiver)) = self.join(last) else {
            return reply::text(StatusCode::SERVICE_UNAVAILABLE, "too many readers, or closing");
        };
        let (sender, chunks) = mpsc::channel(CHUNKS);
        tokio::spawn(tell(first, receiver, sender));
        let mut response = Response::new(boxed(Chunks(chunks)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response
    }

    /// What to begin with, and what comes after it without a gap.
    fn join(&self, last: Option<u64>) -> Option<(Bytes, broadcast::Receiver<Event>)> {
        let state = self.state.lock();
        let sender = state.sender.as_ref().filter(|sender| sender.receiver_count() < READERS_MAX)?;
        let mut first = String::from("retry: 1000\n\n");
        // An id from the future is of an earlier start: everything kept is new.
        let last = last.map(|last| if last > state.last { 0 } else { last });
        if let Some(last) = last {
            let oldest = state.ring.front().map_or(state.last + 1, |event| event.id);
            missed(&mut first, oldest.saturating_sub(last + 1));
            for event in state.ring.iter().filter(|event| event.id > last) {
                first.push_str(std::str::from_utf8(&event.text).unwrap_or_default());
            }
        } else {
            write!(first, "id: {}\nevent: hello\ndata: null\n\n", state.last).expect("a string takes all");
        }
        Some((first.into(), sender.subscribe()))
    }
}

/// Says how many events a reader will not get.
fn missed(text: &mut String, count: u64) {
    if count > 0 {
        write!(text, "event: missed\ndata: {count}\n\n").expect("a string takes all");
    }
}

async fn tell(first: Bytes, mut events: broadcast::Receiver<Event>, chunks: mpsc::Sender<Bytes>) {
    let mut next = Some(first);
    loop {
        let chunk = match next.take() {
            Some(chunk) => chunk,
            None => match tokio::time::timeout(PULSE, events.recv()).await {
                Err(_) => Bytes::from_static(b": \n\n"),
                Ok(Err(RecvError::Closed)) => return,
                Ok(Err(RecvError::Lagged(count))) => {
                    let mut text = String::new();
                    missed(&mut text, count);
                    text.into()
                }
                Ok(Ok(event)) => gathered(event, &mut events),
            },
        };
        tokio::select! {
            sent = chunks.send(chunk) => if sent.is_err() { return },
            () = chunks.closed() => return,
        }
    }
}

/// What has happened since, in one chunk.
fn gathered(first: Event, events: &mut broadcast::Receiver<Event>) -> Bytes {
    let mut text = Vec::from(first.text);
    for _ in 1..BATCH {
        match events.try_recv() {
            Ok(event) => text.extend_from_slice(&event.text),
            Err(TryRecvError::Lagged(count)) => {
                let mut words = String::new();
                missed(&mut words, count);
                text.extend_from_slice(words.as_bytes());
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    text.into()
}

/// Chunks on their way.
struct Chunks(mpsc::Receiver<Bytes>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn read(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn after(id: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static(id))])
    }

    #[tokio::test]
    async fn a_reader_gets_what_happens_and_the_end() {
        let hub = Hub::new(8);
        hub.publish("step", &"before");
        let response = hub.answer(&HeaderMap::new());
        hub.publish("step", &"two\nlines");
        hub.close();
        let text = read(response).await;
        assert!(text.contains("id: 1\nevent: hello"), "{text}");
        assert!(text.contains("id: 2\nevent: step\ndata: \"two\\nlines\"\n\n"), "{text}");
        assert!(!text.contains("before"));
    }

    #[tokio::test]
    async fn who_comes_back_gets_what_was_missed() {
        let hub = Hub::new(3);
        for number in 1..=6 {
            hub.publish("step", &number);
        }
        let (all, gap, odd) = (hub.answer(&after("4")), hub.answer(&after("1")), hub.answer(&after("99")));
        hub.close();
        let all = read(all).await;
        assert!(all.contains("data: 5\n") && all.contains("data: 6\n") && !all.contains("missed"), "{all}");
        let gap = read(gap).await;
        assert!(gap.contains("event: missed\ndata: 2\n") && gap.contains("data: 4\n"), "{gap}");
        assert!(read(odd).await.contains("event: missed\ndata: 3\n"));
    }

    #[tokio::test]
    async fn threat_93_a_slow_reader_misses_events_and_holds_nothing_up() {
        let hub = Hub::new(16);
        let response = hub.answer(&HeaderMap::new());
        for number in 0..10_000 {
            hub.publish("step", &number);
            if number % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        hub.close();
        let text = read(response).await;
        assert!(text.contains("event: missed"), "it was told");
        assert!(text.contains("data: 9999\n"), "and got the newest");
    }

    #[tokio::test]
    async fn threat_93_readers_are_bounded() {
        let hub = Hub::new(4);
        let open: Vec<_> = (0..READERS_MAX).map(|_| hub.answer(&HeaderMap::new())).collect();
        assert!(open.iter().all(|response| response.status() == StatusCode::OK));
        assert_eq!(hub.answer(&HeaderMap::new()).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

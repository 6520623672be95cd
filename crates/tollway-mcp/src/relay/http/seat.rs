//! A session with one client over HTTP: its streams, and which message goes into which of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::stream::Stream;
use crate::relay::Limits;
use crate::relay::link::{Inbound, Outbound};
use crate::relay::message::{Id, Kind, Message};

/// Streams that have ended and may still be asked for again.
const FINISHED_MAX: usize = 8;

/// A session.
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) version: Arc<OnceLock<String>>,
    most: (usize, usize),
    to: Mutex<Option<mpsc::Sender<Inbound>>>,
    streams: Mutex<Streams>,
    touched: Mutex<Instant>,
}

struct Streams {
    /// That of `GET`, for what belongs to no request.
    standing: Arc<Stream>,
    /// Those of requests without an answer, the newest last.
    asking: Vec<(Id, Arc<Stream>)>,
    finished: VecDeque<Arc<Stream>>,
    next: u64,
}

impl Seat {
    pub(super) fn new(
        name: String,
        limits: &Limits,
        to: mpsc::Sender<Inbound>,
        version: Arc<OnceLock<String>>,
    ) -> Self {
        let most = (limits.kept_events, limits.kept_bytes);
        let standing = Stream::new(0, most);
        let streams = Streams { standing, asking: Vec::new(), finished: VecDeque::new(), next: 1 };
        let to = Mutex::new(Some(to));
        Self { name, version, most, to, streams: Mutex::new(streams), touched: Mutex::new(Instant::now()) }
    }

    /// Where the client's messages go; `None` once the session is over.
    pub(super) fn to(&self) -> Option<mpsc::Sender<Inbound>> {
        *self.touched.lock() = Instant::now();
        self.to.lock().clone()
    }

    /// The client has left.
    pub(super) fn leave(&self) {
        self.to.lock().take();
    }

    /// Since when nothing was said; `None` while somebody reads.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let streams = self.streams.lock();
        let read = streams.standing.is_read() || !streams.asking.is_empty();
        (!read).then(|| *self.touched.lock())
    }

    /// The stream in which these requests will be answered.
    ///
    /// # Errors
    /// When one of them is under way already.
    pub(super) fn ask(&self, requests: &[Id]) -> Result<Arc<Stream>, ()> {
        let mut streams = self.streams.lock();
        let twice = |at: usize, id: &Id| requests[..at].contains(id) || streams.asking.iter().any(|(own, _)| own == id);
        if requests.iter().enumerate().any(|(at, id)| twice(at, id)) {
            return Err(());
        }
        let stream = Stream::new(streams.next, self.most);
        streams.next += 1;
        streams.asking.extend(requests.iter().map(|id| (id.clone(), Arc::clone(&stream))));
        Ok(stream)
    }

    pub(super) fn standing(&self) -> Arc<Stream> {
        Arc::clone(&self.streams.lock().standing)
    }

    /// A stream by its number, if it can still be asked for.
    pub(super) fn stream(&self, number: u64) -> Option<Arc<Stream>> {
        let streams = self.streams.lock();
        let asking = streams.asking.iter().map(|(_, stream)| stream);
        let mut all = asking.chain(&streams.finished).chain([&streams.standing]);
        all.find(|stream| stream.number() == number).cloned()
    }

    /// Puts what comes from the relay into the streams, until the session is over.
    pub(super) async fn route(&self, mut outbound: mpsc::Receiver<Outbound>) {
        while let Some(outbound) = outbound.recv().await {
            match outbound {
                Outbound::Message { message, about } => self.say(message, about).await,
                Outbound::Turned { id, turned } => {
                    if let Some(stream) = self.end(&id) {
                        stream.turn(turned);
                    }
                }
                Outbound::Over { id } => drop(self.end(&id)),
            }
        }
        self.leave();
        let mut streams = self.streams.lock();
        streams.standing.finish();
        for (_, stream) in streams.asking.drain(..) {
            stream.finish();
        }
    }

    async fn say(&self, message: Message, about: Option<Id>) {
        let answers = match message.kind() {
            Kind::Response { id } => Some(id.clone()),
            _ => None,
        };
        let stream = {
            let streams = self.streams.lock();
            let of = |id: &Id| streams.asking.iter().find(|(own, _)| own == id).map(|(_, stream)| Arc::clone(stream));
            match (about.as_ref().and_then(of), &answers) {
                (Some(stream), _) => stream,
                // An answer whose stream is gone has nobody to go to.
                (None, Some(id)) if *id != Id::Null => return,
                (None, _) if streams.standing.is_read() => Arc::clone(&streams.standing),
                (None, _) => Arc::clone(streams.asking.last().map_or(&streams.standing, |(_, stream)| stream)),
            }
        };
        stream.say(message).await;
        if let Some(id) = answers {
            self.end(&id);
        }
    }

    /// A request is over; with the last one of its stream the stream ends too.
    fn end(&self, id: &Id) -> Option<Arc<Stream>> {
        let mut streams = self.streams.lock();
        let at = streams.asking.iter().position(|(own, _)| own == id)?;
        let (_, stream) = streams.asking.remove(at);
        if !streams.asking.iter().any(|(_, other)| Arc::ptr_eq(other, &stream)) {
            stream.finish();
            streams.finished.push_back(Arc::clone(&stream));
            if streams.finished.len() > FINISHED_MAX {
                streams.finished.pop_front();
            }
        }
        Some(stream)
    }
}

/// All sessions, by name.
pub(super) type Seats = Arc<Mutex<HashMap<String, Arc<Seat>>>>;

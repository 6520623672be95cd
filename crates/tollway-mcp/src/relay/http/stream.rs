//! One stream of events: what was said in it, kept for a while, so that a connection that broke can be taken up again
//! ("Resumability and Redelivery").

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::relay::link::Turned;
use crate::relay::message::{Kind, Message};

/// A stream of a session.
#[derive(Debug)]
pub(super) struct Stream {
    number: u64,
    most: (usize, usize),
    kept: Mutex<Kept>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    /// The place of the first message that is kept.
    first: u64,
    messages: VecDeque<Message>,
    bytes: usize,
    /// The place up to which a reader has read.
    read: u64,
    /// Which reader is the one; those before it end.
    reader: u64,
    reading: bool,
    done: bool,
    turned: Option<Turned>,
}

/// How a stream begins.
#[derive(Debug)]
pub(super) enum First {
    /// With the answer, and that is all.
    Answer(Message),
    /// HTTP turned the request away.
    Turned(Turned),
    /// With something else.
    More,
}

impl Stream {
    /// Keeps at most so many messages and bytes, and always the last message.
    pub(super) fn new(number: u64, most: (usize, usize)) -> Arc<Self> {
        Arc::new(Self { number, most, kept: Mutex::default(), changed: Notify::new() })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_read(&self) -> bool {
        self.kept.lock().reading
    }

    /// Says something in the stream. Waits while somebody reads it and is behind by all that is kept; what nobody
    /// reads pushes out what is oldest.
    pub(super) async fn say(&self, message: Message) {
        loop {
            let changed = self.changed.notified();
            {
                let mut kept = self.kept.lock();
                let end = kept.first + kept.messages.len() as u64;
                let unread = end.saturating_sub(kept.read.max(kept.first));
                let full = kept.messages.len() >= self.most.0 || kept.bytes >= self.most.1;
                let behind = kept.reading && full && unread >= kept.messages.len() as u64;
                if !behind {
                    kept.push(message, self.most);
                    self.changed.notify_waiters();
                    return;
                }
            }
            changed.await;
        }
    }

    /// Nothing more will be said.
    pub(super) fn finish(&self) {
        self.kept.lock().done = true;
        self.changed.notify_waiters();
    }

    /// The request whose stream it is was turned away.
    pub(super) fn turn(&self, turned: Turned) {
        let mut kept = self.kept.lock();
        kept.turned = Some(turned);
        kept.done = true;
        self.changed.notify_waiters();
    }

    /// How it begins, once it does.
    pub(super) async fn first(&self) -> First {
        loop {
            let changed = self.changed.notified();
            {
                let kept = self.kept.lock();
                if let Some(turned) = &kept.turned {
                    return First::Turned(turned.clone());
                }
                let is_answer = |message: &Message| matches!(message.kind(), Kind::Response { .. });
                match kept.messages.front() {
                    Some(message) if kept.done && kept.messages.len() == 1 && kept.first == 0 && is_answer(message) => {
                        return First::Answer(message.clone());
                    }
                    // An answer is about to be the last one.
                    Some(message) if is_answer(message) && !kept.done && kept.messages.len() == 1 => {}
                    None if !kept.done => {}
                    _ => return First::More,
                }
            }
            changed.await;
        }
    }

    /// Reads what is kept and was not read yet, and what follows.
    pub(super) fn unread(self: &Arc<Self>) -> Reader {
        let place = {
            let kept = self.kept.lock();
            kept.read.max(kept.first)
        };
        self.read_from(place)
    }

    /// Reads from a place on; whoever read before ends.
    pub(super) fn read_from(self: &Arc<Self>, place: u64) -> Reader {
        let mut kept = self.kept.lock();
        kept.reader += 1;
        kept.reading = true;
        kept.read = place;
        let reader = Reader { stream: Arc::clone(self), next: place, own: kept.reader };
        self.changed.notify_waiters();
        reader
    }
}

impl Kept {
    fn push(&mut self, message: Message, most: (usize, usize)) {
        self.bytes += message.as_str().len();
        self.messages.push_back(message);
        while self.messages.len() > 1 && (self.messages.len() > most.0 || self.bytes > most.1) {
            if let Some(oldest) = self.messages.pop_front() {
                self.bytes -= oldest.as_str().len();
                self.first += 1;
            }
        }
    }
}

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Reader {
    stream: Arc<Stream>,
    next: u64,
    own: u64,
}

impl Reader {
    /// The next event as it is written; `None` at the end, when somebody else reads, or when what would come next is
    /// no longer kept.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let changed = self.stream.changed.notified();
            {
                let mut kept = self.stream.kept.lock();
                if kept.reader != self.own || self.next < kept.first {
                    return None;
                }
                let at = usize::try_from(self.next - kept.first).ok()?;
                if let Some(message) = kept.messages.get(at) {
                    let event = written(self.stream.number, self.next, message.as_str());
                    self.next += 1;
                    kept.read = self.next;
                    drop(kept);
                    self.stream.changed.notify_waiters();
                    return Some(event);
                }
                if kept.done {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// An event that says nothing but where to go on, should the connection break before the first message.
    pub(super) fn prime(&self) -> String {
        format!("id: {}_\ndata:\n\n", self.stream.number)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut kept = self.stream.kept.lock();
        if kept.reader == self.own {
            kept.reading = false;
        }
        drop(kept);
        self.stream.changed.notify_waiters();
    }
}

fn written(stream: u64, place: u64, data: &str) -> String {
    format!("id: {stream}_{place}\nevent: message\ndata: {data}\n\n")
}

/// The stream and place that the event after `last` has.
pub(super) fn after(last: &str) -> Option<(u64, u64)> {
    let (stream, place) = last.split_once('_')?;
    let place = if place.is_empty() { 0 } else { place.parse::<u64>().ok()?.checked_add(1)? };
    Some((stream.parse().ok()?, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at: u64) -> Message {
        Message::notification("n", &serde_json::json!({ "at": at }))
    }

    #[tokio::test]
    async fn a_reader_goes_on_where_the_one_before_it_was() {
        let stream = Stream::new(3, (4, 1 << 20));
        stream.say(message(0)).await;
        stream.say(message(1)).await;
        let mut first = stream.read_from(0);
        assert!(first.next().await.unwrap().starts_with("id: 3_0\n"));
        let mut second = stream.read_from(after("3_0").unwrap().1);
        assert_eq!(first.next().await, None, "the stream is read by another");
        assert!(second.next().await.unwrap().contains(r#"{"at":1}"#));
        stream.finish();
        assert_eq!(second.next().await, None);
        assert_eq!(after("3_"), Some((3, 0)));
        for wrong in ["", "3", "x_1", "3_18446744073709551615", "3_-1", "_"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_nobody_reads_is_kept_within_bounds_and_a_slow_reader_is_waited_for() {
        let stream = Stream::new(0, (2, 1 << 20));
        for at in 0..5 {
            stream.say(message(at)).await;
        }
        assert_eq!(stream.read_from(0).next().await, None, "the first ones are gone");
        let mut reader = stream.read_from(3);
        let saying = tokio::spawn({
            let stream = Arc::clone(&stream);
            async move {
                for at in 5..20 {
                    stream.say(message(at)).await;
                }
            }
        });
        for at in 3..20 {
            assert!(reader.next().await.unwrap().contains(&format!("{{\"at\":{at}}}")), "{at}");
        }
        saying.await.unwrap();
    }
}

//! Server-sent events as they are read (WHATWG HTML, "Server-sent events"; MCP transports, "Streamable HTTP").

use bytes::{Buf as _, BytesMut};

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` where the stream names none.
    pub name: String,
    /// Its data; empty where the event only tells an id.
    pub data: Vec<u8>,
    /// The id to resume after.
    pub id: Option<String>,
    /// Milliseconds to wait before connecting again.
    pub retry: Option<u64>,
}

/// An event or a line is longer than is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {0} bytes")]
pub struct TooLong(pub usize);

/// Longest id that is kept to resume after.
const ID_MAX: usize = 1_024;

/// Decodes a stream of events piece by piece.
#[derive(Debug)]
pub struct Events {
    kept: BytesMut,
    searched: usize,
    longest: usize,
    begun: bool,
    event: Event,
    has_data: bool,
}

impl Events {
    /// Events of at most `longest` bytes of data.
    pub fn new(longest: usize) -> Self {
        Self { kept: BytesMut::new(), searched: 0, longest, begun: false, event: Event::default(), has_data: false }
    }

    /// Takes a piece of the stream.
    pub fn feed(&mut self, piece: &[u8]) {
        self.kept.extend_from_slice(piece);
    }

    /// The next event that is all there.
    ///
    /// # Errors
    /// When it is too long; the stream is of no use then.
    pub fn take(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                let told = std::mem::take(&mut self.has_data) || event.id.is_some() || event.retry.is_some();
                if told {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<BytesMut>, TooLong> {
        if !self.begun && self.kept.len() >= 3 {
            self.begun = true;
            if self.kept.starts_with("\u{feff}".as_bytes()) {
                self.kept.advance(3);
            }
        }
        let end = self.kept[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(at) = end.map(|at| at + self.searched) else {
            self.searched = self.kept.len();
            // Room for the name of the field.
            return if self.kept.len() > self.longest + 64 { Err(TooLong(self.longest)) } else { Ok(None) };
        };
        let is_return = self.kept[at] == b'\r';
        if is_return && at + 1 == self.kept.len() {
            // A line feed may follow, and belongs to it.
            self.searched = at;
            return Ok(None);
        }
        let line = self.kept.split_to(at);
        self.kept.advance(if is_return && self.kept.get(1) == Some(&b'\n') { 2 } else { 1 });
        self.searched = 0;
        Ok(Some(line))
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLong> {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &[][..]),
        };
        match name {
            b"data" => {
                if self.event.data.len() + value.len() > self.longest {
                    return Err(TooLong(self.longest));
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"event" => self.event.name = String::from_utf8_lossy(&value[..value.len().min(ID_MAX)]).into_owned(),
            b"id" => {
                // What could not be sent back in a header is no id to resume after.
                let plain = |text: &&str| text.len() <= ID_MAX && text.bytes().all(|b| (0x20..0x7f).contains(&b));
                self.event.id = std::str::from_utf8(value).ok().filter(plain).map(str::to_owned);
            }
            b"retry" => {
                let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                self.event.retry = digits.and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Event>, TooLong> {
        let mut events = Events::new(64);
        let mut found = Vec::new();
        for piece in pieces {
            events.feed(piece);
            while let Some(event) = events.take()? {
                found.push(event);
            }
        }
        Ok(found)
    }

    #[test]
    fn an_event_is_read_in_each_spelling() {
        let event = Event { name: "message".into(), data: b"{}\n1".to_vec(), id: Some("7".into()), retry: Some(10) };
        let text = "\u{feff}:hello\nevent: message\nid: 7\nretry:10\ndata:{}\ndata: 1\nother: x\n\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r") + ":"] {
            assert_eq!(read(&[text.as_bytes()]).unwrap(), [event.clone()], "{text:?}");
        }
    }

    #[test]
    fn an_id_alone_is_told_and_an_unfinished_event_is_not() {
        let found = read(&[b"id: 0_1\ndata:\n\ndata: x\n"]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id.as_deref(), found[0].data.len()), (Some("0_1"), 0));
        assert_eq!(read(&[b"id: a\0b\ndata: x\n\n"]).unwrap()[0].id, None);
    }

    #[test]
    fn threat_93_megabytes_in_one_event_end_the_stream() {
        assert_eq!(read(&[&[b'x'; 200]]), Err(TooLong(64)));
        let lines = "data: 0123456789\n".repeat(10);
        assert_eq!(read(&[lines.as_bytes()]), Err(TooLong(64)));
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_into_pieces_changes_nothing(
            text in "([a-z]{1,6}:? ?[a-z0-9]{0,8}(\n|\r|\r\n)){0,12}", cut in 0usize..200
        ) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(read(&[bytes]), read(&[&bytes[..cut], &bytes[cut..]]));
            let each: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(read(&[bytes]), read(&each));
        }

        #[test]
        fn any_bytes_are_events_or_too_long(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(events) = read(&[&bytes]) {
                for event in events {
                    prop_assert!(event.data.len() <= 64 + 64);
                }
            }
        }
    }
}

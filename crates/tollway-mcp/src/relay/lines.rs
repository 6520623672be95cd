//! Messages as lines (MCP transports, "stdio"): one message a line, each line bounded.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::message::Message;

/// Bytes asked for at once.
const CHUNK: usize = 16 << 10;

/// Reads lines of at most so many bytes.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    kept: BytesMut,
    searched: usize,
    longest: usize,
    skipping: bool,
}

/// One line, or that it was too long to be kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes, without the line break.
    Whole(BytesMut),
    /// It was longer than is read, and was passed over.
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `longest` bytes.
    pub fn new(from: R, longest: usize) -> Self {
        Self { from, kept: BytesMut::new(), searched: 0, longest, skipping: false }
    }

    /// The next line; `None` at the end. What stands after the last line break is a line too. May be dropped while
    /// it waits: nothing is lost.
    ///
    /// # Errors
    /// What reading fails with.
    pub async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.whole() {
                return Ok(Some(line));
            }
            self.kept.reserve(CHUNK);
            if self.from.read_buf(&mut self.kept).await? == 0 {
                let rest = std::mem::take(&mut self.kept);
                self.searched = 0;
                return Ok((!self.skipping && !rest.is_empty()).then_some(Line::Whole(rest)));
            }
        }
    }

    /// A line that is all there, or the discovery that it is too long; that is told once.
    fn whole(&mut self) -> Option<Line> {
        loop {
            let Some(at) = self.kept[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.kept.len();
                if self.kept.len() <= self.longest {
                    return None;
                }
                self.kept = BytesMut::new();
                self.searched = 0;
                return (!std::mem::replace(&mut self.skipping, true)).then_some(Line::TooLong);
            };
            let mut line = self.kept.split_to(self.searched + at);
            self.kept.advance(1);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if line.len() > self.longest {
                return Some(Line::TooLong);
            }
            if line.ends_with(b"\r") {
                line.truncate(line.len() - 1);
            }
            if !line.is_empty() {
                return Some(Line::Whole(line));
            }
        }
    }
}

/// Writes a message as a line, and sends it on its way.
///
/// # Errors
/// What writing fails with.
pub async fn write_line<W: AsyncWrite + Unpin>(to: &mut W, message: &Message) -> std::io::Result<()> {
    let mut line = Vec::with_capacity(message.as_str().len() + 1);
    line.extend_from_slice(message.as_str().as_bytes());
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn read(bytes: &[u8], longest: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(bytes, longest);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        found
    }

    #[tokio::test]
    async fn lines_end_in_either_way_and_empty_ones_are_nothing() {
        let found = read(b"a\r\n\n\nbc\nd", 10).await;
        assert_eq!(found, [Some(b"a".to_vec()), Some(b"bc".to_vec()), Some(b"d".to_vec())]);
    }

    #[tokio::test]
    async fn a_line_too_long_is_told_once_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; 100_000];
        bytes.extend_from_slice(b"\nok\n");
        assert_eq!(read(&bytes, 64).await, [None, Some(b"ok".to_vec())]);
        assert_eq!(read(b"xxxxx\nok\n", 4).await, [None, Some(b"ok".to_vec())]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_lines_within_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(read(&bytes, 16));
            for line in found.into_iter().flatten() {
                prop_assert!(!line.is_empty() && line.len() <= 16 && !line.contains(&b'\n'));
            }
        }
    }
}

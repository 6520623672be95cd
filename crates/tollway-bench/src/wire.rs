//! The least HTTP/1.1 a load needs: send bytes, read one answer whose length is told.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Most bytes of one answer's head and body.
const ANSWER_MAX: usize = 2 << 20;

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer, until the next is read.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    /// Bytes of the body.
    pub(crate) length: usize,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("the server does not take connections")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut searched = 0;
        let head = loop {
            self.read().await?;
            if let Some(end) = end_of_head(&self.buffer, searched) {
                break end;
            }
            searched = self.buffer.len().saturating_sub(3);
        };
        let told = field(&self.buffer[..head], "content-length").and_then(|text| text.parse::<usize>().ok());
        let length = told.context("an answer does not tell its length")?;
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        ensure!(self.buffer.len() == head + length, "an answer is longer than it says");
        let (head, body) = self.buffer.split_at(head);
        Ok(Answer { status: status(head)?, head, length, body })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.buffer.len() < ANSWER_MAX, "an answer is longer than 2 MiB");
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
        Ok(())
    }
}

impl Answer<'_> {
    /// The value of a field, by its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(self.head, name)
    }
}

/// Past the blank line, looking at bytes from `from` on.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

fn status(head: &[u8]) -> anyhow::Result<u16> {
    let code = head.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    code.context("an answer does not begin with a status line")
}

fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    text.split("\r\n").find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 402 Payment Required\r\nContent-Length:  17\r\nx-a: b: c\r\n\r\nbody";

    #[test]
    fn a_head_is_read() {
        let end = end_of_head(HEAD, 0).unwrap();
        assert_eq!(&HEAD[end..], b"body");
        assert_eq!(end_of_head(HEAD, end - 4), Some(end));
        assert_eq!(end_of_head(&HEAD[..end - 1], 0), None);
        assert_eq!(status(HEAD).unwrap(), 402);
        assert_eq!(field(HEAD, "content-length"), Some("17"));
        assert_eq!(field(HEAD, "x-a"), Some("b: c"));
        assert_eq!(field(HEAD, "etag"), None);
        assert!(status(b"HTTP/1.1").is_err());
    }
}

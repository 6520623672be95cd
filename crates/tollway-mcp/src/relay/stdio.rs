//! A client at the other end of standard input and output, or of any two pipes.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::Relay;
use super::lines::{Line, Lines, write_line};
use super::link::{Inbound, Outbound, WAITING};
use super::message::{Id, Message, Unreadable};
use super::switch::{ClientSide, run};

impl Relay {
    /// Serves the one client that writes to `from` and reads `to`, until it or the server has left.
    ///
    /// # Errors
    /// When there is no server to speak with, or what writing to the client fails with.
    pub async fn serve_pipes<R, W>(&self, from: R, to: W) -> std::io::Result<()>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let link = self.upstream.open(self.limits.message).await?;
        let (to_switch, from_client) = mpsc::channel(WAITING);
        let (to_client, outbound) = mpsc::channel(WAITING);
        let session = super::http::random_name();
        let client =
            ClientSide { session, from: from_client, to: to_client.clone(), version: Arc::new(OnceLock::new()) };
        let reading = tokio::spawn(read(Lines::new(from, self.limits.message), to_switch, to_client));
        let writing = tokio::spawn(write(to, outbound));
        run(self, client, link).await;
        // It may wait for a line that never comes; ending it lets go of the way to the client.
        reading.abort();
        let _ = reading.await;
        writing.await.map_err(std::io::Error::other)?
    }
}

async fn read<R: AsyncRead + Unpin>(
    mut lines: Lines<R>,
    to: mpsc::Sender<Inbound>,
    client: mpsc::Sender<Outbound>,
) -> std::io::Result<()> {
    while let Some(line) = lines.next().await? {
        let read = match line {
            Line::Whole(line) => Message::read_all(&line),
            Line::TooLong => Err(Unreadable::Shape("it is too long")),
        };
        match read {
            Ok(messages) => {
                for message in messages {
                    if to.send(Inbound { message, headers: HeaderMap::new() }).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Err(unreadable) => {
                let outbound = Outbound::Message { message: unreadable.answer(), about: None };
                if client.send(outbound).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn write<W: AsyncWrite + Unpin>(mut to: W, mut outbound: mpsc::Receiver<Outbound>) -> std::io::Result<()> {
    while let Some(outbound) = outbound.recv().await {
        let message = match outbound {
            Outbound::Message { message, .. } => message,
            Outbound::Turned { id, turned } => turned_away(&id, &turned.words()),
            Outbound::Over { .. } => continue,
        };
        write_line(&mut to, &message).await?;
    }
    Ok(())
}

/// Over pipes there is no status to tell: the words of HTTP go into an error.
fn turned_away(id: &Id, words: &str) -> Message {
    Message::error(id, -32_000, words, None)
}

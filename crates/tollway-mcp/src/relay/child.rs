//! A server that is a process: started for each session, spoken to by its standard input and output (MCP transports,
//! "stdio"), ended as the specification says: its input is closed first.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::lines::{Line, Lines, write_line};
use super::link::{FromServer, Inbound, Link, Upstream, WAITING};
use super::message::Message;

/// How long a server has to end after its input is closed.
const LEAVING: Duration = Duration::from_secs(5);

/// Starts the server anew for each session.
#[derive(Debug, Clone)]
pub struct ChildUpstream {
    program: String,
    arguments: Vec<String>,
}

/// A command line that names no program, or quotes something without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCommand {
    /// It is empty.
    #[error("the command is empty")]
    Empty,
    /// A quotation has no end.
    #[error("a quotation in the command has no end")]
    OpenQuote,
}

impl ChildUpstream {
    /// A program and its arguments.
    pub fn new(program: impl Into<String>, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// Reads a command line: words between spaces, `'…'` and `"…"` for words with spaces, `\` before any character.
    /// No shell reads it: there are no variables and no pipes.
    ///
    /// # Errors
    /// When it has no words or an open quotation.
    pub fn from_line(line: &str) -> Result<Self, NoCommand> {
        let mut words = words(line)?.into_iter();
        let program = words.next().ok_or(NoCommand::Empty)?;
        Ok(Self::new(program, words))
    }
}

fn words(line: &str) -> Result<Vec<String>, NoCommand> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().push(letters.next().ok_or(NoCommand::OpenQuote)?),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err(NoCommand::OpenQuote);
    }
    words.extend(word);
    Ok(words)
}

#[async_trait]
impl Upstream for ChildUpstream {
    async fn open(&self, longest: usize) -> std::io::Result<Link> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                std::io::Error::new(error.kind(), format!("`{}` does not start: {error}", self.program))
            })?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(mut input), Some(output)) = (input, output) else {
            return Err(std::io::Error::other("a process without pipes"));
        };
        let (to, mut inbound) = mpsc::channel::<Inbound>(WAITING);
        let (told, from) = mpsc::channel(WAITING);
        let writing = tokio::spawn(async move {
            while let Some(Inbound { message, .. }) = inbound.recv().await {
                if write_line(&mut input, &message).await.is_err() {
                    break;
                }
            }
            // Dropping the input tells the server to end.
        });
        tokio::spawn(async move {
            let mut writing = writing;
            let mut lines = Lines::new(output, longest);
            tokio::select! {
                () = read(&mut lines, &told) => {}
                _ = &mut writing => {
                    let _ = tokio::time::timeout(LEAVING, read(&mut lines, &told)).await;
                }
            }
            writing.abort();
            end(child).await;
        });
        Ok(Link { to, from })
    }
}

async fn read<R: tokio::io::AsyncRead + Unpin>(lines: &mut Lines<R>, told: &mpsc::Sender<FromServer>) {
    while let Ok(Some(line)) = lines.next().await {
        let read = match &line {
            Line::Whole(line) => Message::read_all(line).map_err(|unreadable| unreadable.to_string()),
            Line::TooLong => Err("it is too long".to_owned()),
        };
        match read {
            Ok(messages) => {
                for message in messages {
                    if told.send(FromServer::Message { message, about: None }).await.is_err() {
                        return;
                    }
                }
            }
            Err(why) => tracing::warn!(%why, "the server wrote a line that is no message"),
        }
    }
}

async fn end(mut child: Child) {
    if tokio::time::timeout(LEAVING, child.wait()).await.is_err() {
        // It did not end when its input did.
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_words() {
        let line = ChildUpstream::from_line(r#" npx  -y 'a server' "b \"c\"" d\ e '' "#).unwrap();
        assert_eq!(line.program, "npx");
        assert_eq!(line.arguments, ["-y", "a server", "b \"c\"", "d e", ""]);
        assert_eq!(ChildUpstream::from_line("  ").unwrap_err(), NoCommand::Empty);
        assert_eq!(ChildUpstream::from_line("a 'b").unwrap_err(), NoCommand::OpenQuote);
    }
}

//! The buyer's log in a file: JSON lines, durable in groups. One writer thread takes what waits,
//! writes it, syncs once, and answers all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::thread;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tollway_core::buyer::{AuditLine, Journal};
use tollway_protocol::{Reason, Refusal};

use super::past::Past;

/// Lines that may wait.
const WAITING_MAX: usize = 1_024;

/// A log file.
pub struct FileJournal {
    lines: mpsc::Sender<(String, oneshot::Sender<Result<(), Refusal>>)>,
}

impl FileJournal {
    /// Opens a log, keeping what it holds.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or ends in the middle of a line that cannot be
    /// completed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        end_last_line(&mut file)?;
        let (lines, waiting) = mpsc::channel(WAITING_MAX);
        thread::Builder::new().name("audit log".into()).spawn(move || write_groups(&mut file, waiting))?;
        Ok(Self { lines })
    }

    /// Reads a log. A last line that a crash cut short is left out: nothing was signed for it.
    ///
    /// # Errors
    /// When the file cannot be read, or a whole line is no line of a log; the message names it.
    pub fn read(path: &Path) -> io::Result<Vec<AuditLine>> {
        Self::lines(path, 0)?.collect()
    }

    /// The lines of a log from a place on, which is the log's length at some earlier time. Errors are those of
    /// [`Self::read`].
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than that.
    pub fn lines(path: &Path, from: u64) -> io::Result<impl Iterator<Item = io::Result<AuditLine>> + use<>> {
        use std::io::{Seek as _, SeekFrom};
        let mut file = File::open(path)?;
        if file.metadata()?.len() < from {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the log is shorter than it was"));
        }
        file.seek(SeekFrom::Start(from))?;
        Ok(Lines { reader: BufReader::new(file), number: 0 })
    }

    /// Everything a log says from a place on, added up; see [`Self::lines`].
    ///
    /// # Errors
    /// Those of [`Self::lines`] and of any line.
    pub fn past(path: &Path, from: u64) -> io::Result<Past> {
        let mut past = Past::default();
        for line in Self::lines(path, from)? {
            past.add(line?);
        }
        Ok(past)
    }
}

/// Whole lines of a log, one after another.
struct Lines {
    reader: BufReader<File>,
    number: u64,
}

impl Iterator for Lines {
    type Item = io::Result<AuditLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = String::new();
        loop {
            text.clear();
            self.number += 1;
            match self.reader.read_line(&mut text) {
                Err(error) => return Some(Err(error)),
                Ok(0) => return None,
                Ok(_) if !text.ends_with('\n') => return None,
                Ok(_) => {}
            }
            // An empty line ends one that a crash cut short.
            match serde_json::from_str(&text) {
                Ok(line) => return Some(Ok(line)),
                Err(_) if text.trim().is_empty() || text.contains(CUT) => {}
                Err(error) => {
                    let detail = format!("line {}: {error}", self.number);
                    return Some(Err(io::Error::new(io::ErrorKind::InvalidData, detail)));
                }
            }
        }
    }
}

/// Marks a line that a crash cut short.
const CUT: &str = "#cut";

/// A crash may have left half a line: it is ended and marked, so that the next one stands alone.
fn end_last_line(file: &mut File) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(format!("{CUT}\n").as_bytes())?;
        file.sync_data()?;
    }
    Ok(())
}

fn write_groups(file: &mut File, mut waiting: mpsc::Receiver<(String, oneshot::Sender<Result<(), Refusal>>)>) {
    let mut group = Vec::new();
    while waiting.blocking_recv_many(&mut group, WAITING_MAX) > 0 {
        let text: String = group.iter().map(|(line, _)| line.as_str()).collect();
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        for (_, answer) in group.drain(..) {
            let outcome = match &written {
                Ok(()) => Ok(()),
                Err(error) => {
                    let detail = format!("the audit log cannot be written: {error}");
                    Err(Refusal::new(Reason::JournalUnavailable, detail))
                }
            };
            // Whoever asked may have gone; the line stands all the same.
            drop(answer.send(outcome));
        }
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn write(&self, line: &AuditLine) -> Result<(), Refusal> {
        let gone = || Refusal::new(Reason::JournalUnavailable, "the audit log's writer has ended");
        let mut text = serde_json::to_string(line).expect("a line of the log is plain data");
        text.push('\n');
        let (answer, outcome) = oneshot::channel();
        self.lines.send((text, answer)).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollway_ledger::CommitmentId;

    fn line(n: u64) -> AuditLine {
        AuditLine::Refused { at: n, id: CommitmentId::derive(n, &[0; 32], b"base"), reason: "expired".into() }
    }

    #[tokio::test]
    async fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for round in 0..2 {
            let journal = FileJournal::open(&path).unwrap();
            for n in 0..10 {
                journal.write(&line(round * 10 + n)).await.unwrap();
            }
        }
        let lines = FileJournal::read(&path).unwrap();
        assert_eq!(lines, (0..20).map(line).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn threat_45_a_line_cut_by_a_crash_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let whole = serde_json::to_string(&line(1)).unwrap();
        std::fs::write(&path, format!("{whole}\n{}", &whole[..20])).unwrap();
        assert_eq!(FileJournal::read(&path).unwrap(), [line(1)]);
        FileJournal::open(&path).unwrap().write(&line(2)).await.unwrap();
        assert_eq!(FileJournal::read(&path).unwrap(), [line(1), line(2)]);
    }

    #[tokio::test]
    async fn a_log_is_read_on_from_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let journal = FileJournal::open(&path).unwrap();
        journal.write(&line(1)).await.unwrap();
        let end = std::fs::metadata(&path).unwrap().len();
        journal.write(&line(2)).await.unwrap();
        let lines: io::Result<Vec<_>> = FileJournal::lines(&path, end).unwrap().collect();
        assert_eq!(lines.unwrap(), [line(2)]);
        assert!(FileJournal::lines(&path, 3 * end).is_err());
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "{\"kind\":\"nonsense\"}\n").unwrap();
        assert!(FileJournal::read(&path).unwrap_err().to_string().starts_with("line 1"));
    }
}

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
        let mut lines = Vec::new();
        let mut reader = BufReader::new(File::open(path)?);
        let mut text = String::new();
        for number in 1.. {
            text.clear();
            if reader.read_line(&mut text)? == 0 || !text.ends_with('\n') {
                break;
            }
            // An empty line ends one that a crash cut short.
            match serde_json::from_str(&text) {
                Ok(line) => lines.push(line),
                Err(_) if text.trim().is_empty() || text.contains(CUT) => {}
                Err(error) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {error}")));
                }
            }
        }
        Ok(lines)
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

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "{\"kind\":\"nonsense\"}\n").unwrap();
        assert!(FileJournal::read(&path).unwrap_err().to_string().starts_with("line 1"));
    }
}

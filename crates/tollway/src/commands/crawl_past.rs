//! What earlier runs of a crawl spent. A crawl is its folder: the first run writes down how long the audit log was then,
//! and whatever is promised from there on counts against the budget of every later run.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use tollway_http::payer::{FileJournal, Past};
use tollway_protocol::Amount;

use crate::crawl::{LOG_NAME, recorded_charges};
use crate::money::dollars;

/// Where a folder says since when its crawl runs; no page has a name that starts like this.
const BEGAN: &str = "~crawl.json";

/// Since when a crawl runs.
#[derive(Deserialize, Serialize)]
struct Began {
    /// Length of the audit log at that time, in bytes.
    audit_from: u64,
}

/// Takes up the crawl into a folder, or begins it: from which byte on the audit log is about it. Without a folder
/// each run is a crawl of its own.
///
/// # Errors
/// When folder or log cannot be read, or the log is not the one that the crawl was paid by.
pub(crate) fn take_up(out: Option<&Path>, audit: &Path, fresh: bool) -> anyhow::Result<u64> {
    let length = length(audit)?;
    let Some(out) = out else { return Ok(length) };
    if fresh {
        empty(out)?;
    }
    let place = out.join(BEGAN);
    let audit_from = match fs::read(&place) {
        Ok(text) => serde_json::from_slice::<Began>(&text).with_context(|| format!("{}", place.display()))?.audit_from,
        // A folder with a record alone: any line of the log may be about it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && out.join(LOG_NAME).exists() => 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            begin(out, &place, length)?;
            length
        }
        Err(error) => return Err(error).with_context(|| format!("{}", place.display())),
    };
    ensure!(audit_from <= length, foreign(out, audit));
    let (recorded, known) = (recorded_charges(out)?, spent_since(audit, audit_from)?.charged());
    ensure!(
        recorded <= known.get(),
        "{}: it knows {} of the {} paid",
        foreign(out, audit),
        dollars(known),
        dollars(Amount::new(recorded))
    );
    Ok(audit_from)
}

/// What the audit log says from a byte on; nothing where there is none yet.
pub(crate) fn spent_since(audit: &Path, from: u64) -> anyhow::Result<Past> {
    if length(audit)? == 0 {
        return Ok(Past::default());
    }
    FileJournal::past(audit, from).with_context(|| format!("the audit log {}", audit.display()))
}

fn length(audit: &Path) -> anyhow::Result<u64> {
    match fs::metadata(audit) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("the audit log {}", audit.display())),
    }
}

fn foreign(out: &Path, audit: &Path) -> String {
    format!(
        "{} is not the audit log that the crawl into {} was paid by (name that one, or begin anew with --fresh)",
        audit.display(),
        out.display()
    )
}

/// Written whole or not at all, before anything is promised.
fn begin(out: &Path, place: &Path, audit_from: u64) -> anyhow::Result<()> {
    let part = out.join(".part-began");
    let written = fs::create_dir_all(out)
        .and_then(|()| fs::write(&part, serde_json::to_vec(&Began { audit_from })?))
        .and_then(|()| fs::rename(&part, place));
    written.with_context(|| format!("cannot save pages in {}", out.display()))
}

/// Removes what a crawl left. A folder of anything else is left alone.
fn empty(out: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("{}", out.display()))?,
    };
    let mut entries = entries.peekable();
    let is_crawl = [BEGAN, LOG_NAME].iter().any(|name| out.join(name).is_file());
    if entries.peek().is_some() && !is_crawl {
        bail!("{} holds something else than a crawl: --fresh does not empty it", out.display());
    }
    for entry in entries {
        let path = entry?.path();
        let is_folder = fs::symlink_metadata(&path)?.is_dir();
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_crawl_is_counted_from_where_its_first_run_began() {
        let folder = tempfile::tempdir().unwrap();
        let (out, audit) = (folder.path().join("out"), folder.path().join("audit.jsonl"));
        assert_eq!(take_up(None, &audit, false).unwrap(), 0);
        write(&audit, "\n\n\n");
        assert_eq!(take_up(Some(&out), &audit, false).unwrap(), 3);
        write(&audit, "\n\n\n\n\n");
        assert_eq!(take_up(Some(&out), &audit, false).unwrap(), 3);
        assert_eq!(take_up(None, &audit, false).unwrap(), 5);
        assert_eq!(take_up(Some(&out), &audit, true).unwrap(), 5);
        write(&audit, "\n");
        let error = take_up(Some(&out), &audit, false).unwrap_err().to_string();
        assert!(error.contains("is not the audit log"), "{error}");
    }

    #[test]
    fn a_log_that_knows_less_than_was_paid_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (out, audit) = (folder.path().join("out"), folder.path().join("audit.jsonl"));
        write(&out.join(LOG_NAME), "{\"url\":\"https://a.example/\",\"outcome\":\"page\",\"charged\":\"2000\"}\n");
        let error = take_up(Some(&out), &audit, false).unwrap_err().to_string();
        assert!(error.ends_with("it knows $0.00 of the $0.002 paid"), "{error}");
    }

    #[test]
    fn only_a_crawl_s_folder_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let (out, audit) = (folder.path().join("out"), folder.path().join("audit.jsonl"));
        take_up(Some(&out), &audit, true).unwrap();
        write(&out.join("a.example/x"), "page");
        take_up(Some(&out), &audit, true).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        let other = folder.path().join("thesis");
        write(&other.join("chapter"), "years of work");
        assert!(take_up(Some(&other), &audit, true).unwrap_err().to_string().contains("something else"));
        assert!(other.join("chapter").exists());
    }
}

//! The sampled request log, as a configuration writes it.

use std::path::PathBuf;

use anyhow::bail;
use serde::Deserialize;

use super::Config;
use crate::request_log::LogOptions;

const MIB: u64 = 1 << 20;

/// A sample of requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestLogConfig {
    /// How many of all requests, from 0 to 1.
    sample: f64,
    /// The file.
    #[serde(default = "usual_path")]
    path: PathBuf,
    /// Longest file, in MiB.
    #[serde(default = "usual_size")]
    max_mib: u64,
    /// Older files kept.
    #[serde(default = "usual_files")]
    files: u32,
}

impl Config {
    /// What is written down of requests, if anything.
    pub(crate) fn log_options(&self) -> anyhow::Result<Option<LogOptions>> {
        let Some(log) = &self.request_log else { return Ok(None) };
        if !(0.0..=1.0).contains(&log.sample) || !(1..=1_024).contains(&log.max_mib) || log.files > 100 {
            bail!("[request_log] `sample` is 0 to 1, `max_mib` 1 to 1024, `files` at most 100");
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just seen to be 0 to 1")]
        let per_million = (log.sample * 1_000_000.0).round() as u64;
        let (path, max_bytes) = (self.path(&log.path), log.max_mib * MIB);
        Ok((per_million > 0).then_some(LogOptions { path, per_million, max_bytes, files: log.files }))
    }
}

fn usual_path() -> PathBuf {
    "requests.jsonl".into()
}

fn usual_size() -> u64 {
    10
}

fn usual_files() -> u32 {
    3
}

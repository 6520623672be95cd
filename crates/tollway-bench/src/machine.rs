//! What the figures depend on besides the code: processors, disk, and who else was busy.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::figure::Spread;

/// Appends of which the median is taken.
const FLUSHES: u32 = 200;

/// The machine of a run.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    /// Median of appending 4 KiB to a file and flushing it to the disk, in microseconds.
    pub(crate) flush: f64,
    /// Processes that wanted to run, averaged over a minute, before the first round.
    pub(crate) busy_before: String,
}

impl Machine {
    /// Looks at the machine and at the disk of `dir`.
    pub(crate) fn of(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            processor: processor(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            flush: flush(dir)?,
            busy_before: busy(),
        })
    }
}

/// The first figure of `/proc/loadavg`.
pub(crate) fn busy() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("unknown").to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    named.map_or_else(|| "an unnamed processor".to_owned(), |(_, name)| name.to_owned())
}

fn flush(dir: &Path) -> anyhow::Result<f64> {
    let path = dir.join("flushed");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..FLUSHES {
        let begin = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(&path)?;
    Ok(Spread::of(times).median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_processors_and_a_disk_that_takes_time() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::of(folder.path()).unwrap();
        assert!(machine.processors > 0 && machine.flush > 0.0);
        assert!(!machine.processor.is_empty() && !machine.busy_before.is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

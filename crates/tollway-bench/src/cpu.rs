//! CPU time as Linux accounts for it (proc(5)): of another process with all its threads, and of this thread.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// The unit of `/proc/<pid>/stat`, the same on every Linux: `USER_HZ` is 100.
const TICK: Duration = Duration::from_millis(10);

/// User and kernel time a process has used, ended threads included. Counted in ticks: differences are exact to 20 ms.
pub(crate) fn of_process(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    ticks(&stat).and_then(|ticks| TICK.checked_mul(ticks)).with_context(|| format!("{path} is not as proc(5) says"))
}

/// Time this thread has run, in nanoseconds.
pub(crate) fn of_this_thread() -> anyhow::Result<u64> {
    let path = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(path).context(path)?;
    let ran = text.split(' ').next().and_then(|word| word.parse().ok());
    ran.with_context(|| format!("{path} is not as the kernel documents it"))
}

/// Fields 14 and 15: user and system time. The second field is a name and may hold anything but its last parenthesis.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a) b 1 2 3) R 1 2 3 4 5 6 7 8 9 10 150 27 0 0 20 0 1";
        assert_eq!(ticks(stat), Some(177));
        assert_eq!(ticks("7 (a) R 1 2"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn work_shows_on_both_clocks() {
        let (process, thread) = (of_process(std::process::id()).unwrap(), of_this_thread().unwrap());
        let mut sum = 0_u64;
        while of_this_thread().unwrap() - thread < 60_000_000 {
            sum = (0..10_000_u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(of_process(std::process::id()).unwrap() - process >= Duration::from_millis(30));
    }
}

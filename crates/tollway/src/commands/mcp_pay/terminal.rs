//! Asking on the controlling terminal, which is not standard input: there an agent speaks.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};

use async_trait::async_trait;
use tollway_mcp::buyer::{Confirm, Decision, Question};

/// Longest answer that is read.
const ANSWER_MAX: u64 = 64;

/// The terminal that this program was started from.
pub(super) struct Terminal;

#[async_trait]
impl Confirm for Terminal {
    async fn confirm(&self, question: Question) -> Decision {
        // Opening and reading a terminal blocks.
        let asked = tokio::task::spawn_blocking(move || ask(&question));
        asked.await.unwrap_or(Decision::NobodyThere)
    }
}

fn ask(question: &Question) -> Decision {
    let Some(mut terminal) = terminal() else { return Decision::NobodyThere };
    let asked =
        write!(terminal, "\r\n{question}\r\n[y]es once, [a]lways the same, [N]o: ").and_then(|()| terminal.flush());
    let mut answer = String::new();
    let read =
        asked.and_then(|()| BufReader::new(std::io::Read::take(&mut terminal, ANSWER_MAX)).read_line(&mut answer));
    if read.is_ok() { decision(&answer) } else { Decision::NobodyThere }
}

/// Only where this program is in front there: reading from behind would stop it.
fn terminal() -> Option<File> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    let front = rustix::termios::tcgetpgrp(&terminal).ok()?;
    (front == rustix::process::getpgrp()).then_some(terminal)
}

fn decision(answer: &str) -> Decision {
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Decision::Once,
        "a" | "always" => Decision::Always,
        _ => Decision::Decline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for (answer, expected) in [
            ("y\n", Decision::Once),
            ("YES\r\n", Decision::Once),
            ("a", Decision::Always),
            ("", Decision::Decline),
            ("n\n", Decision::Decline),
            ("yes please\n", Decision::Decline),
        ] {
            assert_eq!(decision(answer), expected, "{answer:?}");
        }
    }
}

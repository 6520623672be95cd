//! A process of this program, spoken to in lines; ended when it is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;

/// A part of the benchmark that runs beside this one.
pub(crate) struct Part {
    process: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Part {
    /// Starts this program again with these arguments.
    pub(crate) fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        Self::start_other(&program, arguments, &[])
    }

    /// Starts another program, with these variables in its environment.
    pub(crate) fn start_other(
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        let mut process = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let say = process.stdin.take().context("standard input was asked for")?;
        let hear = BufReader::new(process.stdout.take().context("standard output was asked for")?);
        Ok(Self { process, say, hear })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.say, "{line}").context("a part of the benchmark has ended")
    }

    pub(crate) fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.hear.read_line(&mut line)? > 0, "a part of the benchmark has ended without an answer");
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn hear_json<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let line = self.hear()?;
        serde_json::from_str(&line).with_context(|| format!("a part of the benchmark said `{line}`"))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself; both then say so, which changes nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

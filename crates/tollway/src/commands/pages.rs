//! `tollway completions` and `tollway man`: what shells and readers want to know of the command line.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::say;
use crate::cli::Cli;

pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tollway", &mut script);
    say(String::from_utf8(script)?.trim_end());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn manual(out: &Path) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    command.build();
    fs::create_dir_all(out)
        .and_then(|()| write(&command, "tollway", out))
        .with_context(|| format!("cannot write manual pages to {}", out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A page for a command and each of those below it.
fn write(command: &Command, name: &str, out: &Path) -> std::io::Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name).render(&mut page)?;
    fs::write(out.join(format!("{name}.1")), page)?;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        write(below, &format!("{name}-{}", below.get_name()), out)?;
    }
    Ok(())
}

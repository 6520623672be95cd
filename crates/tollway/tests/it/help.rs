//! The help of every command, as committed in `docs/cli.md`. `UPDATE_EXPECT=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::rig::command;

#[test]
fn docs_cli_md_is_the_help_of_every_command() {
    let mut page = "# Command line\n\nWhat `--help` says, of every command.\n".to_owned();
    write_help(&mut page, &[]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == page, "docs/cli.md is not what --help says: run this test with UPDATE_EXPECT=1");
    for command in ["demo", "gateway", "agents block", "ledger reconcile", "crawl", "statement", "keys serve", "devnet"]
    {
        assert!(page.contains(&format!("\n## `tollway {command}`\n")), "{command}");
    }
}

/// The help of a command, then of each of its sub-commands.
fn write_help(page: &mut String, words: &[&str]) {
    let output = command(words.iter().chain(&["--help"])).env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let help = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    let name = ["tollway"].iter().chain(words).copied().collect::<Vec<_>>().join(" ");
    write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    let commands = lines.iter().skip_while(|line| **line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for line in commands {
        // Longer descriptions go on further right.
        let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
        let sub = name.split(' ').next().unwrap();
        if sub != "help" {
            write_help(page, &[words, &[sub]].concat());
        }
    }
}

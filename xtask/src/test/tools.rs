//! What the steps need beyond Rust, whether it is here, and the one line that installs what is not.

use std::{fmt, process::Command};

/// The oldest Node.js that the interop scripts are written for.
const NODE_MIN: u32 = 20;

/// A tool that is not Rust's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Nextest,
    Node,
    Npm,
    Python,
    Chromium,
}

/// A tool that is not here, and why it does not count.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    tool: Tool,
    found: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tool {
            Tool::Nextest => f.write_str("cargo-nextest: runs the tests")?,
            Tool::Node => write!(f, "node {NODE_MIN} or later: interop scripts")?,
            Tool::Npm => {
                f.write_str("npm: the contracts' compiler, other people's packages that the interop scripts ask")?
            }
            Tool::Python => f.write_str("python3: independent checks of exported books")?,
            Tool::Chromium => f.write_str("chromium: the tests of pages in a real browser")?,
        }
        match &self.found {
            Some(found) => write!(f, " (found {found})"),
            None => Ok(()),
        }
    }
}

/// What each tool says its version is; `None` where it does not answer.
pub(super) struct Tools {
    nextest: Option<String>,
    node: Option<String>,
    npm: Option<String>,
    python: Option<String>,
    chromium: Option<String>,
}

impl Tools {
    /// Asks the tools on this machine.
    pub(super) fn find() -> Self {
        Self {
            nextest: version("cargo", &["nextest", "--version"]),
            node: version("node", &["--version"]),
            npm: version("npm", &["--version"]),
            python: version("python3", &["--version"]),
            chromium: version("chromium", &["--version"]),
        }
    }

    pub(super) fn has_nextest(&self) -> bool {
        self.nextest.is_some()
    }

    /// What a full run needs and is not here.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut need = |tool, is_good: bool, found: Option<&String>| {
            if !is_good {
                let found = found.cloned();
                missing.push(Missing { tool, found });
            }
        };
        let node = self.node.as_ref();
        let is_new = node.and_then(|node| major(node)).is_some_and(|major| major >= NODE_MIN);
        need(Tool::Nextest, self.nextest.is_some(), None);
        need(Tool::Node, is_new, node);
        need(Tool::Npm, self.npm.is_some(), None);
        need(Tool::Python, self.python.is_some(), None);
        need(Tool::Chromium, self.chromium.is_some(), None);
        missing
    }
}

/// One line for a shell that installs what is missing.
pub(super) fn install_line(missing: &[Missing]) -> String {
    let find = |tool: Tool| missing.iter().find(|missing| missing.tool == tool);
    // Where the distribution's node is too old, installing it again would not help.
    let has_old_node = find(Tool::Node).is_some_and(|node| node.found.is_some());
    let mut packages = Vec::new();
    packages.extend(find(Tool::Node).filter(|_| !has_old_node).map(|_| "nodejs"));
    packages.extend(find(Tool::Npm).map(|_| "npm"));
    packages.extend(find(Tool::Python).map(|_| "python3"));
    packages.extend(find(Tool::Chromium).map(|_| "chromium"));
    let mut commands = Vec::new();
    if !packages.is_empty() {
        commands.push(format!("apt-get install -y {}", packages.join(" ")));
    }
    if has_old_node {
        commands.push("npm install --global node@22".to_owned());
    }
    if find(Tool::Nextest).is_some() {
        commands.push("cargo install cargo-nextest --locked".to_owned());
    }
    commands.join(" && ")
}

/// The first line a tool prints about itself.
fn version(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}

/// The first number of `v20.1.2`.
fn major(version: &str) -> Option<u32> {
    let number = version.trim_start_matches('v').split('.').next()?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(nextest: bool, node: Option<&str>, python: bool) -> Tools {
        Tools {
            nextest: nextest.then(|| "cargo-nextest 0.9".into()),
            node: node.map(str::to_owned),
            npm: node.map(|_| "10.8.2".into()),
            python: python.then(|| "Python 3.11".into()),
            chromium: python.then(|| "Chromium 140".into()),
        }
    }

    fn said(tools: &Tools) -> (Vec<String>, String) {
        let missing = tools.missing();
        let names = missing.iter().map(ToString::to_string).collect();
        (names, install_line(&missing))
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        for node in ["v20.0.0", "v24.1.0"] {
            assert_eq!(said(&tools(true, Some(node), true)), (vec![], String::new()));
        }
    }

    #[test]
    fn everything_is_installed_by_one_line() {
        let (names, line) = said(&tools(false, None, false));
        assert_eq!(names.len(), 5);
        assert_eq!(line, "apt-get install -y nodejs npm python3 chromium && cargo install cargo-nextest --locked");
    }

    #[test]
    fn an_old_node_is_missing_and_named() {
        let (names, line) = said(&tools(true, Some("v18.20.4"), true));
        assert_eq!(names, ["node 20 or later: interop scripts (found v18.20.4)"]);
        assert_eq!(line, "npm install --global node@22");
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version("no-such-program", &[]), None);
        assert!(version("rustc", &["--version"]).unwrap().starts_with("rustc"));
    }
}

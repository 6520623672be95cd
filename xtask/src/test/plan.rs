//! The steps of `cargo xtask test`, and which of them `--core` leaves out.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// The folder of scripts that check our wire and our exports with other people's code.
const FOLDER: &str = "interop";

/// Everyone's clients, servers and facilitators with everyone else's; `cargo xtask interop` runs it alone.
const MATRIX: &str = crate::interop::SCRIPT;

/// The test that needs npm.
const COMPILES: &str = "artifacts_match_their_sources";

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What is printed: the command as one would type it.
    pub(super) name: String,
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(&'static str, &'static str)>,
}

impl Step {
    pub(super) fn new(program: &str, arguments: &[&str]) -> Self {
        let mut words = vec![program];
        words.extend(arguments);
        Self {
            name: words.join(" "),
            program: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
        }
    }

    fn cargo(line: &str) -> Self {
        let arguments: Vec<&str> = line.split(' ').collect();
        Self::new("cargo", &arguments)
    }

    fn and(mut self, arguments: &[&str]) -> Self {
        self.name = format!("{} {}", self.name, arguments.join(" "));
        self.arguments.extend(arguments.iter().map(|&word| word.to_owned()));
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.name = format!("{name}=\"{value}\" {}", self.name);
        self.environment.push((name, value));
        self
    }
}

/// What will be run, in order, and what will not.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) left_out: Vec<String>,
}

impl Plan {
    /// The plan for a machine; without `core` everything it needs is known to be there.
    pub(super) fn of(core: bool, has_nextest: bool, scripts: &[String]) -> Self {
        let mut tests = Step::cargo("nextest run --workspace");
        let mut left_out = Vec::new();
        if !has_nextest {
            // Documentation tests are a step of their own.
            let instead = Step::cargo("test --workspace --lib --bins --tests --examples");
            left_out.push(format!("{} ({} runs in its place)", tests.name, instead.name));
            tests = instead;
        }
        if core {
            left_out.push(format!("{COMPILES} (compiles the contracts, with npm)"));
            tests = tests.and(&["--", "--skip", COMPILES]);
        }
        let mut steps = vec![
            Step::cargo("fmt --all --check"),
            Step::cargo("clippy --workspace --all-targets -- -D warnings"),
            tests,
            Step::cargo("test --doc --workspace"),
            Step::cargo("doc --workspace --no-deps").with("RUSTDOCFLAGS", "-D warnings"),
        ];
        for script in scripts {
            let step = Step::new(interpreter(script), &[script]);
            if core {
                left_out.push(step.name);
            } else {
                steps.push(step);
            }
        }
        Self { steps, left_out }
    }
}

/// The interop scripts by path from the root, in order of name, and last the matrix; none where the folder is absent.
pub(super) fn scripts(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut scripts = Vec::new();
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".mjs") || name.ends_with(".py") {
            scripts.push(format!("{FOLDER}/{name}"));
        }
    }
    scripts.sort();
    if root.join(MATRIX).is_file() {
        scripts.push(MATRIX.to_owned());
    }
    Ok(scripts)
}

fn interpreter(script: &str) -> &'static str {
    if script.ends_with(".py") { "python3" } else { "node" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| step.name.as_str()).collect()
    }

    fn scripts() -> [String; 2] {
        ["interop/books.mjs".into(), "interop/wire.py".into()]
    }

    #[test]
    fn everything_runs_in_this_order() {
        let plan = Plan::of(false, true, &scripts());
        assert_eq!(
            names(&plan),
            [
                "cargo fmt --all --check",
                "cargo clippy --workspace --all-targets -- -D warnings",
                "cargo nextest run --workspace",
                "cargo test --doc --workspace",
                "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps",
                "node interop/books.mjs",
                "python3 interop/wire.py",
            ]
        );
        assert!(plan.left_out.is_empty());
    }

    #[test]
    fn core_leaves_out_the_scripts_and_says_so() {
        let plan = Plan::of(true, true, &scripts());
        assert_eq!(plan.steps.len(), 5);
        assert!(plan.left_out[0].starts_with(COMPILES));
        assert_eq!(plan.left_out[1..], ["node interop/books.mjs", "python3 interop/wire.py"]);
        assert_eq!(names(&plan)[2], format!("cargo nextest run --workspace -- --skip {COMPILES}"));
    }

    #[test]
    fn core_without_nextest_runs_the_tests_with_cargo_and_says_so() {
        let plan = Plan::of(true, false, &[]);
        assert_eq!(plan.steps.len(), 5);
        assert!(names(&plan)[2].starts_with("cargo test --workspace"));
        assert!(plan.left_out[0].starts_with("cargo nextest run --workspace"));
    }

    #[test]
    fn scripts_are_listed_by_name_and_kind() {
        let folder = std::env::temp_dir().join(format!("xtask-plan-{}", std::process::id()));
        assert!(super::scripts(&folder).unwrap().is_empty());
        let interop = folder.join(FOLDER);
        fs::create_dir_all(&interop).unwrap();
        for name in ["b.mjs", "a.py", "README.md", "c.json"] {
            fs::write(interop.join(name), "").unwrap();
        }
        fs::create_dir_all(interop.join("x402")).unwrap();
        fs::write(folder.join(MATRIX), "").unwrap();
        let found = super::scripts(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["interop/a.py", "interop/b.mjs", MATRIX]);
    }
}

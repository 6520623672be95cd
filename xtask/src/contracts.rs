//! `cargo xtask contracts`: compiles the Solidity below `contracts/` with one pinned compiler, and writes or checks the
//! artifacts that are committed beside it.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// The compiler: the package of this name and version on npm, plain JavaScript.
const COMPILER: &str = "solc";
const VERSION: &str = "0.8.35";

/// The folders of sources, below `contracts/`.
const FOLDERS: [&str; 2] = ["src", "test"];

/// What is kept of each source.
const ARTIFACTS: [(&str, &[&str]); 6] = [
    ("src/TestUSDC.sol", &["TestUSDC"]),
    ("src/TestWallet.sol", &["TestDelegate", "TestWallet", "TestWalletFactory"]),
    ("src/X402ExactPermit2Proxy.sol", &["X402ExactPermit2Proxy"]),
    ("src/X402UptoPermit2Proxy.sol", &["X402UptoPermit2Proxy"]),
    ("test/BadTokens.sol", &["FalseToken", "FeeToken", "LyingToken", "NoopToken", "SilentToken", "WrongLogToken"]),
    ("test/GasBurner.sol", &["GasBurner"]),
];

/// What the compiler is asked for.
const WANTED: [&str; 7] = [
    "abi",
    "evm.bytecode.linkReferences",
    "evm.bytecode.object",
    "evm.deployedBytecode.immutableReferences",
    "evm.deployedBytecode.linkReferences",
    "evm.deployedBytecode.object",
    "storageLayout",
];

/// Artifacts by file name.
type Artifacts = BTreeMap<String, String>;

/// Compiles; writes the artifacts, or with `check` says which of them differ.
///
/// # Errors
///
/// When npm or the compiler cannot be run, or a source does not compile.
pub fn run(check: bool) -> Result<ExitCode> {
    let root = crate::root();
    let folder = root.join("contracts/artifacts");
    let made = compile(&root)?;
    if check {
        let differing = differing(&folder, &made)?;
        for name in &differing {
            println!("differs from its source: contracts/artifacts/{name}");
        }
        return Ok(if differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    fs::create_dir_all(&folder)?;
    for name in differing(&folder, &made)? {
        let path = folder.join(&name);
        match made.get(&name) {
            Some(text) => fs::write(&path, text)?,
            None => fs::remove_file(&path)?,
        }
        println!("contracts/artifacts/{name}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The artifacts that are missing, stale or left over.
///
/// # Errors
///
/// When the folder cannot be read, or the sources do not compile.
pub fn stale(root: &Path) -> Result<Vec<String>> {
    differing(&root.join("contracts/artifacts"), &compile(root)?)
}

fn differing(folder: &Path, made: &Artifacts) -> Result<Vec<String>> {
    let mut names: Vec<String> = made.keys().cloned().collect();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.dedup();
    names.retain(|name| fs::read_to_string(folder.join(name)).ok().as_ref() != made.get(name));
    Ok(names)
}

fn compile(root: &Path) -> Result<Artifacts> {
    let sources = sources(&root.join("contracts"))?;
    let input = json!({ "language": "Solidity", "sources": sources, "settings": settings() });
    let output = run_compiler(&installed(root)?, &input)?;
    let said = output["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !said.is_empty() {
        let lines: Vec<&str> = said.iter().filter_map(|error| error["formattedMessage"].as_str()).collect();
        bail!("the compiler is not content:\n{}", lines.join("\n"));
    }
    let mut artifacts = Artifacts::new();
    for (source, contracts) in ARTIFACTS {
        for &contract in contracts {
            let made = &output["contracts"][source][contract];
            let text = artifact(source, contract, made).with_context(|| format!("{contract} of {source}"))?;
            artifacts.insert(format!("{contract}.json"), text);
        }
    }
    Ok(artifacts)
}

/// Every source by its path below `contracts/`, as the compiler wants it.
fn sources(folder: &Path) -> Result<BTreeMap<String, Value>> {
    let mut sources = BTreeMap::new();
    for part in FOLDERS {
        for entry in fs::read_dir(folder.join(part)).with_context(|| part.to_owned())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".sol") {
                sources.insert(format!("{part}/{name}"), json!({ "content": fs::read_to_string(&path)? }));
            }
        }
    }
    Ok(sources)
}

fn settings() -> Value {
    json!({
        "evmVersion": "cancun",
        "metadata": { "appendCBOR": false, "bytecodeHash": "none" },
        "optimizer": { "enabled": true, "runs": 1000 },
        "outputSelection": { "*": { "*": WANTED } },
    })
}

/// What is committed of one contract. Its code must be the same wherever it stands: no immutables, no libraries.
fn artifact(source: &str, contract: &str, made: &Value) -> Result<String> {
    let code = |of: &str| -> Result<String> {
        let part = &made["evm"][of];
        let is_empty = |key: &str| part[key].as_object().is_none_or(serde_json::Map::is_empty);
        ensure!(is_empty("immutableReferences"), "has immutables");
        ensure!(is_empty("linkReferences"), "must be linked with a library");
        let object = part["object"].as_str().filter(|object| !object.is_empty()).context("has no code")?;
        Ok(format!("0x{object}"))
    };
    let slots = made["storageLayout"]["storage"].as_array().map(Vec::as_slice).unwrap_or_default();
    let slots: BTreeMap<&str, &Value> =
        slots.iter().filter_map(|slot| Some((slot["label"].as_str()?, &slot["slot"]))).collect();
    let mut settings = settings();
    settings.as_object_mut().context("settings are an object")?.remove("outputSelection");
    let artifact = json!({
        "contract": contract,
        "source": source,
        "compiler": { "name": COMPILER, "version": VERSION, "settings": settings },
        "abi": made["abi"],
        "bytecode": code("bytecode")?,
        "runtime": code("deployedBytecode")?,
        "storage": slots,
    });
    Ok(serde_json::to_string_pretty(&artifact)? + "\n")
}

/// The compiler's script, installed below `target/` when it is not there.
fn installed(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target").join(format!("{COMPILER}-{VERSION}"));
    let script = folder.join("node_modules").join(COMPILER).join("solc.js");
    if script.is_file() {
        return Ok(script);
    }
    fs::create_dir_all(&folder)?;
    let mut command = Command::new("npm");
    command.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"]);
    command.arg(&folder).arg(format!("{COMPILER}@{VERSION}")).stdout(Stdio::null());
    let status = command.status().context("npm does not start")?;
    ensure!(status.success() && script.is_file(), "npm could not install {COMPILER}@{VERSION}");
    Ok(script)
}

fn run_compiler(script: &Path, input: &Value) -> Result<Value> {
    // Into a file: the compiler leaves before a pipe has taken all it says. Runs beside each other have their own.
    let answer = script.with_file_name(format!("answer-{}.json", std::process::id()));
    let mut command = Command::new("node");
    command.arg(script).arg("--standard-json").stdin(Stdio::piped()).stdout(fs::File::create(&answer)?);
    let mut compiler = command.spawn().context("node does not start")?;
    let mut stdin = compiler.stdin.take().context("the compiler has no input")?;
    stdin.write_all(&serde_json::to_vec(input)?)?;
    drop(stdin);
    let status = compiler.wait()?;
    let said = fs::read(&answer)?;
    fs::remove_file(&answer)?;
    ensure!(status.success(), "the compiler failed");
    // It may say more before its answer, such as which solver is missing.
    let from = said.iter().position(|&byte| byte == b'{').context("the compiler said nothing")?;
    serde_json::from_slice(&said[from..]).context("the compiler's answer is not JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_depends_on_its_place_is_refused() {
        let part = |immutables: Value| json!({ "object": "6000", "immutableReferences": immutables });
        let made = |immutables| json!({ "abi": [], "evm": { "bytecode": part(json!({})), "deployedBytecode": part(immutables) } });
        assert!(artifact("src/A.sol", "A", &made(json!({}))).unwrap().contains("\"runtime\": \"0x6000\""));
        assert!(artifact("src/A.sol", "A", &made(json!({ "7": [] }))).is_err());
        assert!(artifact("src/A.sol", "A", &json!({})).is_err());
    }
}

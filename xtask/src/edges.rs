//! Which crate may know which: one table, and the dependency graph it is held against.
//!
//! The graph is cargo's resolution of the whole workspace for the host. Features are united there, so a crate may be
//! seen to reach more than it would alone, never less.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What one crate of the workspace may know.
pub struct Row {
    /// The crate.
    pub name: &'static str,
    /// Crates of the workspace it may depend on directly, in what it ships.
    pub may_use: &'static [&'static str],
    /// Crates from elsewhere that it must not reach, by any number of steps, in what it ships.
    pub must_not_reach: &'static [&'static str],
    /// Crates from elsewhere of which it may ask for these features only.
    pub features_only: &'static [(&'static str, &'static [&'static str])],
}

/// A crate that may use nothing and must avoid nothing: where each row starts.
const NOTHING: Row = Row { name: "", may_use: &[], must_not_reach: &[], features_only: &[] };

/// No runtime, no network, no database.
const PURE: &[&str] = &["hyper", "reqwest", "rusqlite", "tokio"];

/// The table. A crate without a row may not be in the workspace.
pub const TABLE: &[Row] = &[
    Row { name: "tollway-protocol", must_not_reach: PURE, ..NOTHING },
    Row { name: "tollway-signatures", may_use: &["tollway-protocol"], must_not_reach: PURE, ..NOTHING },
    Row { name: "tollway-ledger", may_use: &["tollway-protocol"], must_not_reach: PURE, ..NOTHING },
    Row {
        name: "tollway-store",
        may_use: &["tollway-ledger", "tollway-protocol"],
        must_not_reach: &["hyper", "reqwest"],
        ..NOTHING
    },
    Row {
        name: "tollway-core",
        may_use: &["tollway-ledger", "tollway-protocol", "tollway-signatures"],
        must_not_reach: &["axum", "clap", "hyper", "reqwest", "rusqlite"],
        // Channels and locks; a clock, sockets and a runtime are the caller's.
        features_only: &[("tokio", &["sync"])],
    },
    Row {
        name: "tollway-http",
        may_use: &["tollway-core", "tollway-ledger", "tollway-protocol", "tollway-signatures"],
        must_not_reach: &["clap", "rusqlite"],
        ..NOTHING
    },
    Row {
        name: "tollway-evm",
        may_use: &["tollway-core", "tollway-ledger", "tollway-protocol"],
        must_not_reach: &["axum", "clap", "revm", "rusqlite"],
        ..NOTHING
    },
    Row {
        name: "tollway-sdk",
        may_use: &[
            "tollway-core",
            "tollway-http",
            "tollway-ledger",
            "tollway-protocol",
            "tollway-signatures",
            "tollway-store",
        ],
        must_not_reach: &["clap"],
        ..NOTHING
    },
    Row {
        name: "tollway-mcp",
        may_use: &["tollway-core", "tollway-ledger", "tollway-protocol", "tollway-signatures"],
        must_not_reach: &["clap", "rusqlite"],
        ..NOTHING
    },
    Row {
        name: "tollway-pages",
        may_use: &["tollway-core", "tollway-http", "tollway-ledger", "tollway-protocol"],
        must_not_reach: &["clap", "rusqlite"],
        ..NOTHING
    },
    Row {
        name: "tollway-playground",
        may_use: &[
            "tollway-core",
            "tollway-devnet",
            "tollway-evm",
            "tollway-http",
            "tollway-ledger",
            "tollway-mcp",
            "tollway-pages",
            "tollway-protocol",
            "tollway-signatures",
            "tollway-store",
        ],
        must_not_reach: &["clap"],
        ..NOTHING
    },
    Row { name: "tollway-devnet", must_not_reach: &["clap", "reqwest", "rusqlite"], ..NOTHING },
    Row {
        name: "tollway",
        may_use: &[
            "tollway-core",
            "tollway-devnet",
            "tollway-evm",
            "tollway-http",
            "tollway-ledger",
            "tollway-mcp",
            "tollway-pages",
            "tollway-playground",
            "tollway-protocol",
            "tollway-signatures",
            "tollway-store",
        ],
        ..NOTHING
    },
    Row {
        name: "tollway-bench",
        may_use: &[
            "tollway-core",
            "tollway-devnet",
            "tollway-evm",
            "tollway-http",
            "tollway-ledger",
            "tollway-mcp",
            "tollway-protocol",
            "tollway-signatures",
            "tollway-store",
        ],
        ..NOTHING
    },
    Row {
        name: "tollway-fuzz",
        may_use: &[
            "tollway-core",
            "tollway-http",
            "tollway-ledger",
            "tollway-mcp",
            "tollway-protocol",
            "tollway-signatures",
        ],
        ..NOTHING
    },
    Row {
        name: "tollway-interop",
        may_use: &["tollway-signatures"],
        must_not_reach: &["hyper", "reqwest", "rusqlite", "tokio"],
        ..NOTHING
    },
    Row { name: "xtask", ..NOTHING },
];

/// The crate that nothing may depend on, not even a test.
const TOOL: &str = "xtask";

/// One package of the graph.
#[derive(Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it is a crate of the workspace.
    pub ours: bool,
    /// What its shipped code depends on, by key.
    pub uses: Vec<String>,
    /// What only its tests, examples and benches depend on, by key.
    pub tests_use: Vec<String>,
    /// The features it asks of each crate it names, for shipped code.
    pub asks: Vec<(String, Vec<String>)>,
}

/// Packages by key; two versions of a package are two nodes.
pub type Graph = BTreeMap<String, Node>;

/// The graph of a workspace, as cargo resolves it for the host.
///
/// # Errors
///
/// When cargo or rustc does not answer.
pub fn graph(root: &Path) -> Result<Graph> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        // Other platforms' packages need not be on this machine.
        .other_options(vec!["--filter-platform".into(), host()?])
        .exec()
        .context("cargo metadata")?;
    let mut graph: Graph =
        metadata.packages.iter().map(|package| (package.id.repr.clone(), node(package, &metadata))).collect();
    let resolve = metadata.resolve.context("cargo metadata without a graph")?;
    for resolved in resolve.nodes {
        let Some(node) = graph.get_mut(&resolved.id.repr) else {
            continue;
        };
        for dependency in resolved.deps {
            let ships = |kind: &DependencyKind| *kind != DependencyKind::Development;
            let key = dependency.pkg.repr;
            if dependency.dep_kinds.iter().any(|about| ships(&about.kind)) {
                node.uses.push(key);
            } else {
                node.tests_use.push(key);
            }
        }
    }
    Ok(graph)
}

fn node(package: &Package, metadata: &Metadata) -> Node {
    let shipped = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    Node {
        name: package.name.to_string(),
        ours: metadata.workspace_members.contains(&package.id),
        asks: shipped.map(|dependency| (dependency.name.clone(), dependency.features.clone())).collect(),
        ..Node::default()
    }
}

fn host() -> Result<String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc")?;
    let about = String::from_utf8(output.stdout)?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// Every edge that the table does not allow, each said in one line.
#[must_use]
pub fn violations(graph: &Graph, table: &[Row]) -> Vec<String> {
    let mut found = Vec::new();
    for (key, node) in graph.iter().filter(|(_, node)| node.ours) {
        let Some(row) = table.iter().find(|row| row.name == node.name) else {
            found.push(format!("{} has no row in the table", node.name));
            continue;
        };
        neighbours(graph, node, row, &mut found);
        for forbidden in row.must_not_reach {
            if let Some(way) = way(graph, key, forbidden) {
                found.push(format!("{} must not reach {forbidden}: {way}", row.name));
            }
        }
        features(node, row, &mut found);
    }
    found
}

fn neighbours(graph: &Graph, node: &Node, row: &Row, found: &mut Vec<String>) {
    let ours = |key: &String| graph.get(key).filter(|other| other.ours);
    for other in node.uses.iter().filter_map(ours) {
        if !row.may_use.contains(&other.name.as_str()) {
            found.push(format!("{} must not depend on {}", row.name, other.name));
        }
    }
    for other in node.tests_use.iter().filter_map(ours) {
        if other.name == TOOL {
            found.push(format!("the tests of {} must not depend on {TOOL}", row.name));
        }
    }
}

fn features(node: &Node, row: &Row, found: &mut Vec<String>) {
    for (name, allowed) in row.features_only {
        let asked = node.asks.iter().filter(|(other, _)| other == name);
        let odd: Vec<&str> = asked
            .flat_map(|(_, features)| features)
            .map(String::as_str)
            .filter(|feature| !allowed.contains(feature))
            .collect();
        if !odd.is_empty() {
            found.push(format!(
                "{} may ask {name} for {} only, not for {}",
                row.name,
                allowed.join(", "),
                odd.join(", ")
            ));
        }
    }
}

/// The shortest way from a package to one of this name, over shipped code: `a -> b -> c`.
fn way(graph: &Graph, start: &str, name: &str) -> Option<String> {
    let mut came_from: BTreeMap<&str, Option<&str>> = BTreeMap::from([(start, None)]);
    let mut waiting = VecDeque::from([start]);
    while let Some(key) = waiting.pop_front() {
        let Some(node) = graph.get(key) else { continue };
        if node.name == name {
            return Some(steps(graph, &came_from, key));
        }
        for next in &node.uses {
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, Some(key));
                waiting.push_back(next);
            }
        }
    }
    None
}

fn steps(graph: &Graph, came_from: &BTreeMap<&str, Option<&str>>, end: &str) -> String {
    let mut names = Vec::new();
    let mut at = Some(end);
    while let Some(key) = at {
        names.extend(graph.get(key).map(|node| node.name.as_str()));
        at = came_from.get(key).copied().flatten();
    }
    names.reverse();
    names.join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[Row] = &[
        Row { name: "low", must_not_reach: &["hyper"], features_only: &[("tokio", &["sync"])], ..NOTHING },
        Row { name: "high", may_use: &["low"], ..NOTHING },
        Row { name: "xtask", ..NOTHING },
    ];

    /// A graph from lines `name: uses`; `*` marks ours, `(x)` a dependency of tests.
    fn graph(lines: &[&str]) -> Graph {
        let mut graph = Graph::new();
        for line in lines {
            let (name, uses) = line.split_once(':').unwrap();
            let mut node =
                Node { name: name.trim_end_matches('*').into(), ours: name.ends_with('*'), ..Node::default() };
            for word in uses.split_whitespace() {
                match word.strip_prefix('(') {
                    Some(word) => node.tests_use.push(word.trim_end_matches(')').into()),
                    None => node.uses.push(word.into()),
                }
            }
            graph.insert(node.name.clone(), node);
        }
        graph
    }

    fn found(lines: &[&str]) -> Vec<String> {
        violations(&graph(lines), SAMPLE)
    }

    #[test]
    fn allowed_edges_and_edges_of_tests_are_clean() {
        let lines = ["low*: serde (hyper) (high)", "high*: low hyper", "serde:", "hyper:"];
        assert_eq!(found(&lines), [""; 0]);
    }

    #[test]
    fn an_edge_the_wrong_way_is_found() {
        assert_eq!(found(&["low*: high", "high*: low"]), ["low must not depend on high"]);
    }

    #[test]
    fn a_forbidden_crate_is_found_over_any_number_of_steps() {
        let lines = ["low*: a", "a: b", "b: hyper", "hyper:"];
        assert_eq!(found(&lines), ["low must not reach hyper: low -> a -> b -> hyper"]);
    }

    #[test]
    fn nothing_depends_on_the_tool_not_even_a_test() {
        let lines = ["low*: xtask", "high*: (xtask)", "xtask*:"];
        let both = ["the tests of high must not depend on xtask", "low must not depend on xtask"];
        assert_eq!(found(&lines), both);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(found(&["new*:"]), ["new has no row in the table"]);
    }

    #[test]
    fn a_feature_too_many_is_found() {
        let mut graph = graph(&["low*: tokio", "tokio:"]);
        let asks = |features: &[&str]| vec![("tokio".to_owned(), features.iter().map(|f| (*f).to_owned()).collect())];
        graph.get_mut("low").unwrap().asks = asks(&["sync"]);
        assert_eq!(violations(&graph, SAMPLE), [""; 0]);
        graph.get_mut("low").unwrap().asks = asks(&["net", "sync"]);
        let found = violations(&graph, SAMPLE);
        assert_eq!(found, ["low may ask tokio for sync only, not for net"]);
    }

    #[test]
    fn the_table_names_only_crates_it_has_rows_for() {
        for name in TABLE.iter().flat_map(|row| row.may_use) {
            assert!(TABLE.iter().any(|row| row.name == *name), "{name}");
            assert_ne!(*name, TOOL);
        }
    }
}

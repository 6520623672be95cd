//! The table of edges, held over the workspace as cargo resolves it.

use xtask::edges;

#[test]
fn the_workspace_keeps_to_the_table() {
    let graph = edges::graph(&xtask::root()).expect("cargo resolves the workspace");
    let found = edges::violations(&graph, edges::TABLE);
    assert!(found.is_empty(), "the table in xtask/src/edges.rs does not allow:\n{}", found.join("\n"));
}

#[test]
fn every_row_is_a_crate_of_the_workspace() {
    let graph = edges::graph(&xtask::root()).expect("cargo resolves the workspace");
    for row in edges::TABLE {
        let is_ours = graph.values().any(|node| node.ours && node.name == row.name);
        assert!(is_ours, "the table has a row for {}, the workspace no crate", row.name);
    }
}

/// The graph is real: it holds edges that must be there, so that an empty graph cannot pass.
#[test]
fn the_graph_holds_known_edges() {
    let graph = edges::graph(&xtask::root()).expect("cargo resolves the workspace");
    let uses = |from: &str, to: &str| {
        let from = graph.values().find(|node| node.name == from);
        let name = |key: &String| graph.get(key).map(|node| node.name.as_str());
        from.is_some_and(|node| node.uses.iter().any(|key| name(key) == Some(to)))
    };
    assert!(uses("xtask", "cargo_metadata"));
    assert!(uses("tollway", "tollway-core"));
    assert!(!uses("tollway-core", "tollway"));
}

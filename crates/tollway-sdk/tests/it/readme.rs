//! The README shows what the examples do: its blocks of Rust are lines of theirs.

const README: &str = include_str!("../../../../README.md");
const EXAMPLES: [&str; 2] =
    [include_str!("../../examples/paid_endpoint.rs"), include_str!("../../examples/paying_client.rs")];

/// The code blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Lines without the white space they begin with.
fn flush(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn every_block_of_rust_stands_in_an_example() {
    let blocks = blocks(README, "rust");
    assert_eq!(blocks.len(), EXAMPLES.len());
    for (block, example) in blocks.iter().zip(EXAMPLES) {
        assert!(flush(example).contains(&flush(block)), "the README shows what no example does:\n{block}");
    }
}

//! The artifacts of the contracts are what the pinned compiler makes of their sources.

#[test]
fn artifacts_match_their_sources() {
    let stale = xtask::contracts::stale(&xtask::root()).expect("the compiler runs");
    assert!(stale.is_empty(), "run `cargo xtask contracts`: {stale:?}");
}

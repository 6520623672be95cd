//! The books on disk, end to end, at their limits, and after every kind of crash we can make.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[macro_use]
mod scene;

mod bills;
mod crash;
mod deep;
mod exact;
mod exact_deep;
mod model;
mod moves;
mod old;
mod passes;
mod road;
mod settlements;

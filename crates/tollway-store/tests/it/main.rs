//! The books on disk, end to end, at their limits, and after every kind of crash we can make.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod crash;
mod deep;
mod model;
mod road;
mod scene;
mod settlements;

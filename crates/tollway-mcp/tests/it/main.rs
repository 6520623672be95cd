//! Tools that cost, as those who sell and those who pay meet them.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod buyer;

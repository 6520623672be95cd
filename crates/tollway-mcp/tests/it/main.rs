//! The crate from outside, over real pipes and sockets.
#![allow(clippy::unwrap_used)]

mod buyer;
mod relay;
mod seller;

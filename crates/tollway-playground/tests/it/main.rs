//! The playground as a whole: its stage, its agent, its page.

#![allow(clippy::unwrap_used, reason = "what cannot be set up fails its test")]

mod page;
mod rig;
mod scenes;

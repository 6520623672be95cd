//! The program as people run it: real processes, real sockets on loopback, real files.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod agents;
mod bill;
mod books;
mod crash;
mod crash_buyer;
mod demo;
mod differences;
mod forged;
mod help;
mod keys;
mod loopback;
mod month;
mod rig;
mod start;
mod tampered;

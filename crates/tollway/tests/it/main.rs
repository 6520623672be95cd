//! The program as people run it: real processes, real sockets on loopback, real files.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it stands"
)]

mod agents;
mod bill;
mod books;
mod console;
mod crash;
mod crash_buyer;
mod crash_resume;
mod demo;
mod devnet;
mod differences;
mod doctor;
mod exact;
mod forged;
mod help;
mod keys;
mod loopback;
mod mcp_pay;
mod month;
mod observed;
mod pages;
mod pay;
mod playground;
mod reload;
mod rig;
mod start;
mod tampered;

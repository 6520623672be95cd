//! Sell by the request, and buy within a budget: Tollway for programs.
//!
//! Promise: the charging layer is the gate of `tollway gateway`, with the same books, offers and receipts; a handler
//! that takes [`seller::Paid`] cannot run unpaid. The paying client never signs for more than its budget, and never
//! before the promise is in its journal.
//!
//! Refusal: there is no client without a budget, a highest price and a journal: the types ask for each of them. A
//! buyer's key is not for a seller's program.
//!
//! # A paid endpoint
//!
//! ```no_run
#![doc = include_str!("../examples/paid_endpoint.rs")]
//! ```
//!
//! # A paying client
//!
//! ```no_run
#![doc = include_str!("../examples/paying_client.rs")]
//! ```
//!
//! The key is published by whoever owns the agent's URL: [`buyer::KeyDirectoryService`] serves it, and so does
//! `tollway keys serve`.
//!
//! # Features
//!
//! `seller` (with its books in SQLite), `axum` (the extractor), `buyer`; all are on unless switched off.

#[cfg(feature = "buyer")]
pub mod buyer;
mod money;
#[cfg(feature = "seller")]
pub mod seller;

pub use tollway_http::body::{Body, BoxError};
pub use tollway_http::key_file::{self, KeyFileError};
pub use tollway_ledger::CommitmentId;
pub use tollway_protocol::{Amount, Asset, Dress, Network, Price, Reason, Refusal};

//! The books on disk: SQLite, with group commit.
//!
//! Promise: what a call acknowledges survives a crash at any point; one fsync carries every sale
//! that waited for it; several processes may hold the same file, and each sale is still charged once
//! and within its payer's credit.
//!
//! Refusal: this crate never decides about money. What a command means is `tollway_ledger::apply`;
//! here it is only stored. It never opens another program's file or a newer version's, and it never
//! runs with less than `synchronous=FULL`.
//!
//! ```
//! use tollway_ledger::Books;
//! use tollway_protocol::{Asset, Scale};
//! use tollway_store::{OpenOptions, SqliteBooks};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("books.sqlite");
//! let options = OpenOptions::new("https://seller.example", Asset::usd(), Scale::MICRO);
//! let books = SqliteBooks::open(&path, options)?;
//! assert_eq!(books.ledger().seller, "https://seller.example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod books;
mod failure;
mod options;
mod readers;
mod records;
mod rows;
mod schema;
mod settlements;
mod writer;

pub use books::SqliteBooks;
pub use options::OpenOptions;
pub use settlements::SqliteSettlements;

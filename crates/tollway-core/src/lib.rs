//! The roles of a payment: what a seller offers, admits and sells, and what a buyer chooses,
//! budgets and signs.
//!
//! This crate never speaks HTTP, opens a database, or reads the clock or the environment: books,
//! keys and time come through ports.
//!
//! A request walks one road, and each step is a type that only the step before it makes:
//! [`rules::Readings`] → [`rules::Ruling`] → [`scheme::deferred::Promise`] →
//! [`seller::Identified`] → [`seller::Admission`] → [`seller::Verified`] → [`seller::Receipt`].
//!
//! ```
//! use tollway_core::rules::{Readings, Requester, RuleSet, Ruling};
//!
//! let rules = RuleSet::new(vec![], vec![]);
//! let path = Readings::of("/articles/tally-sticks.html")?;
//! let ruling = rules.decide(&path, "GET", Requester::default())?;
//! assert!(matches!(ruling, Ruling::Pass));
//! # Ok::<(), tollway_protocol::Refusal>(())
//! ```

pub mod buyer;
pub mod clock;
pub mod facilitator;
pub mod offer;
pub mod rules;
pub mod scheme;
pub mod seller;

//! What one payment opens where a rule sells passes.

use serde::{Deserialize, Serialize};

/// A number of requests within a time, for the price of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassTerms {
    /// How many requests, the one that is paid included.
    pub requests: u32,
    /// For how long after the payment, in seconds.
    pub seconds: u32,
}

impl PassTerms {
    /// Longest pass, in seconds: a year.
    pub const SECONDS_MAX: u32 = 366 * 86_400;
}

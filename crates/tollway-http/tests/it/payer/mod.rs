//! The payer.

//! Verification of exact payments.

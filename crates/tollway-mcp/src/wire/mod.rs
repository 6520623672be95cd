//! Payments, demands and receipts as members of MCP messages (x402 transport `mcp`, versions 1 and 2, and the form of
//! `agents/x402`). Everything is read from and written to plain JSON objects, with bounds.

mod demand;
mod json;
pub mod names;
mod payment;
mod receipt;
mod unambiguous;

pub use demand::{
    Demand, PAYMENT_REQUIRED_CODE, demand_in_error, demand_in_result, refusal_error, refusal_result,
    refusal_without_demand,
};
pub use payment::{Payment, PaymentForm, payment_in, without_payment, write_payment};
pub use receipt::{read_receipt, write_receipt, write_receipt_v1};
pub use unambiguous::unambiguous;

//! x402 over the Model Context Protocol: sell a tool, pay for a tool, stand between both.
//!
//! Promise: a priced call runs once for each payment, and only for a payment that was verified for this call; what it
//! gave is handed out when the payment has settled, and a call that fails costs nothing.
//!
//! [`seller::ToolSeller`] sells calls by a price list; it knows no transport. [`wire`] spells payments, demands and receipts in the members of MCP messages, in every published form, on plain JSON:
//! a server made with an SDK and a relay of raw messages use the same.

pub mod buyer;
mod kind;
pub mod relay;
pub mod seller;
pub mod wire;

pub use kind::Kind;

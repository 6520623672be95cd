//! x402 over the Model Context Protocol: sell a tool, pay for a tool, stand between both.
//!
//! Promise: a priced call runs once for each payment, and only for a payment that was verified for this call; what it
//! gave is handed out when the payment has settled, and a call that fails costs nothing.
//!
//! [`seller::ToolSeller`] sells calls by a price list, [`buyer`] pays within limits; neither knows a transport.
//! [`PaidTools`] puts the seller around a server made with `rmcp`, [`relay`] puts either between a client and a server
//! that know nothing of it. [`wire`] spells payments, demands and receipts in the members of MCP messages, in every
//! published form, on plain JSON.

pub mod buyer;
mod kind;
mod paid;
pub mod relay;
pub mod seller;
pub mod wire;

pub use kind::Kind;
pub use paid::PaidTools;

//! Paying for tools: limits, consent, one payment for one call. Transport-free: a relay of raw messages and the wrapper
//! of an `rmcp` client call the same [`ToolPayer`].
//!
//! No text of a server's reaches the decision to pay: it is made from the scheme, the network, the asset, the amount and
//! the limits of this side. What the one asked to confirm sees is a copy.

mod allow;
mod choice;
mod confirm;
mod deliver;
mod flights;
mod hook;
mod lingering;
mod listing;
mod message;
mod payer;
mod peer;
mod pin;
mod promiser;
mod said;
mod server;
mod target;
mod words;

pub use allow::{AllowList, Entry, ParseEntryError};
pub use choice::{Chosen, Kind, Means, Preference};
pub use confirm::{Confirm, Consent, Decision, Question};
pub use hook::{PayHook, Report};
pub use payer::{Answered, Entropy, PaidCall, ToolPayer, ToolPayerParts, ToolQuote, ToolSpending};
pub use peer::PayingPeer;
pub use promiser::Promiser;
pub use server::{CallAnswer, Lost, ToolServer};

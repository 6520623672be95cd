//! Buying by the exact scheme: a wallet that signs, ceilings that are never absent, and a purse that
//! remembers every signed authorization until its outcome is certain.
//!
//! A signed authorization is money: whoever holds it may use it until it ends. So it is written down
//! before it is sent, counts against every ceiling while it may still be used, and is sent again,
//! not signed again, for the same purchase.

mod ceilings;
mod choice;
mod purse;
mod purse_log;
mod wallet;

pub use ceilings::{Ceilings, PayableAsset};
pub use choice::{Choice, choose};
pub use purse::{Payment, PaymentEnd, Purse, PurseLine, Signed, Spending};
pub use purse_log::{MemoryPurse, PurseLog};
pub use wallet::{SignedPayment, SigningOrder, Wallet};

/// Seconds that a chain's clock may be behind ours: an authorization is taken to be usable for this
/// much longer than it says.
pub const CHAIN_SKEW: u64 = 60;

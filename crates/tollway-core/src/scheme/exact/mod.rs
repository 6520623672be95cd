//! The exact way (x402 `scheme_exact`): the buyer signs a permission to move exactly the price, a
//! facilitator checks and settles it. This room knows no chain: what a payload means is read by an
//! [`ExactScheme`], whether it may settle is asked of a [`crate::facilitator::Facilitator`].

mod identifier;
mod judge;
mod payload;
mod port;
mod seller;
mod sponsoring;
mod way;

pub use identifier::{IDENTIFIER, Identifier, IdentifierWish, identifier_extension, name_purchase};
pub use judge::{Judged, is_code, judge};
pub use payload::{ExactPayment, PaymentVersion};
pub use port::{ExactFacts, ExactScheme};
pub use sponsoring::GasSponsoring;
pub use way::{DemandBody, ExactTerms, ExactWay, requirements};

pub(crate) use seller::{Shelf, Struck, candidates, strike};

/// Scheme name.
pub const EXACT: &str = "exact";
/// Key under `extra` that names the offer; clients echo it, facilitators ignore it.
pub const EXTRA_OFFER: &str = "offer";
/// Key under `extra` that says when the money moves; absent where it moves after the handler.
pub const EXTRA_FLOW: &str = "paymentFlow";
/// Longest that a buyer is asked to leave a payment open, in seconds: a signed payment that lies
/// about is money that can still move.
pub const OPEN_MAX: u64 = 300;

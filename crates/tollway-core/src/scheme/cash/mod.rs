//! A toy kind of `exact`: notes drawn on a till that lives in this process. It tests the whole road
//! without a chain and shows what a real kind has to write: a reader of payloads ([`CashScheme`]) and
//! a facilitator that checks and settles them once ([`Till`]). Worth nothing, for nobody.

mod note;
mod till;

pub use note::{CashScheme, Note};
pub use till::{Mood, Till};

use std::borrow::Cow;

use tollway_protocol::Network;

/// Where the toy settles.
///
/// # Panics
/// Never: the name is a network's.
pub fn cash_network() -> Network {
    Network::try_from(Cow::Borrowed("cash:till").into_owned()).expect("a word, a colon and a word")
}

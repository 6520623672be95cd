//! Calls that are sold, over real books.

mod copies;
mod refusals;
mod results;
pub(crate) mod rig;
mod sdk;
mod selling;

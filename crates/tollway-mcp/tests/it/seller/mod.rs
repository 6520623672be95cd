//! Calls that are sold, over real books.

mod copies;
mod refusals;
mod results;
mod rig;
mod sdk;
mod selling;

//! A facilitator's service and its clients over real sockets.

mod clients;
mod scripted;
mod service;

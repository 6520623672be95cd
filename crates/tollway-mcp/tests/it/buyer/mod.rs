//! The payer of tools, with a wallet that signs and a server that answers what a test says.

mod asking;
mod choosing;
mod hostile;
mod limits;
mod lost;
mod paying;
mod real;
mod rig;

//! The playground: a funded test wallet, an agent with free and paid tools, and every step in sight.
//!
//! Promise: it runs on loopback without the internet, with money that is worth nothing; what it shows are the bytes that
//! went over the wire, and nothing is paid that a person has not confirmed or allowed up to a sum.
//!
//! Refusal: it never shows a private key, takes no connection without its token, and pays nobody outside its own stage.

pub mod agent;
mod money;
pub mod stage;
pub mod trace;

/// Unpredictable bytes.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there are no keys and no tokens; there is nothing to go on with.
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

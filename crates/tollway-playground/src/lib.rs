//! The playground: a funded test wallet, an agent with free and paid tools, and every step in sight.
//!
//! Promise: it runs on loopback without the internet, with money that is worth nothing; what it shows are the bytes that
//! went over the wire, and nothing is paid that a person has not confirmed or allowed up to a sum.
//!
//! Refusal: it never shows a private key, takes no connection without its token, and pays nobody outside its own stage.

pub mod agent;
mod money;
mod page;
pub mod planner;
pub mod stage;
pub mod trace;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tollway_http::body::{Body, BoxError};

pub use page::{Playground, PlaygroundError, PlaygroundOptions};

/// Unpredictable bytes.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there are no keys and no tokens; there is nothing to go on with.
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

/// All of a body of at most so many bytes.
async fn gathered(mut body: Body, max: usize) -> Result<Bytes, BoxError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data.as_ref())),
            Err(error) => return Err(error),
        }
        if bytes.len() > max {
            return Err("the body is too long".into());
        }
    }
    Ok(bytes.freeze())
}

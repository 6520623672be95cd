//! HTTP Message Signatures (RFC 9421) and Web Bot Auth: sign, verify, keys and key directories.
//!
//! Promise: what [`Verified`] says was signed is, byte for byte, what the holder of the key signed, under a [`Policy`]
//! that names what had to be covered. Every check ends in a value or in a [`Refusal`] with one precise reason.
//!
//! This crate never opens a connection, never reads a clock (now is an argument), never draws a random number, and never
//! answers a check with a bool. It does not remember nonces: that is for the books, after the signature.
//!
//! ```
//! use tollway_protocol::header::{PAYMENT, SIGNATURE, SIGNATURE_AGENT, SIGNATURE_INPUT};
//! use tollway_signatures::{
//!     AgentPolicy, Component, Message, Policy, PrivateKey, SignatureParams, Unverified, policy, sign,
//! };
//!
//! # fn main() -> Result<(), tollway_signatures::Refusal> {
//! let key = PrivateKey::from_seed([7; 32]);
//! let request = Message::request("GET", "https", "news.example", "/today?page=2")
//!     .with(SIGNATURE_AGENT, r#"sig1="https://crawler.example""#)
//!     .with(PAYMENT, r#"scheme="deferred", network="tollway:402", id="offer1""#);
//!
//! // The crawler signs ...
//! let mut covered = ["@method", "@authority", "@path", "@query", PAYMENT].map(Component::new).to_vec();
//! covered.push(Component::new(SIGNATURE_AGENT).key("sig1"));
//! let params = SignatureParams::new(&key, policy::WEB_BOT_AUTH, 1_760_000_000, 1_760_000_060)
//!     .with_nonce("bm9uY2U");
//! let signed = sign(&request, "sig1", &covered, &params, &key)?;
//! let request = request.with(SIGNATURE_INPUT, signed.signature_input).with(SIGNATURE, signed.signature);
//!
//! // ... and the seller verifies: first what needs no key, then the signature, last the time.
//! let strict = Policy::strict_payment(PAYMENT, false, AgentPolicy::default());
//! let presented = Unverified::read(&request, &strict)?;
//! assert_eq!(presented.agent().map(|agent| agent.as_str()), Some("https://crawler.example"));
//! let verified = presented.verify(&key.public())?;
//! verified.in_window(1_760_000_030, strict.skew)?;
//! assert_eq!(verified.nonce(), Some("bm9uY2U"));
//! # Ok(())
//! # }
//! ```
//!
//! The parts, in the order a signature passes through them: [`components`] (what a message shows), [`Component`] (one
//! identifier), [`base`] (the text that is signed), [`sign()`], [`Policy`], [`Unverified`], [`Verified`]; beside them keys
//! ([`PrivateKey`], [`PublicKey`], [`Thumbprint`], [`Jwk`]), agents ([`agent`]), key directories ([`directory`]), body
//! digests ([`digest`]) and signed documents ([`jws`]).

mod address;
pub mod agent;
mod algorithm;
pub mod base;
mod card;
mod component;
pub mod components;
pub mod digest;
pub mod directory;
mod ed25519;
mod input;
mod jwk;
pub mod jws;
mod params;
pub mod policy;
mod presented;
mod query;
mod sign;
mod signature_agent;
mod signature_field;
mod structured;
mod thumbprint;
mod verify;

pub use agent::{AgentPolicy, AgentUrl, MAX_AGENT_URL, is_public_address};
pub use algorithm::{Signer, Verifier};
pub use card::{AgentCard, MAX_CARD};
pub use component::{Component, Param};
pub use components::{Components, FieldLines, Message};
pub use directory::{
    DIRECTORY_MEDIA_TYPE, DIRECTORY_PATH, Directory, DirectoryPolicy, sign_directory, verify_directory,
};
pub use ed25519::{ED25519, PrivateKey, PublicKey};
pub use input::{MAX_COMPONENTS, MAX_PARAM_TEXT, MAX_SIGNATURE_FIELD};
pub use jwk::{Jwk, MAX_JWK};
pub use params::SignatureParams;
pub use policy::{AgentRule, NonceRule, Policy};
pub use presented::Unverified;
pub use sign::{Signed, sign};
pub use signature_agent::MAX_AGENT_FIELD;
pub use thumbprint::Thumbprint;
pub use tollway_protocol::{Reason, Refusal};
pub use verify::{Keys, Verified, verify};

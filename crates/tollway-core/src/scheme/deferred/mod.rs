//! The deferred way: a signed promise now, one bill for the day later. One core, five dresses
//! (x402 v2 `batch-settlement` on a credit-backed network, its form for `cloudflare:402`, the announced `deferred` handshake,
//! pay per crawl, the Model Context Protocol); a dress only spells what stands here.

pub mod cloudflare;
mod commitment;
mod payload;
mod seller;

pub use commitment::{
    COMMITMENT_LIFE_MAX, COMMITMENT_MAX, COMMITMENT_TYPE, Called, Commitment, PAYLOAD_JWS, PresentedCommitment, Stamp,
    arguments_hash,
};
pub use payload::{Limit, Promise, requirements};
pub use seller::Bargain;
pub(crate) use seller::strike;

/// Scheme name of the x402 dress (x402 `scheme_batch_settlement`).
pub const BATCH_SETTLEMENT: &str = "batch-settlement";
/// Scheme name of the announced handshake.
pub const DEFERRED: &str = "deferred";
/// Key under `extra` that names the offer.
pub const EXTRA_OFFER: &str = "offer";
/// Key under `extra` that tells what one payment opens.
pub const EXTRA_PASS: &str = "pass";
/// Key under `extra` that tells the asset's scale.
pub const EXTRA_DECIMALS: &str = "decimals";

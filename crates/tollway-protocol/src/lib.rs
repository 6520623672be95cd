//! The words of x402 v2 (and, in [`v1`], of v1), of the announced `deferred` handshake and of pay per
//! crawl, and their exact wire form.
//!
//! Promise: one text has one meaning. What is read equals what is written back, byte for byte where
//! the sender was canonical; whatever could be read in two ways is a typed [`Refusal`], and no input
//! panics or costs more than its size cap. Money is an integer, a decimal string on every wire.
//!
//! Refusal: this crate never does I/O, never reads a clock, never checks a signature and never
//! decides whether a payment is good. A decoded message is only what someone said.
//!
//! ```
//! use tollway_protocol::{PaymentHeader, Price, Reason};
//!
//! let price = Price::parse("$0.01")?;
//! assert_eq!(price.amount.get(), 10_000);
//! assert_eq!(price.to_crawler(), "USD 0.01");
//!
//! let sent = r#"scheme="deferred", network="tollway:402", id="abc123""#;
//! let payment = PaymentHeader::decode(sent)?;
//! assert_eq!(payment.id.as_str(), "abc123");
//! assert_eq!(payment.encode(), sent);
//!
//! let refusal = PaymentHeader::decode(r#"scheme="deferred", id="a", id="b""#).unwrap_err();
//! assert_eq!(refusal.reason, Reason::MalformedPayment);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod amount;
pub mod asset;
pub mod canonical;
pub mod codec;
pub mod crawl;
mod dictionary;
pub mod dress;
pub mod handshake;
pub mod header;
pub mod limits;
pub mod network;
pub mod payload;
pub mod price;
pub mod reason;
pub mod reference;
pub mod required;
pub mod requirements;
pub mod resource;
pub mod response;
pub mod v1;
pub mod version;
mod wire;

pub use amount::{Amount, ParseAmountError};
pub use asset::{Asset, ParseAssetError};
pub use codec::{decode_header, decode_json, encode_header, encode_json};
pub use crawl::{CrawlerCommitment, CrawlerError, ParseCrawlerError};
pub use dress::{Dress, ParseDressError};
pub use handshake::{
    DeferredScheme, HandshakeDemand, HandshakeExtras, HandshakeOffer, PaymentHeader, PaymentResponseHeader,
};
pub use network::{Network, ParseNetworkError};
pub use payload::{DeferredPayload, PaymentPayload};
pub use price::{ParsePriceError, Price, Scale, ScaleOutOfRange};
pub use reason::{Actor, ParseReasonError, Reason, Refusal, Retry};
pub use reference::{ParseReferenceError, Reference};
pub use required::PaymentRequired;
pub use requirements::PaymentRequirements;
pub use resource::ResourceInfo;
pub use response::{
    Attachments, FacilitatorRequest, SettleFailure, SettleResponse, Settlement, SupportedKind, SupportedResponse,
    VerifyResponse,
};
pub use version::Version2;

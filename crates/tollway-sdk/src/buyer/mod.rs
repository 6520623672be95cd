//! The buyer's side: a client that pays, and the same as a tower layer around any client of HTTP requests.
//!
//! Without a budget, a highest price and a journal there is no client: each step of the builder asks for the next.
//!
//! ```compile_fail
//! # use tollway_sdk::buyer::PayingClient;
//! // Nobody has said what one request may cost at most.
//! PayingClient::builder("https://crawler.example", "crawler.jwk").budget("$1").journal("audit.jsonl").build();
//! ```
//!
//! The budget holds for as long as the journal is kept: a program that is started again goes on with what is left, and
//! what a crash left open counts as spent until its outcome is known ([`PayingClient::resolve_open`]). A journal is one
//! client's at a time.
//!
//! As a layer, over hyper's client, `reqwest`'s, a router in the same process or whatever else is a
//! `Service<http::Request<B>>`:
//!
//! ```
//! # async fn buy() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tollway_sdk::buyer::{Charged, PayingClient};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! let layer = PayingClient::builder("https://crawler.example", "crawler.jwk")
//!     .budget("$1")
//!     .max_price("$0.01")
//!     .journal("audit.jsonl")
//!     .layer()?;
//! let client = layer.layer(Client::builder(TokioExecutor::new()).build_http());
//! let request = Request::get("http://api.example/reports/today").body(Full::<Bytes>::default())?;
//! let response = client.oneshot(request).await?;
//! let charged = response.extensions().get::<Charged>();
//! # drop(charged.copied());
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod client;
mod directory;
mod error;
mod layer;
mod purse;

pub use answer::PaidAnswer;
pub use builder::{Begun, Budgeted, Builder, Capped};
pub use client::{PaidRequest, PayingClient};
pub use directory::KeyDirectoryService;
pub use error::{BuildError, SendError};
pub use layer::{Paying, PayingLayer};

pub use tollway_core::buyer::BudgetView;
pub use tollway_http::dress::ReceiptFacts;
pub use tollway_http::payer::{Charged, PayError, PayFailure, Payer};
pub use tollway_signatures::DIRECTORY_PATH;

//! The seller's side: a tower layer that charges for what stands behind it.
//!
//! The layer is the gate of `tollway gateway`; what the gateway adds is a proxy. It goes around the whole application,
//! since a seller also publishes its key, offers, terms and accounts under `/.well-known/`. Which paths cost what is
//! said when it is opened. With axum:
//!
//! ```
//! # async fn sell() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//! use tollway_sdk::seller::{Paid, Tollway};
//!
//! let tollway = Tollway::at("https://api.example").charge("/reports/*", "$0.01").open("tollway-data").await?;
//! tollway.open_account("https://crawler.example", "$20").await?;
//! let app = Router::new()
//!     .route("/reports/{name}", get(async |Paid(by): Paid| format!("sold to {}", by.agent)))
//!     .layer(tollway.layer());
//! # Ok(app)
//! # }
//! ```
//!
//! and around any other service that takes HTTP requests, such as hyper's:
//!
//! ```
//! # async fn sell() -> Result<(), Box<dyn std::error::Error>> {
//! use http::{Request, Response};
//! use hyper_util::service::TowerToHyperService;
//! use tollway_http::gate::PaidBy;
//! use tollway_sdk::{Body, BoxError, seller::Tollway};
//! use tower::{Layer as _, service_fn};
//!
//! let tollway = Tollway::at("https://api.example").charge("*", "$0.01").open("tollway-data").await?;
//! let report = service_fn(async |request: Request<Body>| {
//!     let by = request.extensions().get::<PaidBy>().expect("every path has a price");
//!     Ok::<_, BoxError>(Response::new(format!("sold to {}", by.agent)))
//! });
//! let for_hyper = TowerToHyperService::new(tollway.layer().layer(report));
//! # drop(for_hyper);
//! # Ok(())
//! # }
//! ```
//!
//! What it keeps lies in one folder: `seller.jwk`, made on the first start and readable by its owner only, and
//! `books.db`. `tollway ledger` and `tollway agents` work on the same books, also while the program runs.

mod builder;
mod layer;
#[cfg(feature = "axum")]
mod paid;

pub use builder::{Builder, OpenError, Tollway};
pub use layer::{Tolled, TollwayLayer};
#[cfg(feature = "axum")]
pub use paid::{NotPaid, Paid};

pub use tollway_core::rules::{Action, Audience, Charge, Methods, Pattern, Profile, Rule};
pub use tollway_http::gate::{GateOptions, PaidBy};

//! An answer, and what it cost.

use std::str::Utf8Error;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tollway_http::dress::ReceiptFacts;
use tollway_http::payer::{Answer, Charged};
use tollway_protocol::{Amount, Asset, Price, Scale};

/// An answer. Where it cost money, its receipt was checked: signed by the seller, for this request and this body.
#[derive(Debug)]
pub struct PaidAnswer(pub(super) Answer);

impl PaidAnswer {
    /// Status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Body.
    pub fn bytes(&self) -> &Bytes {
        &self.0.body
    }

    /// Body as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0.body)
    }

    /// Body read as JSON.
    ///
    /// # Errors
    /// When it is not the JSON of a `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.0.body)
    }

    /// What it cost; nothing where it was free.
    pub fn cost(&self) -> Price {
        let amount = self.0.charged.map_or(Amount::ZERO, |charged| charged.amount);
        Price { amount, asset: Asset::usd(), scale: Scale::MICRO }
    }

    /// The charge, where there was one.
    pub fn charged(&self) -> Option<Charged> {
        self.0.charged
    }

    /// The seller's receipt of that charge.
    pub fn receipt(&self) -> Option<&ReceiptFacts> {
        self.0.receipt.as_ref()
    }

    /// As an HTTP response; charge and receipt are among its extensions.
    pub fn into_http(self) -> Response<Bytes> {
        let mut response = Response::new(self.0.body);
        *response.status_mut() = self.0.status;
        *response.headers_mut() = self.0.headers;
        if let Some(charged) = self.0.charged {
            response.extensions_mut().insert(charged);
        }
        if let Some(receipt) = self.0.receipt {
            response.extensions_mut().insert(receipt);
        }
        response
    }
}

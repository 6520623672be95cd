//! A facilitator elsewhere, asked over HTTP. It is believed only what it says well-formed and in
//! time: no redirect is followed (the key would travel with it), no answer is read past its cap, and
//! a settlement without a clear answer is not known, never refused.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use tollway_core::facilitator::{Facilitator, FacilitatorError, PaymentStatus};
use tollway_protocol::{
    FacilitatorRequest, SettleResponse, SupportedResponse, VerifyResponse, decode_json, encode_json, limits,
};
use url::Url;

/// How a facilitator elsewhere is asked.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its base URL: `verify`, `settle` and `supported` stand below it.
    pub url: Url,
    /// The key it knows us by.
    pub api_key: Option<String>,
    /// How long it may take to verify, or to say what it supports.
    pub verify_wait: Duration,
    /// How long it may take to settle: longer than its chain takes to confirm.
    pub settle_wait: Duration,
}

/// A facilitator elsewhere.
pub struct RemoteFacilitator {
    client: reqwest::Client,
    verify: Url,
    settle: Url,
    supported: Url,
    payments: Url,
    authorization: Option<HeaderValue>,
    verify_wait: Duration,
    settle_wait: Duration,
}

/// The options do not describe a facilitator that can be asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Not an http or https URL that paths can be added to.
    #[error("`{0}` is not the http or https URL of a facilitator")]
    Url(Url),
    /// The key cannot stand in a header.
    #[error("the API key holds characters that no header can carry")]
    Key,
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl RemoteOptions {
    /// The facilitator at this URL, without a key, with 10 s to verify and 90 s to settle.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self { url, api_key: None, verify_wait: Duration::from_secs(10), settle_wait: Duration::from_secs(90) }
    }
}

impl RemoteFacilitator {
    /// A client of that facilitator.
    ///
    /// # Errors
    /// When the options cannot be used; nothing is asked yet.
    pub fn new(options: RemoteOptions) -> Result<Self, RemoteError> {
        let RemoteOptions { url, api_key, verify_wait, settle_wait } = options;
        let below = |name: &str| {
            let mut joined = url.clone();
            joined.set_query(None);
            joined.path_segments_mut().map_err(|()| RemoteError::Url(url.clone()))?.pop_if_empty().push(name);
            Ok::<_, RemoteError>(joined)
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RemoteError::Url(url));
        }
        let authorization = api_key.map(|key| HeaderValue::try_from(format!("Bearer {key}"))).transpose();
        let mut authorization = authorization.map_err(|_| RemoteError::Key)?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self {
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(5))
                .build()?,
            verify: below("verify")?,
            settle: below("settle")?,
            supported: below("supported")?,
            payments: below("payments")?,
            authorization,
            verify_wait,
            settle_wait,
        })
    }

    fn with_key(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        request: &FacilitatorRequest,
        wait: Duration,
    ) -> Result<T, FacilitatorError> {
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(encode_json(request));
        let (status, body) = answered(self.with_key(request), wait).await?;
        read(status, &body)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<Option<T>, FacilitatorError> {
        let (status, body) = answered(self.with_key(self.client.get(url)), self.verify_wait).await?;
        if status == StatusCode::NOT_FOUND { Ok(None) } else { read(status, &body).map(Some) }
    }
}

#[async_trait]
impl Facilitator for RemoteFacilitator {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        let missing = || FacilitatorError::Malformed { detail: "404 for what it supports".to_owned() };
        self.get(self.supported.clone()).await?.ok_or_else(missing)
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        self.post(&self.verify, request, self.verify_wait).await
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        self.post(&self.settle, request, self.settle_wait).await
    }

    /// Only our own kind of facilitator has this endpoint; others are taken to keep no record.
    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        let mut url = self.payments.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(payment);
        }
        self.get(url).await
    }
}

/// The whole answer, within the window and the cap.
async fn answered(request: reqwest::RequestBuilder, wait: Duration) -> Result<(StatusCode, Bytes), FacilitatorError> {
    let answering = async {
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let mut body = BytesMut::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| lost(&error))?;
            if body.len() + piece.len() > limits::FACILITATOR_RESPONSE {
                return Err(FacilitatorError::Malformed { detail: "its answer is longer than is read".to_owned() });
            }
            body.extend_from_slice(&piece);
        }
        Ok((status, body.freeze()))
    };
    tokio::time::timeout(wait, answering)
        .await
        .unwrap_or_else(|_| Err(FacilitatorError::NoAnswer { detail: format!("nothing within {wait:?}") }))
}

/// Before a connection stood, nothing was sent; after that, nobody knows.
fn lost(error: &reqwest::Error) -> FacilitatorError {
    let detail = error.to_string();
    if error.is_connect() { FacilitatorError::Unreachable { detail } } else { FacilitatorError::NoAnswer { detail } }
}

/// An answer that reads as one counts, whatever its status: other facilitators say no with 400 and
/// a body. A yes needs a 200.
fn read<T: DeserializeOwned>(status: StatusCode, body: &Bytes) -> Result<T, FacilitatorError> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            return Err(FacilitatorError::Declined { detail: format!("status {status}") });
        }
        _ if status.is_server_error() => return Err(FacilitatorError::NoAnswer { detail: format!("status {status}") }),
        _ if status == StatusCode::OK || status == StatusCode::BAD_REQUEST => {}
        _ => return Err(FacilitatorError::Malformed { detail: format!("status {status}") }),
    }
    if status == StatusCode::BAD_REQUEST && says_yes(body) {
        return Err(FacilitatorError::Malformed { detail: "a yes with status 400".to_owned() });
    }
    decode_json(body, limits::FACILITATOR_RESPONSE)
        .map_err(|refusal| FacilitatorError::Malformed { detail: refusal.detail.into_owned() })
}

fn says_yes(body: &Bytes) -> bool {
    let value: Result<serde_json::Value, _> = decode_json(body, limits::FACILITATOR_RESPONSE);
    value.is_ok_and(|value| value["isValid"] == true || value["success"] == true)
}

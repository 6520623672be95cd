//! One signed request: where it goes, what its signature covers, and the wire.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header as names};
use http_body_util::BodyExt as _;
use tollway_core::rules::Readings;
use tollway_ledger::CommitmentId;
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::{Component, SignatureParams, Signed, Signer, Thumbprint, digest, policy::WEB_BOT_AUTH, sign};
use url::Url;

use super::transport::{Outgoing, Transport};
use super::{Order, PayError, Payer};
use crate::message::RequestView;

/// How long a signature lives, in seconds: long enough to send it again when an answer is lost.
const LIFETIME: u64 = 120;
/// Label of the buyer's signature.
const LABEL: &str = "sig1";

/// What is asked, and where it goes.
pub(super) struct Target {
    pub(super) method: Method,
    /// The buyer's own fields.
    pub(super) fields: HeaderMap,
    pub(super) body: Bytes,
    pub(super) origin: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path_and_query: String,
    pub(super) decoded_path: String,
    pub(super) url: Url,
}

/// A request ready to be sent, as often as needed, always the same bytes.
pub(super) struct SignedRequest {
    pub(super) headers: HeaderMap,
    pub(super) id: CommitmentId,
    pub(super) expires: u64,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The fields of the request that it answers.
    pub(super) sent: HeaderMap,
}

impl Target {
    /// A GET.
    pub(super) fn of(url: &Url) -> Result<Self, Refusal> {
        Self::of_order(&Order::get(url.clone()))
    }

    pub(super) fn of_order(order: &Order) -> Result<Self, Refusal> {
        let url = order.url();
        if matches!(order.method, Method::CONNECT | Method::TRACE) {
            return Err(Refusal::new(Reason::MethodNotAllowed, "this method is never asked"));
        }
        let wrong = |detail: &'static str| Refusal::new(Reason::MalformedTarget, detail);
        let host = url.host_str().ok_or_else(|| wrong("the URL has no host"))?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path_and_query =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let path = Readings::of(url.path())?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the URL is not a plain http(s) URL"));
        }
        let mut bare = url.clone();
        bare.set_fragment(None);
        Ok(Self {
            method: order.method.clone(),
            fields: order.fields.clone(),
            body: order.body.clone(),
            origin: format!("{}://{authority}", url.scheme()),
            scheme: url.scheme().to_owned(),
            authority,
            path_and_query,
            decoded_path: path.plain().to_owned(),
            url: bare,
        })
    }

    /// The request as the signature base sees it.
    pub(super) fn view<'a>(&'a self, headers: &'a HeaderMap) -> RequestView<'a> {
        RequestView {
            method: self.method.as_str(),
            scheme: &self.scheme,
            authority: &self.authority,
            path_and_query: &self.path_and_query,
            headers,
        }
    }
}

/// A request whose commitment is known and not yet signed.
pub(super) struct Prepared {
    headers: HeaderMap,
    components: Vec<Component>,
    params: SignatureParams,
    pub(super) id: CommitmentId,
}

/// Stands in for the key to learn what would be signed.
struct Unsigned<'a>(&'a dyn Signer);

impl Signer for Unsigned<'_> {
    fn algorithm(&self) -> &'static str {
        self.0.algorithm()
    }

    fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint()
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}

impl Payer {
    /// Everything but the signature: what will be signed has an id, and can be written down first.
    pub(super) fn prepare(
        &self,
        target: &Target,
        payment: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Prepared, Refusal> {
        let mut headers = target.fields.clone();
        let agent = format!("{LABEL}=\"{}\"", self.parts.agent);
        let agent = HeaderValue::from_str(&agent)
            .map_err(|_| Refusal::new(Reason::AgentMalformed, "the agent is not ASCII"))?;
        headers.insert(header::SIGNATURE_AGENT, agent);
        let mut components: Vec<_> = ["@method", "@authority", "@path", "@query"].map(Component::new).to_vec();
        components.push(Component::new(header::SIGNATURE_AGENT).key(LABEL));
        if !target.body.is_empty() {
            let made = HeaderValue::from_str(&digest::make(&target.body))
                .map_err(|_| Refusal::new(Reason::Internal, "a digest is ASCII"))?;
            headers.insert(header::CONTENT_DIGEST, made);
            components.push(Component::new(header::CONTENT_DIGEST));
            if headers.get_all(names::CONTENT_TYPE).iter().count() == 1 {
                components.push(Component::new(names::CONTENT_TYPE.as_str()));
            }
        }
        if let Some((name, value)) = payment {
            components.push(Component::new(name.as_str()));
            headers.insert(name, value);
        }
        let mut nonce = [0; 16];
        (self.parts.entropy)(&mut nonce);
        let now = self.parts.buyer.clock.now();
        let params = SignatureParams::new(self.parts.key.as_ref(), WEB_BOT_AUTH, now, now + LIFETIME);
        let params = params.with_nonce(BASE64_STANDARD.encode(nonce));
        let base = sign(&target.view(&headers), LABEL, &components, &params, &Unsigned(self.parts.key.as_ref()))?.base;
        let id = CommitmentId::derive(now, self.parts.key.thumbprint().as_bytes(), base.as_bytes());
        Ok(Prepared { headers, components, params, id })
    }

    /// Signs what was prepared.
    pub(super) fn sign(&self, target: &Target, prepared: Prepared) -> Result<SignedRequest, Refusal> {
        let Prepared { mut headers, components, params, id } = prepared;
        let Signed { signature_input, signature, .. } =
            sign(&target.view(&headers), LABEL, &components, &params, self.parts.key.as_ref())?;
        for (name, text) in [(header::SIGNATURE_INPUT, signature_input), (header::SIGNATURE, signature)] {
            let value =
                HeaderValue::from_str(&text).map_err(|_| Refusal::new(Reason::Internal, "a signature is ASCII"))?;
            headers.insert(name, value);
        }
        Ok(SignedRequest { headers, id, expires: params.expires })
    }

    /// Sends a signed request and reads the whole answer, up to the cap.
    pub(super) async fn send(&self, target: &Target, headers: &HeaderMap) -> Result<Reply, PayError> {
        send(self.parts.transport.as_ref(), target, headers, self.parts.body_max).await
    }
}

/// Sends a request and reads the whole answer, of at most `body_max` bytes.
pub(super) async fn send(
    transport: &dyn Transport,
    target: &Target,
    headers: &HeaderMap,
    body_max: usize,
) -> Result<Reply, PayError> {
    let request = Outgoing {
        method: target.method.clone(),
        url: target.url.clone(),
        headers: headers.clone(),
        body: target.body.clone(),
    };
    let sent = transport.send(request).await;
    let response = sent.map_err(|error| PayError::Unreachable(innermost(error.as_ref())))?;
    let (parts, mut body) = response.into_parts();
    let told = parts.headers.get(names::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let is_head = target.method == Method::HEAD;
    if !is_head && told.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > body_max)) {
        return Err(too_large(body_max).into());
    }
    let mut bytes = bytes::BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| PayError::Unreachable(innermost(error.as_ref())))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > body_max {
            return Err(too_large(body_max).into());
        }
        bytes.extend_from_slice(data);
    }
    Ok(Reply { status: parts.status, headers: parts.headers, body: bytes.freeze(), sent: headers.clone() })
}

fn too_large(max: usize) -> Refusal {
    Refusal::new(Reason::BodyTooLarge, format!("the answer is longer than the {max} bytes that are read"))
}

/// The cause of a chain of errors: what a person can act on.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

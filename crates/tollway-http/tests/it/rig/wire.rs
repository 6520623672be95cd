//! Requests signed by hand, so that every byte of them can be another one, and answers read back.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollway_core::scheme::deferred::Promise;
use tollway_http::body::{Body, empty, full};
use tollway_http::dress;
use tollway_http::message::{RequestView, ResponseView};
use tollway_http::site::Site;
use tollway_protocol::{Dress, PaymentRequired, Reason, header};
use tollway_signatures::{
    Component, Message, Policy, PrivateKey, PublicKey, SignatureParams, Unverified, digest, policy, sign,
};

use super::origin::whole;

/// Label of the signatures made here.
pub(crate) const LABEL: &str = "sig1";

/// A request before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) covered: Vec<Component>,
    pub(crate) params: SignatureParams,
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body broke off.
    pub(crate) cut: bool,
}

impl Draft {
    /// A request of an agent, signed as an agent signs, that promises nothing.
    pub(crate) fn new(site: &Site, agent: &str, key: &PrivateKey, method: &str, target: &str, now: u64) -> Self {
        let mut covered = ["@method", "@authority", "@path", "@query"].map(Component::new).to_vec();
        covered.push(Component::new(header::SIGNATURE_AGENT).key(LABEL));
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            scheme: site.scheme().to_owned(),
            authority: site.authority().to_owned(),
            fields: vec![
                ("host".to_owned(), site.authority().to_owned()),
                (header::SIGNATURE_AGENT.to_owned(), format!("{LABEL}=\"{agent}\"")),
            ],
            body: Vec::new(),
            covered,
            params: SignatureParams::new(key, policy::WEB_BOT_AUTH, now, now + 60),
        }
    }

    /// One more field, covered.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.covered.push(Component::new(name));
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more field, not covered.
    pub(crate) fn beside(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body, with its digest covered.
    pub(crate) fn carrying(self, body: &str) -> Self {
        let mut draft = self.with(header::CONTENT_DIGEST, &digest::make(body.as_bytes()));
        draft.body = body.as_bytes().to_vec();
        let length = body.len().to_string();
        draft.beside("content-length", &length)
    }

    /// Takes a component out of what is covered; the field stays.
    pub(crate) fn uncovered(mut self, name: &str) -> Self {
        self.covered.retain(|component| component.name() != name);
        self
    }

    /// Other parameters of the signature.
    pub(crate) fn params(mut self, change: impl FnOnce(&mut SignatureParams)) -> Self {
        change(&mut self.params);
        self
    }

    pub(crate) fn signed(&self, key: &PrivateKey) -> Sent {
        let mut message = Message::request(&self.method, &self.scheme, &self.authority, &self.target);
        for (name, value) in &self.fields {
            message = message.with(name, value);
        }
        let signed = sign(&message, LABEL, &self.covered, &self.params, key).unwrap();
        let mut fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
        fields.push((header::SIGNATURE_INPUT.to_owned(), signed.signature_input.into_bytes()));
        fields.push((header::SIGNATURE.to_owned(), signed.signature.into_bytes()));
        Sent { method: self.method.clone(), target: self.target.clone(), fields, body: self.body.clone() }
    }
}

impl Sent {
    /// A request that nobody signed.
    pub(crate) fn plain(site: &Site, method: &str, target: &str) -> Self {
        let host = ("host".to_owned(), site.authority().as_bytes().to_vec());
        Self { method: method.to_owned(), target: target.to_owned(), fields: vec![host], body: Vec::new() }
    }

    pub(crate) fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self
    }

    pub(crate) fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).add(name, value)
    }

    pub(crate) fn field(&self, name: &str) -> String {
        let (_, value) = self.fields.iter().find(|(own, _)| own == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    }

    /// As the server's HTTP library would hand it on.
    pub(crate) fn request(&self) -> Request<Body> {
        let mut request = Request::new(if self.body.is_empty() { empty() } else { full(self.body.clone()) });
        *request.method_mut() = self.method.parse().unwrap();
        *request.uri_mut() = self.target.parse().unwrap();
        for (name, value) in &self.fields {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    /// As it goes over the wire, on a connection of its own.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn headers(&self) -> HeaderMap {
        self.request().headers().clone()
    }
}

impl Got {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = whole(body).await;
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            cut: body.is_none(),
            body: body.unwrap_or_default(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The demand in the header of a 402.
    pub(crate) fn demand(&self) -> PaymentRequired {
        PaymentRequired::decode(self.field(header::PAYMENT_REQUIRED).unwrap()).unwrap()
    }

    /// Why it was refused: the code in the body, else the one in the demand.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if let Some(code) = json["error"].as_str() {
            return code.parse().ok();
        }
        let error = self.headers.contains_key(header::PAYMENT_REQUIRED).then(|| self.demand().error).flatten()?;
        if error == "Payment required" { Some(Reason::PaymentRequired) } else { error.parse().ok() }
    }

    /// The facts of the receipt, nothing checked.
    pub(crate) fn receipt_facts(&self, dress: Dress) -> dress::ReceiptFacts {
        dress::read_receipt(&self.headers, dress).unwrap()
    }

    /// The facts of the receipt, after its seller's signature and the body's digest were checked.
    pub(crate) fn receipt(&self, sent: &Sent, site: &Site, key: &PublicKey, dress: Dress) -> dress::ReceiptFacts {
        let headers = sent.headers();
        let request = RequestView {
            method: &sent.method,
            scheme: site.scheme(),
            authority: site.authority(),
            path_and_query: &sent.target,
            headers: &headers,
        };
        let view = ResponseView { status: self.status, headers: &self.headers, request };
        let signed = Unverified::read(&view, &Policy::seller_response(header::PAYMENT_RESPONSE)).unwrap();
        signed.verify(key).unwrap();
        if let Some(line) = self.field(header::CONTENT_DIGEST) {
            digest::verify(line.as_bytes(), &self.body).unwrap();
        }
        dress::read_receipt(&self.headers, dress).unwrap()
    }
}

/// The field and value that carry a promise.
pub(crate) fn commitment(promise: &Promise) -> (String, String) {
    let (name, value) = dress::commitment(promise).unwrap();
    (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
}

/// Writes these bytes to a fresh connection and reads until the server closes it.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read everything.
    let _unread = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    answer
}

/// Reads the first response in these bytes; `None` where there is no whole head.
pub(crate) fn parse(bytes: &[u8]) -> Option<Got> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value.trim().parse().ok()?);
    }
    let rest = &bytes[end + 4..];
    let chunked = headers.get("transfer-encoding").is_some();
    let told = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let (body, cut) = match (chunked, told) {
        (true, _) => dechunk(rest),
        (false, Some(length)) => (rest[..length.min(rest.len())].to_vec(), rest.len() < length),
        (false, None) => (rest.to_vec(), false),
    };
    Some(Got { status, headers, body: body.into(), cut })
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, true) };
        let Some(size) = std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok())
        else {
            return (body, true);
        };
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, false);
        }
        if rest.len() < size + 2 {
            body.extend_from_slice(&rest[..size.min(rest.len())]);
            return (body, true);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

//! A request at the gate: what was asked, parsed once.

use http::request::Parts;
use http::{HeaderMap, Method, header as names};
use tollway_core::rules::{Readings, Requester, is_ai_crawler};
use tollway_ledger::AgentId;
use tollway_protocol::{Reason, Refusal, header};

use crate::message::RequestView;
use crate::site::{self, Site};

/// Where a request goes, as the gate understands it.
pub(crate) struct Asked {
    /// The site.
    pub(crate) site: Site,
    /// The path, under every reading.
    pub(crate) path: Readings,
    /// Path and query, as sent.
    pub(crate) path_and_query: String,
    /// The URL on the site's public origin.
    pub(crate) url: String,
    /// Who asks.
    pub(crate) who: Requester,
    /// The agent whose signature has decided which rule holds.
    pub(crate) proved: Option<AgentId>,
}

impl Asked {
    /// Reads the request line and the host.
    pub(crate) fn read(parts: &Parts, sites: &[Site]) -> Result<Self, Refusal> {
        if parts.method == Method::TRACE || parts.method == Method::CONNECT {
            return Err(Refusal::new(Reason::MethodNotAllowed, "this method is never served"));
        }
        let site = site::pick(sites, &parts.uri, &parts.headers)?.clone();
        let path = Readings::of(parts.uri.path())?;
        let path_and_query = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        // In absolute form a target may have a query and no path.
        let path_and_query =
            if path_and_query.starts_with('/') { path_and_query.to_owned() } else { format!("/{path_and_query}") };
        let url = site.url(&path_and_query);
        Ok(Self { site, path, path_and_query, url, who: requester(&parts.headers), proved: None })
    }

    /// The request as the signature base sees it.
    pub(crate) fn view<'a>(&'a self, method: &'a Method, headers: &'a HeaderMap) -> RequestView<'a> {
        RequestView {
            method: method.as_str(),
            scheme: self.site.scheme(),
            authority: self.site.authority(),
            path_and_query: &self.path_and_query,
            headers,
        }
    }
}

fn is_bot(headers: &HeaderMap) -> bool {
    headers.get(names::USER_AGENT).and_then(|value| value.to_str().ok()).is_some_and(is_ai_crawler)
}

pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    // Told by the names of its few fields, which is quicker than to look for each.
    headers.keys().any(|name| {
        matches!(name.as_str(), header::SIGNATURE_AGENT | header::TOLLWAY_PASS)
            || header::PAYMENTS.contains(&name.as_str())
    })
}

/// Who asks, as far as fields tell.
pub fn requester(headers: &HeaderMap) -> Requester {
    Requester { signed: is_signed(headers), bot: is_bot(headers) }
}

/// The method that a browser asks about before a cross-origin request, if that is what it asks.
pub(crate) fn preflighted(parts: &Parts) -> Option<&str> {
    let asks = parts.method == Method::OPTIONS && parts.headers.contains_key(names::ORIGIN);
    let method = parts.headers.get(names::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| asks)?;
    method.to_str().ok()
}

/// Fields by which some upstreams let a client replace the target that the gate has matched.
const OTHER_TARGETS: [&str; 2] = ["x-original-url", "x-rewrite-url"];
/// Fields by which some upstreams let a client replace the method.
const OTHER_METHODS: [&str; 4] = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-method"];

/// Drops the fields that would make another request of this one behind the gate. Methods are left
/// alone where no rule speaks of the resource.
pub(crate) fn drop_replacements(headers: &mut HeaderMap, guarded: bool) {
    let methods = OTHER_METHODS.iter().filter(|_| guarded);
    for field in OTHER_TARGETS.iter().chain(methods) {
        headers.remove(*field);
    }
}

/// Whether a method is safe (RFC 9110 section 9.2.1): serving it changes nothing.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the head promises a body.
pub(crate) fn has_body(parts: &Parts) -> bool {
    let length = parts.headers.get(names::CONTENT_LENGTH);
    parts.headers.contains_key(names::TRANSFER_ENCODING) || length.is_some_and(|value| value.as_bytes() != b"0")
}

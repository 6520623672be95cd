//! Demands ready-made: all that a 402 says is the same for every URL of an offer but the URL itself, so it is written
//! once, by the same code as every other refusal, and each request's URL is set in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use parking_lot::RwLock;
use tollway_core::offer::OfferId;
use tollway_core::rules::{Readings, Rule, Ruling};
use tollway_protocol::{Dress, Reason, header, limits};

use super::counters::{Class, Outcome};
use super::demand::{Refused, Terms, speaks_v1};
use super::page;
use super::request::{is_signed, requester};
use super::service::{Gate, unpaid};
use crate::body::{Body, full};
use crate::origin::is_upgrade;
use crate::site::{self, Site};
use crate::wellknown;

/// Offers whose demands are kept; beyond it the memory starts afresh.
const KEPT_MAX: usize = 512;
/// Stands for the URL in a demand: no offer holds it, for no URL, path or name holds a control character.
const MARK: &str = "\u{1}url\u{1}";

static REQUIRED: HeaderName = HeaderName::from_static(header::PAYMENT_REQUIRED);

/// Demands by offer.
#[derive(Default)]
pub(crate) struct Demands {
    made: RwLock<HashMap<OfferId, Option<Arc<Demand>>>>,
}

/// The 402 of one offer, for any URL.
struct Demand {
    status: StatusCode,
    headers: HeaderMap,
    required: Option<Spliced>,
    body: Body402,
}

/// The body, around its URL where it names one.
enum Body402 {
    Same(Bytes),
    Around(String, String),
}

/// Base64 of a text with a hole: only what fills it, and up to four bytes beside it, is encoded anew.
struct Spliced {
    /// Base64 of the bytes before the hole, but for the last few.
    before: String,
    /// Those: fewer than three.
    carried: Vec<u8>,
    /// By how many bytes are needed to fill up what stands in the hole: they, and base64 of those after them.
    after: [(Vec<u8>, String); 3],
    /// Bytes of the text without what fills the hole.
    length: usize,
}

/// What can be told of a request without waiting for anything.
pub(super) enum AtOnce {
    /// It pays nothing, and this is its demand.
    Demand(Response<Body>),
    /// It is free; whether a rule prices the same for others.
    Free(Class, bool),
}

impl Gate {
    /// How a request is answered that takes none of the steps of a sale. `None` for every other request, however it will
    /// be answered: those take the whole road.
    pub(super) fn at_once(&self, request: &Request<Body>) -> Option<AtOnce> {
        let (shared, method, headers) = (&self.shared, request.method(), request.headers());
        if matches!(*method, Method::TRACE | Method::CONNECT | Method::OPTIONS) {
            return None;
        }
        let site = site::pick(&shared.sites, request.uri(), headers).ok()?;
        let path = Readings::of(request.uri().path()).ok()?;
        if wellknown::concerns(&path) != Ok(false) {
            return None;
        }
        let rules = shared.seller.rules();
        let who = requester(headers);
        // Where rules ask who it is, every requester is looked at more closely.
        if is_upgrade(headers) || rules.asks_who() {
            return None;
        }
        let class = Class::of(who);
        match rules.decide(&path, method.as_str(), who).ok()? {
            Ruling::Pass | Ruling::Allow => Some(AtOnce::Free(class, rules.guards(path.plain()))),
            Ruling::Charge(rule) if *method == Method::GET && !is_signed(headers) && !page::is_wanted(headers) => {
                let target = request.uri().path_and_query()?.as_str();
                let answer = self.demand_of(&rule)?.answer(site, target)?;
                shared.counters.count_for(class, Some(&rule.id), Outcome::Refused(Reason::PaymentRequired));
                Some(AtOnce::Demand(answer))
            }
            Ruling::Charge(_) | Ruling::Block(_) | Ruling::Trial(_) => None,
        }
    }

    /// The demand of a rule's offer of today: what is answered to a request that pays nothing, says nothing of itself
    /// and is a program's.
    fn demand_of(&self, rule: &Rule) -> Option<Arc<Demand>> {
        let seller = &self.shared.seller;
        let charge = rule.charge_terms()?;
        let offer = seller.offer(&rule.id, seller.now())?;
        self.shared.demands.of(offer.id(), || {
            let signed_fields = &[header::PAYMENT_SIGNATURE];
            // Whoever says something of itself takes the whole road.
            let v1 = speaks_v1(charge, Dress::X402, &HeaderMap::new());
            let terms = Terms { seller, offer: &offer, charge, url: MARK, person: None, v1, signed_fields };
            let refused = Refused { refusal: unpaid(), dress: Dress::X402, terms: Some(terms) };
            Demand::around(refused.into_response())
        })
    }
}

impl Demands {
    fn of(&self, id: OfferId, make: impl FnOnce() -> Option<Demand>) -> Option<Arc<Demand>> {
        if let Some(made) = self.made.read().get(&id) {
            return made.clone();
        }
        let demand = make().map(Arc::new);
        let mut made = self.made.write();
        if made.len() >= KEPT_MAX {
            made.clear();
        }
        made.insert(id, demand.clone());
        demand
    }
}

impl Demand {
    /// What was answered for a URL that is [`MARK`], with a hole in its place. `None` where it stands more than once.
    fn around(marked: Response<Body>) -> Option<Self> {
        let (parts, body) = marked.into_parts();
        let body = body.collect().now_or_never()?.ok()?.to_bytes();
        let mut headers = parts.headers;
        let required = match headers.get_mut(header::PAYMENT_REQUIRED) {
            None => None,
            Some(value) => {
                let spliced = Spliced::around(&BASE64_STANDARD.decode(value.as_bytes()).ok()?)?;
                *value = HeaderValue::from_static("");
                Some(spliced)
            }
        };
        let text = std::str::from_utf8(&body).ok()?;
        let body = match around_mark(text)? {
            Some((before, after)) => Body402::Around(before.to_owned(), after.to_owned()),
            None => Body402::Same(body),
        };
        Some(Self { status: parts.status, headers, required, body })
    }

    /// The demand for one target; `None` where its header would be too long and has to say less.
    fn answer(&self, site: &Site, target: &str) -> Option<Response<Body>> {
        if !target.starts_with('/') {
            return None;
        }
        let target = escaped(target);
        let url = [site.scheme(), "://", site.authority(), &target];
        let mut headers = self.headers.clone();
        if let Some(required) = &self.required {
            let text = required.filled(&url)?;
            *headers.get_mut(&REQUIRED)? = HeaderValue::from_maybe_shared(text).ok()?;
        }
        let body = match &self.body {
            Body402::Same(body) => body.clone(),
            Body402::Around(before, after) => {
                let pieces = [before, url[0], url[1], url[2], url[3], after];
                pieces.concat().into()
            }
        };
        let mut response = Response::new(full(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        Some(response)
    }
}

impl Spliced {
    /// Base64 of this text, which holds [`MARK`] once.
    fn around(text: &[u8]) -> Option<Self> {
        let (before, after) = around_mark(std::str::from_utf8(text).ok()?)??;
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let whole = before.len() - before.len() % 3;
        let tail = |needed: usize| Some((after.get(..needed)?.to_vec(), BASE64_STANDARD.encode(after.get(needed..)?)));
        Some(Self {
            before: BASE64_STANDARD.encode(&before[..whole]),
            carried: before[whole..].to_vec(),
            after: [tail(0)?, tail(1)?, tail(2)?],
            length: before.len() + after.len(),
        })
    }

    /// The header's value with these pieces in the hole, if it fits.
    fn filled(&self, pieces: &[&str; 4]) -> Option<Bytes> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let encoded = (self.length + length).div_ceil(3) * 4;
        if encoded > limits::DEMAND_HEADER {
            return None;
        }
        let mut middle = Vec::with_capacity(self.carried.len() + length + 2);
        middle.extend_from_slice(&self.carried);
        pieces.iter().for_each(|piece| middle.extend_from_slice(piece.as_bytes()));
        let (filling, after) = &self.after[(3 - middle.len() % 3) % 3];
        middle.extend_from_slice(filling);
        let mut text = String::with_capacity(encoded);
        text.push_str(&self.before);
        BASE64_STANDARD.encode_string(&middle, &mut text);
        text.push_str(after);
        Some(text.into())
    }
}

/// What stands before and after the mark in JSON; `None` inside where it stands nowhere, outside where more than once.
fn around_mark(json: &str) -> Option<Option<(&str, &str)>> {
    let mark = escaped(MARK);
    match json.split_once(mark.as_ref()) {
        None => Some(None),
        Some((_, after)) if after.contains(mark.as_ref()) => None,
        found => Some(found),
    }
}

/// A text as it stands between quotes in JSON.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let quoted = serde_json::Value::from(text).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_filled_hole_is_the_base64_of_the_whole(before in ".{0,12}", url in ".{0,40}", after in ".{2,12}") {
            let json = |url: &str| format!("{before}{}{after}", escaped(url));
            prop_assume!(json("").len() == before.len() + after.len() && !before.contains('\u{1}'));
            let spliced = Spliced::around(json(MARK).as_bytes()).unwrap();
            let (head, tail) = url.split_at(url.char_indices().nth(3).map_or(0, |(at, _)| at));
            let filled = spliced.filled(&["", head, "", tail]).unwrap();
            let whole = BASE64_STANDARD.encode(format!("{before}{url}{after}"));
            prop_assert_eq!(filled, whole.as_bytes());
        }

        #[test]
        fn what_stands_between_quotes_is_read_back(text in ".{0,40}") {
            let read: String = serde_json::from_str(&format!("\"{}\"", escaped(&text))).unwrap();
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn a_hole_that_makes_the_header_too_long_is_not_filled() {
        let spliced = Spliced::around(format!("a{}bc", escaped(MARK)).as_bytes()).unwrap();
        let room = limits::DEMAND_HEADER / 4 * 3 - 3;
        assert_eq!(spliced.filled(&["", "", "", &"x".repeat(room)]).unwrap().len(), limits::DEMAND_HEADER);
        assert!(spliced.filled(&["", "", "", &"x".repeat(room + 1)]).is_none());
    }
}

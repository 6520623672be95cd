//! Paid requests, signed before the clock starts: each a promise of its own, with its own nonce.

use std::net::SocketAddr;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use tollway_core::offer::Offer;
use tollway_core::scheme::deferred::{Limit, Promise, requirements};
use tollway_http::dress;
use tollway_http::message::RequestView;
use tollway_protocol::{Dress, Network, PaymentRequired, header};
use tollway_signatures::policy::WEB_BOT_AUTH;
use tollway_signatures::{Component, PrivateKey, SignatureParams, Signed, sign};

use crate::stage::PAID;
use crate::wire::Connection;

const LABEL: &str = "sig1";
/// The longest life a strict signature may have: the whole pool is used within it.
const LIFETIME: u64 = 300;

/// The seller's key. Known to everyone, and good for nothing but this.
pub(crate) fn seller_key() -> PrivateKey {
    PrivateKey::from_seed([1; 32])
}

/// The buyer's key.
pub(crate) fn buyer_key() -> PrivateKey {
    PrivateKey::from_seed([2; 32])
}

/// Requests in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A buyer that has seen the seller's offer.
pub(crate) struct Buyer {
    key: PrivateKey,
    authority: String,
    agent: HeaderValue,
    payment: (HeaderName, HeaderValue),
    components: Vec<Component>,
    /// Makes the nonces of this buyer unlike those of every other.
    seed: u64,
}

impl Orders {
    fn push(&mut self, request: &[u8]) {
        self.bytes.extend_from_slice(request);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    fn append(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }
}

/// A request that pays nothing.
pub(crate) fn plain(authority: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: tollway-bench\r\naccept: */*\r\n\r\n").into()
}

impl Buyer {
    /// Asks the gate for its price, and checks that the offer is the seller's.
    pub(crate) async fn learn(gate: SocketAddr, agent: SocketAddr, seed: u64) -> anyhow::Result<Self> {
        let authority = gate.to_string();
        let mut connection = Connection::open(gate).await?;
        let answer = connection.ask(&plain(&authority, PAID)).await?;
        let demand = answer.field(header::PAYMENT_REQUIRED).context("the gate demands nothing")?;
        let demand = PaymentRequired::decode(demand)?;
        let document = dress::offer_document(&demand).context("the demand carries no offer")?;
        let offer = Offer::verify(document, &seller_key().public())?;
        let payment = dress::commitment(&promise(&offer))?;
        let mut components = ["@method", "@authority", "@path", "@query"].map(Component::new).to_vec();
        components.push(Component::new(header::SIGNATURE_AGENT).key(LABEL));
        components.push(Component::new(payment.0.as_str()));
        let agent = HeaderValue::from_str(&format!("{LABEL}=\"http://{agent}\""))?;
        Ok(Self { key: buyer_key(), authority, agent, payment, components, seed })
    }

    /// One paid request: its fields and what was signed.
    pub(crate) fn order(&self, number: u64, now: u64) -> anyhow::Result<(HeaderMap, Signed)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::SIGNATURE_AGENT, self.agent.clone());
        headers.insert(self.payment.0.clone(), self.payment.1.clone());
        let nonce = (u128::from(self.seed) << 64 | u128::from(number)).to_be_bytes();
        let params = SignatureParams::new(&self.key, WEB_BOT_AUTH, now, now + LIFETIME);
        let params = params.with_nonce(BASE64_STANDARD.encode(nonce));
        let signed = sign(&self.view(&headers), LABEL, &self.components, &params, &self.key)?;
        headers.insert(header::SIGNATURE_INPUT, HeaderValue::from_str(&signed.signature_input)?);
        headers.insert(header::SIGNATURE, HeaderValue::from_str(&signed.signature)?);
        Ok((headers, signed))
    }

    /// The request as a verifier sees it.
    pub(crate) fn view<'a>(&'a self, headers: &'a HeaderMap) -> RequestView<'a> {
        RequestView { method: "GET", scheme: "http", authority: &self.authority, path_and_query: PAID, headers }
    }

    /// Signs `count` requests on all processors.
    pub(crate) fn orders(&self, count: u64, now: u64) -> anyhow::Result<Orders> {
        let hands = std::thread::available_parallelism().map_or(1, |hands| hands.get() as u64);
        let share = count.div_ceil(hands);
        let signed = std::thread::scope(|scope| {
            let ranges = (0..hands).map(|hand| hand * share..count.min((hand + 1) * share));
            let started: Vec<_> = ranges.map(|range| scope.spawn(move || self.some(range, now))).collect();
            started.into_iter().map(|hand| hand.join()).collect::<Vec<_>>()
        });
        let mut orders = Orders::default();
        for some in signed {
            orders.append(&some.map_err(|_| anyhow::anyhow!("a signing thread broke off"))??);
        }
        Ok(orders)
    }

    fn some(&self, range: std::ops::Range<u64>, now: u64) -> anyhow::Result<Orders> {
        let mut orders = Orders::default();
        for number in range {
            let (headers, _) = self.order(number, now)?;
            let mut request = plain(&self.authority, PAID);
            request.truncate(request.len() - 2);
            for (name, value) in &headers {
                for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    request.extend_from_slice(piece);
                }
            }
            request.extend_from_slice(b"\r\n");
            orders.push(&request);
        }
        Ok(orders)
    }
}

/// What the crawler of this repository promises: the x402 dress, this price and no other.
fn promise(offer: &Offer) -> Promise {
    let accepted = requirements(offer, &Network::tollway());
    Promise {
        dress: Dress::X402,
        offer: Some(offer.id()),
        limit: Some(Limit::Exact(accepted.amount)),
        asset: Some(accepted.asset.clone()),
        network: Some(accepted.network.clone()),
        accepted: Some(Box::new(accepted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_back_one_by_one() {
        let (mut first, mut second) = (Orders::default(), Orders::default());
        first.push(b"one");
        second.push(b"two");
        second.push(b"three");
        first.append(&second);
        let all: Vec<_> = (0..4).map(|at| first.get(at)).collect();
        assert_eq!(all, [Some(&b"one"[..]), Some(b"two"), Some(b"three"), None]);
    }
}

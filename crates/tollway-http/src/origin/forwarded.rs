//! Who asks through other proxies: `X-Forwarded-*` and `Forwarded` are believed from configured
//! addresses only, and what is told to the upstream is what was seen.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::body::Body;
use crate::endpoint::{Answering, Endpoint};
use crate::server::Peer;
use crate::site::{self, Site};

/// Fields by which proxies tell of those before them. None is passed on as it came.
const FIELDS: [&str; 8] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-real-ip",
];
/// Most hops that are looked at.
const HOPS_MAX: usize = 16;

/// Addresses of proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: IpAddr,
    bits: u8,
}

/// The text is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no range of addresses such as 10.0.0.0/8 or ::1")]
pub struct ParseRangeError(String);

/// A request's client, as far as it can be known: found among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The first address that no trusted proxy vouches for.
    pub address: IpAddr,
    /// `http` or `https`, as the client spoke it.
    pub scheme: &'static str,
    /// The host it asked for.
    pub host: String,
    /// Trusted proxies between it and us, the last one first.
    pub via: Vec<IpAddr>,
}

impl TrustedProxies {
    /// These ranges.
    ///
    /// # Errors
    /// [`ParseRangeError`].
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, ParseRangeError> {
        let ranges = texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }

    /// Whether an address is one of them.
    pub fn include(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.includes(address))
    }
}

impl FromStr for Range {
    type Err = ParseRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseRangeError(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { first, bits })
    }
}

impl Range {
    fn includes(self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                u64::from(first.to_bits()) >> shift == u64::from(other.to_bits()) >> shift
            }
            (IpAddr::V6(first), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                first.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// Stands before a gate: believes trusted proxies, and nobody else, about who asks and for which host.
pub struct Forwarded {
    trusted: TrustedProxies,
    sites: Vec<Site>,
    inner: Arc<dyn Endpoint>,
}

impl Forwarded {
    /// Before `inner`, which answers for `sites`.
    pub fn new(trusted: TrustedProxies, sites: Vec<Site>, inner: Arc<dyn Endpoint>) -> Self {
        Self { trusted, sites, inner }
    }

    fn client(&self, peer: Peer, request: &mut Request<Body>) -> Client {
        let believed = self.trusted.include(peer.address.ip());
        let told = if believed { Told::read(request.headers()) } else { Told::default() };
        for field in FIELDS {
            request.headers_mut().remove(field);
        }
        if let Some(host) = told.host {
            request.headers_mut().insert(HOST, host);
        }
        let site = site::pick(&self.sites, request.uri(), request.headers()).ok();
        let own_scheme = if peer.tls { "https" } else { "http" };
        let scheme = told.scheme.or(site.map(|site| if site.scheme() == "https" { "https" } else { "http" }));
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        let host = host.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default();
        let (address, via) = self.walk(peer.address.ip().to_canonical(), &told.chain);
        Client { address, scheme: scheme.unwrap_or(own_scheme), host, via }
    }

    /// From our end of the chain to the first address that nobody trusted has vouched for.
    fn walk(&self, peer: IpAddr, chain: &[IpAddr]) -> (IpAddr, Vec<IpAddr>) {
        let mut via = Vec::new();
        let mut address = peer;
        for next in chain.iter().rev() {
            if !self.trusted.include(address) {
                break;
            }
            via.push(address);
            address = *next;
        }
        (address, via)
    }
}

impl Endpoint for Forwarded {
    fn answer(&self, mut request: Request<Body>) -> Answering {
        if let Some(peer) = request.extensions().get::<Peer>().copied() {
            let client = self.client(peer, &mut request);
            request.extensions_mut().insert(client);
        }
        self.inner.answer(request)
    }
}

/// What a trusted proxy says.
#[derive(Default)]
struct Told {
    /// The client first.
    chain: Vec<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<HeaderValue>,
}

impl Told {
    fn read(headers: &HeaderMap) -> Self {
        let last = |name: &str| headers.get_all(name).iter().next_back();
        let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let hops = &hops[hops.len().saturating_sub(HOPS_MAX)..];
        // What cannot be read ends the chain: nothing beyond it is vouched for.
        let readable = hops.iter().rev().map_while(|hop| address(hop));
        let mut chain: Vec<IpAddr> = readable.collect();
        chain.reverse();
        let scheme = match last("x-forwarded-proto").and_then(|value| value.to_str().ok()) {
            Some("https") => Some("https"),
            Some("http") => Some("http"),
            _ => None,
        };
        Self { chain, scheme, host: last("x-forwarded-host").cloned() }
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse().map(|socket: std::net::SocketAddr| socket.ip());
    text.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

/// Drops what came, and says what was seen.
pub(super) fn write(headers: &mut HeaderMap, client: Option<&Client>) {
    for field in FIELDS {
        headers.remove(field);
    }
    let Some(client) = client else { return };
    let chain: Vec<String> =
        std::iter::once(&client.address).chain(client.via.iter().rev()).map(ToString::to_string).collect();
    let node = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("\"[{v6}]\""),
    };
    let quoted_host = client.host.replace(['"', '\\'], "");
    let forwarded = format!("for={};host=\"{quoted_host}\";proto={}", node(&client.address), client.scheme);
    for (name, value) in [
        ("x-forwarded-for", chain.join(", ")),
        ("x-forwarded-host", client.host.clone()),
        ("x-forwarded-proto", client.scheme.to_owned()),
        ("forwarded", forwarded),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]).unwrap();
        for (text, expected) in [
            ("10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(trusted.include(text.parse().unwrap()), expected, "{text}");
        }
        let all = TrustedProxies::parse(&["0.0.0.0/0", "::/0"]).unwrap();
        assert!(all.include("203.0.113.9".parse().unwrap()) && all.include("2001:db8::1".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/"] {
            assert!(TrustedProxies::parse(&[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn threat_69_the_chain_is_believed_as_far_as_it_is_trusted() {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8"]).unwrap();
        let inner: Arc<dyn Endpoint> = Arc::new(tower::service_fn(|_| async { unreachable!("nothing is asked") }));
        let forwarded = Forwarded::new(trusted, vec!["https://shop.example".parse().unwrap()], inner);
        let seen = |peer: &str, fields: &[(&'static str, &str)]| {
            let mut request = Request::new(crate::body::empty());
            request.headers_mut().insert(HOST, "shop.example".parse().unwrap());
            for (name, value) in fields {
                request.headers_mut().append(*name, value.parse().unwrap());
            }
            let peer = Peer { address: format!("{peer}:1").parse().unwrap(), tls: false };
            let client = forwarded.client(peer, &mut request);
            assert!(FIELDS.iter().all(|field| !request.headers().contains_key(*field)));
            (client.address.to_string(), client.scheme, request.headers()[HOST].clone())
        };
        let lie = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "evil.example")];
        assert_eq!(
            seen("203.0.113.9", &lie),
            ("203.0.113.9".into(), "https", HeaderValue::from_static("shop.example"))
        );
        let (address, scheme, host) = seen("10.0.0.1", &lie);
        assert_eq!((address.as_str(), scheme, host.to_str().unwrap()), ("1.2.3.4", "http", "evil.example"));
        let chain = |text: &str| seen("10.0.0.1", &[("x-forwarded-for", text)]).0;
        assert_eq!(chain("6.6.6.6, 1.2.3.4, 10.0.0.2"), "1.2.3.4", "what the client wrote itself is not believed");
        assert_eq!(chain("6.6.6.6, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(chain(&"10.0.0.2,".repeat(500)), "10.0.0.1");
    }
}

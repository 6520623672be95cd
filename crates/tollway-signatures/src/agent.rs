//! Signature agents: the https origin under which a crawler or agent publishes its keys, read strictly, because a stranger
//! chooses this text and a server then connects to it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use tollway_protocol::{Reason, Refusal};

pub use crate::address::is_public_address;
use crate::directory::DIRECTORY_PATH;

/// Longest agent URL that is read, in bytes.
pub const MAX_AGENT_URL: usize = 300;

/// Names that never lead to the public internet (RFC 6761, RFC 6762, RFC 8375 and common private use).
const PRIVATE_SUFFIXES: [&str; 10] =
    ["localhost", "local", "internal", "intranet", "private", "corp", "home", "lan", "localdomain", "home.arpa"];

/// What is let through beside public https origins. The default lets nothing through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentPolicy {
    /// Loopback hosts, by http too: for development and tests on one machine.
    pub allow_loopback_http: bool,
    /// A bare host instead of a URL, as the announcement of the deferred scheme shows it: read as `https://<host>`.
    pub allow_bare_host: bool,
}

/// The canonical origin of a signature agent, such as `https://crawler.example` or `https://crawler.example:8443`.
///
/// A name that resolves to a private address still passes here: the resolver has to ask [`is_public_address`] about every
/// address it is about to connect to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentUrl {
    origin: String,
    host: String,
    port: u16,
    loopback: bool,
}

impl AgentUrl {
    /// Reads `scheme://host[:port][/]`, and a bare `host[:port]` where the policy allows it.
    ///
    /// # Errors
    /// `agent_malformed`, `agent_not_https`, `agent_forbidden_address`.
    pub fn parse(text: &str, policy: AgentPolicy) -> Result<Self, Refusal> {
        if text.len() > MAX_AGENT_URL || !text.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err(malformed("not a short ASCII URL"));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None if policy.allow_bare_host => ("https".to_owned(), text),
            None => return Err(malformed("a URL with https:// is expected")),
        };
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" if policy.allow_loopback_http => 80,
            _ => {
                return Err(Refusal::new(Reason::AgentNotHttps, "only https:// is allowed"));
            }
        };
        let (host, port) = split_port(rest.strip_suffix('/').unwrap_or(rest))?;
        let host = Host::parse(host)?;
        host.check(policy)?;
        if scheme == "http" && !host.is_loopback() {
            return Err(Refusal::new(Reason::AgentNotHttps, "http:// is allowed for loopback hosts only"));
        }
        let port = port.unwrap_or(default_port);
        let mut origin = format!("{scheme}://{}", host.in_url());
        if port != default_port {
            origin.push_str(&format!(":{port}"));
        }
        Ok(Self { origin, port, loopback: host.is_loopback(), host: host.text() })
    }

    /// The origin, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The host: a name in lower case, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's default included.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host with its port where that is not the default: what `@authority` is for requests to this agent.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or(&self.origin, |(_, authority)| authority)
    }

    /// Whether it names this very machine; only possible where the policy allows it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Where its keys are.
    #[must_use]
    pub fn directory_url(&self) -> String {
        format!("{}{DIRECTORY_PATH}", self.origin)
    }
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl fmt::Debug for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentUrl({})", self.origin)
    }
}

enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(|| malformed("an address without its bracket"))?;
            return inner.parse().map(Self::V6).map_err(|_| malformed("not an IPv6 address"));
        }
        if text.is_empty() || text.len() > 253 || !text.split('.').all(is_label) {
            return Err(malformed("not a host name"));
        }
        let name = text.to_ascii_lowercase();
        if !ends_in_number(&name) {
            return Ok(Self::Name(name));
        }
        // Resolvers read "0x7f.1", "2130706433" and "0177.0.0.1" as addresses; the one plain form is accepted.
        name.parse().map(Self::V4).map_err(|_| forbidden("an IPv4 address in an unusual form"))
    }

    fn check(&self, policy: AgentPolicy) -> Result<(), Refusal> {
        if self.is_loopback() && policy.allow_loopback_http {
            return Ok(());
        }
        let public = match self {
            Self::V4(ip) => is_public_address((*ip).into()),
            Self::V6(ip) => is_public_address((*ip).into()),
            Self::Name(name) => {
                let private = |suffix: &&str| {
                    name.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                };
                name.contains('.') && !PRIVATE_SUFFIXES.iter().any(private)
            }
        };
        if public { Ok(()) } else { Err(forbidden("the host is not on the public internet")) }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::V4(ip) => ip.is_loopback(),
            Self::V6(ip) => ip.is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    fn in_url(&self) -> String {
        match self {
            Self::V6(ip) => format!("[{ip}]"),
            other => other.text(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::V4(ip) => ip.to_string(),
            Self::V6(ip) => ip.to_string(),
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Refusal> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority[after_address..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_address + colon);
    let digits = &port[1..];
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain => Ok((host, Some(port))),
        _ => Err(malformed("not a port")),
    }
}

/// One label of a host name. The last one may not be empty: `example.com.` is another spelling of `example.com`.
fn is_label(label: &str) -> bool {
    let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
}

/// Whether a URL parser would try to read the host as an IPv4 address (the WHATWG rule).
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex || last.bytes().all(|byte| byte.is_ascii_digit())
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Reason::AgentMalformed, detail)
}

fn forbidden(detail: &'static str) -> Refusal {
    Refusal::new(Reason::AgentForbiddenAddress, detail)
}

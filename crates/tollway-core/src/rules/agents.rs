//! Patterns of signature agents, and the operators that a seller has confirmed for them.

use std::fmt;
use std::str::FromStr;

use tollway_signatures::{AgentPolicy, AgentUrl};

/// Longest accepted pattern, in bytes.
const LENGTH_MAX: usize = 300;

/// Which signature agents are meant: one origin (`https://crawler.example`), one host
/// (`crawler.example`), or every name below a domain (`*.crawler.example`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPattern {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Origin(String),
    Host(String),
    Below(String),
}

/// The text names no signature agents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no agent such as https://crawler.example, crawler.example or *.crawler.example")]
pub struct ParseAgentPatternError(String);

impl AgentPattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `agent` is meant.
    pub fn matches(&self, agent: &AgentUrl) -> bool {
        match &self.kind {
            Kind::Origin(origin) => agent.as_str() == origin,
            Kind::Host(host) => agent.host() == host,
            Kind::Below(domain) => agent.host().strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')),
        }
    }
}

impl FromStr for AgentPattern {
    type Err = ParseAgentPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseAgentPatternError(text.to_owned());
        if text.len() > LENGTH_MAX {
            return Err(wrong());
        }
        // Whether loopback agents are believed at all is decided where signatures are read.
        let policy = AgentPolicy { allow_loopback_http: true, allow_bare_host: false };
        let host_of = |host: &str| {
            let url = AgentUrl::parse(&format!("https://{host}"), policy).ok()?;
            (url.authority() == url.host()).then(|| url.host().to_owned())
        };
        let kind = if text.contains("://") {
            Kind::Origin(AgentUrl::parse(text, policy).map_err(|_| wrong())?.as_str().to_owned())
        } else if let Some(domain) = text.strip_prefix("*.") {
            Kind::Below(host_of(domain).ok_or_else(wrong)?)
        } else {
            Kind::Host(host_of(text).ok_or_else(wrong)?)
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Display for AgentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a seller has confirmed of some agents: who runs them, and what for. With a proved
/// signature of such an agent these are facts.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Its name, as rules spell it.
    pub name: String,
    /// Its agents.
    pub agents: Vec<AgentPattern>,
    /// What they read for.
    pub purposes: Vec<super::Purpose>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(text: &str) -> AgentUrl {
        AgentUrl::parse(text, AgentPolicy { allow_loopback_http: true, allow_bare_host: false }).unwrap()
    }

    #[test]
    fn a_pattern_means_an_origin_a_host_or_what_is_below_a_domain() {
        for (pattern, url, expected) in [
            ("https://crawler.example", "https://crawler.example", true),
            ("https://crawler.example/", "https://CRAWLER.example:443", true),
            ("https://crawler.example", "https://crawler.example:8443", false),
            ("https://crawler.example", "https://crawler.example.evil.example", false),
            ("crawler.example", "https://crawler.example:8443", true),
            ("crawler.example", "https://a.crawler.example", false),
            ("*.crawler.example", "https://a.crawler.example", true),
            ("*.crawler.example", "https://a.b.crawler.example", true),
            ("*.crawler.example", "https://crawler.example", false),
            ("*.crawler.example", "https://evilcrawler.example", false),
            ("http://127.0.0.1:4022", "http://127.0.0.1:4022", true),
        ] {
            assert_eq!(pattern.parse::<AgentPattern>().unwrap().matches(&agent(url)), expected, "{pattern} on {url}");
        }
    }

    #[test]
    fn what_names_no_agent_is_refused() {
        for text in ["", "*", "*.", "**.example", "a.*.example", "https://", "ftp://a.example", "a.example/path", "a b"]
        {
            assert!(text.parse::<AgentPattern>().is_err(), "{text}");
        }
    }
}

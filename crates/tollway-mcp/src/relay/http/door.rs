//! Who may speak to a relay over HTTP: `Host` and `Origin` are held against a list, so that no page of another site
//! reaches it through a browser (MCP transports, "Security Warning").

use http::{HeaderMap, Uri, header};
use url::{Host, Url};

/// Hosts and origins that are let in.
#[derive(Debug, Clone)]
pub struct Door {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Door {
    /// Only the names of this machine: `localhost`, `127.0.0.1`, `[::1]`, at any port.
    pub fn loopback() -> Self {
        Self { hosts: ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(), origins: Vec::new() }
    }

    /// Also this host, at any port; pages of it as well.
    #[must_use]
    pub fn and_host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_ascii_lowercase());
        self
    }

    /// Also pages of this origin (`https://app.example`), whatever host they ask for.
    #[must_use]
    pub fn and_origin(mut self, origin: &str) -> Self {
        self.origins.push(origin.trim_end_matches('/').to_ascii_lowercase());
        self
    }

    /// Why a request is not let in.
    ///
    /// # Errors
    /// In words, where `Host` is not one of the hosts, or there is an `Origin` that is none of theirs.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let named = hosts.next().and_then(|value| value.to_str().ok());
        let host = named.or_else(|| uri.authority().map(http::uri::Authority::as_str)).ok_or("no Host")?;
        if hosts.next().is_some() || !self.knows(&format!("http://{host}")) {
            return Err("this Host is not served here");
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if origin.to_str().is_ok_and(|origin| self.is_origin(origin)) => Ok(()),
            _ => Err("pages of this Origin may not ask here"),
        }
    }

    fn is_origin(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase()) || self.knows(origin)
    }

    fn knows(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let plain = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "/" | "");
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => format!("[{address}]"),
            None => return false,
        };
        plain && matches!(url.scheme(), "http" | "https") && self.hosts.contains(&host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(door: &Door, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        door.admit(&Uri::from_static("/mcp"), &headers).is_ok()
    }

    #[test]
    fn threat_40_a_page_elsewhere_reaches_nothing_by_a_name_that_points_here() {
        let door = Door::loopback();
        for host in ["localhost:3000", "127.0.0.1", "[::1]:80", "LOCALHOST"] {
            assert!(admitted(&door, host, None), "{host}");
            assert!(admitted(&door, host, Some("http://localhost:9")), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "192.0.2.1", ""]
        {
            assert!(!admitted(&door, host, None), "{host}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://",
            "http://127.0.0.1@evil.example",
        ] {
            assert!(!admitted(&door, "localhost", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn others_are_let_in_by_name() {
        let door = Door::loopback().and_host("Tools.example").and_origin("https://App.example/");
        assert!(admitted(&door, "tools.example", None));
        assert!(admitted(&door, "tools.example", Some("https://app.example")));
        assert!(!admitted(&door, "app.example", None));
    }
}

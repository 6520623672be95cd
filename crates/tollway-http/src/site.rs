//! The sites a gate answers for: the public URLs of its configuration. What a client writes into
//! `Host` only picks one of them; it never reaches a demand or a receipt.

use http::uri::{Authority, Uri};
use http::{HeaderMap, header};
use tollway_protocol::{Reason, Refusal};

/// A public origin: scheme and authority, as clients know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    scheme: String,
    authority: String,
}

/// The text is not an http(s) origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://example.com")]
pub struct ParseSiteError(String);

impl std::str::FromStr for Site {
    type Err = ParseSiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseSiteError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().ok_or_else(wrong)?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
        if !matches!(scheme, "http" | "https") || !bare || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Self { scheme: scheme.to_owned(), authority: canonical(authority, scheme) })
    }
}

impl Site {
    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host, and port where it is not the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Scheme and authority.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// A URL on this site.
    pub fn url(&self, path_and_query: &str) -> String {
        format!("{}://{}{path_and_query}", self.scheme, self.authority)
    }
}

/// Picks the site that a request is for (threat: Host confusion).
///
/// # Errors
/// `malformed_target` without exactly one host, `misdirected_request` for a host that is not ours, or
/// for a target that names another one than `Host` does.
pub fn pick<'s>(sites: &'s [Site], uri: &Uri, headers: &HeaderMap) -> Result<&'s Site, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Refusal::new(Reason::MalformedTarget, "the request has more than one Host"));
    }
    let host = first.map(|host| Authority::try_from(host.as_bytes())).transpose();
    let host = host.map_err(|_| Refusal::new(Reason::MalformedTarget, "Host is not an authority"))?;
    let mut named = uri.authority().into_iter().chain(&host).map(|authority| find(sites, authority));
    let site = named.next().ok_or_else(|| Refusal::new(Reason::MalformedTarget, "the request names no host"))??;
    // An upstream may look at the one or at the other.
    match named.next().transpose()? {
        Some(other) if other != site => Err(Refusal::new(Reason::MisdirectedHost, "the request names two hosts")),
        _ => Ok(site),
    }
}

fn find<'s>(sites: &'s [Site], named: &Authority) -> Result<&'s Site, Refusal> {
    if named.as_str().contains('@') {
        return Err(Refusal::new(Reason::MalformedTarget, "Host carries user information"));
    }
    sites
        .iter()
        .find(|site| named.as_str() == site.authority || canonical(named, &site.scheme) == site.authority)
        .ok_or_else(|| Refusal::new(Reason::MisdirectedHost, "this host is not served here"))
}

fn canonical(authority: &Authority, scheme: &str) -> String {
    let host = authority.host().to_ascii_lowercase();
    match (authority.port_u16(), scheme) {
        (None, _) | (Some(443), "https") | (Some(80), "http") => host,
        (Some(port), _) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(host: &str) -> Result<String, Reason> {
        let sites: Vec<Site> =
            ["https://shop.example", "http://127.0.0.1:4021"].iter().map(|s| s.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        pick(&sites, &Uri::from_static("/a"), &headers).map(Site::origin).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn threat_68_only_configured_hosts_are_answered() {
        assert_eq!(picked("shop.example"), Ok("https://shop.example".into()));
        assert_eq!(picked("SHOP.example:443"), Ok("https://shop.example".into()));
        assert_eq!(picked("127.0.0.1:4021"), Ok("http://127.0.0.1:4021".into()));
        for host in ["evil.example", "shop.example.evil", "shop.example:8443", "127.0.0.1", "shop.example.", "a@b@c"] {
            assert!(matches!(picked(host), Err(Reason::MisdirectedHost | Reason::MalformedTarget)), "{host}");
        }
    }

    #[test]
    fn two_hosts_are_no_host() {
        let sites = ["https://shop.example".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "shop.example".parse().unwrap());
        headers.append(header::HOST, "shop.example".parse().unwrap());
        assert_eq!(pick(&sites, &Uri::from_static("/"), &headers).unwrap_err().reason, Reason::MalformedTarget);
    }

    #[test]
    fn an_origin_is_only_an_origin() {
        for text in ["shop.example", "ftp://shop.example", "https://shop.example/path", "https://u@shop.example", ""] {
            assert!(text.parse::<Site>().is_err(), "{text}");
        }
    }
}

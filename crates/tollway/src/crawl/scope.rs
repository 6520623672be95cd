//! Which addresses belong to a crawl. Everything else is neither fetched nor paid for.

use std::collections::HashMap;

use anyhow::ensure;
use url::Url;

/// Longest address that is followed, in bytes.
pub(crate) const URL_BYTES_MAX: usize = 2048;

/// How far a crawl reaches from its starts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Scope {
    /// A start's host and port, over `http` and `https`, any path.
    Host,
    /// A start's origin, in and below the directory of its path.
    #[default]
    Path,
}

/// A scope tied to starts. Holds only where each of them is an `http` or `https` address.
#[derive(Clone, Debug)]
pub(crate) struct Boundary {
    scope: Scope,
    starts: Vec<Url>,
    /// By host: what is inside, as origin and directory.
    hosts: HashMap<String, Vec<(url::Origin, String)>>,
}

impl Boundary {
    /// Ties `scope` to `starts`. Refuses starts that are not plain web addresses, or carry a user name or password.
    pub(crate) fn new(scope: Scope, starts: &[Url]) -> anyhow::Result<Self> {
        ensure!(!starts.is_empty(), "a crawl needs an address to start from");
        let starts: Vec<Url> = starts.iter().cloned().map(canonical).collect();
        let mut hosts: HashMap<String, Vec<_>> = HashMap::new();
        for start in &starts {
            ensure!(is_plain(start), "cannot crawl `{start}`: not a plain http or https address");
            let path = start.path();
            let directory = path[..=path.rfind('/').unwrap_or(0)].to_owned();
            hosts.entry(host_key(start)).or_default().push((start.origin(), directory));
        }
        Ok(Self { scope, starts, hosts })
    }

    /// The starts, in canonical form.
    pub(crate) fn starts(&self) -> &[Url] {
        &self.starts
    }

    /// Whether `url` belongs to the crawl.
    pub(crate) fn contains(&self, url: &Url) -> bool {
        let inside = |(origin, directory): &(url::Origin, String)| match self.scope {
            Scope::Host => true,
            Scope::Path => url.origin() == *origin && url.path().starts_with(directory),
        };
        is_plain(url) && self.hosts.get(&host_key(url)).is_some_and(|starts| starts.iter().any(inside))
    }
}

/// What is one host to a crawl: name and port, over `http` and `https` on their own ports alike.
pub(crate) fn host_key(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The form under which an address is known to the crawl: no fragment. Default ports and dot segments are already gone
/// once a [`Url`] is parsed; the query keeps its order, which may carry meaning.
pub(crate) fn canonical(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.as_str().len() <= URL_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn path_scope_is_the_start_s_directory_on_its_origin() {
        let boundary = Boundary::new(Scope::Path, &[url("https://a.example/docs/intro.html#top")]).unwrap();
        assert_eq!(boundary.starts()[0].as_str(), "https://a.example/docs/intro.html");
        for (inside, address) in [
            (true, "https://a.example/docs/"),
            (true, "https://a.example:443/docs/deep/page?x=1"),
            (false, "https://a.example/docs"),
            (false, "https://a.example/docs/../secret"),
            (false, "https://a.example/docs/%2e%2E/secret"),
            (false, "https://a.example/docsx/"),
            (false, "http://a.example/docs/"),
            (false, "https://a.example:8443/docs/"),
            (false, "https://b.example/docs/"),
            (false, "https://me@a.example/docs/"),
            (false, "ftp://a.example/docs/"),
            (false, "mailto:a@a.example"),
        ] {
            assert_eq!(boundary.contains(&url(address)), inside, "{address}");
        }
    }

    #[test]
    fn host_scope_takes_both_schemes_and_no_other_port() {
        let boundary = Boundary::new(Scope::Host, &[url("http://a.example/docs/")]).unwrap();
        for (inside, address) in [
            (true, "https://a.example/"),
            (true, "http://A.example/x"),
            (false, "http://a.example:8080/"),
            (false, "http://sub.a.example/"),
        ] {
            assert_eq!(boundary.contains(&url(address)), inside, "{address}");
        }
    }

    #[test]
    fn starts_that_are_no_plain_web_address_are_refused() {
        for start in ["file:///etc/passwd", "data:text/html,x", "https://u:p@a.example/", "https://u@a.example/"] {
            assert!(Boundary::new(Scope::Host, &[url(start)]).is_err(), "{start}");
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX));
        assert!(Boundary::new(Scope::Host, &[url(&long)]).is_err());
    }

    #[test]
    fn several_starts_make_one_scope() {
        let starts = ["https://a.example/docs/", "https://a.example/news/today", "https://b.example:8443/"].map(url);
        let boundary = Boundary::new(Scope::Path, &starts).unwrap();
        for (inside, address) in [
            (true, "https://a.example/docs/x"),
            (true, "https://a.example/news/x"),
            (false, "https://a.example/x"),
            (true, "https://b.example:8443/x"),
            (false, "https://b.example/x"),
        ] {
            assert_eq!(boundary.contains(&url(address)), inside, "{address}");
        }
        assert!(Boundary::new(Scope::Path, &[]).is_err());
        assert!(Boundary::new(Scope::Path, &[url("https://a.example/"), url("ftp://a.example/")]).is_err());
    }
}

//! File names for addresses: safe on every file system, the same on every run, and different for different addresses.
//!
//! `https://a.example:8443/docs/list?page=2` becomes `a.example~8443/docs/list~page=2`, `/docs/` becomes
//! `docs/index.html`. A name that had to be changed (odd characters, too long) ends in `~~` and a digest of what it
//! stands for. `~` itself is an odd character, so that no page can choose a name that looks like one of those.

use std::fmt::Write as _;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use url::Url;

/// Where the page of an address goes when that place is taken by a directory: a file of this name inside it.
pub(crate) const DISPLACED: &str = "~index.html";

/// Bytes kept of a path segment, and of a query.
const PART_BYTES_MAX: usize = 100;

/// Directories below the host's, and bytes of a whole name, before all of it is put under one digest.
const DEPTH_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 1024;

/// The relative path for the page at `url`, at least two plain components long.
pub(crate) fn page_path(url: &Url) -> PathBuf {
    let mut segments: Vec<&str> = url.path().split('/').skip(1).collect();
    let file = match segments.pop() {
        None | Some("") => component("index.html", url.query()),
        Some(last) => component(last, url.query()),
    };
    let mut names: Vec<String> = segments.iter().map(|segment| component(segment, None)).collect();
    names.push(file);
    if names.len() > DEPTH_MAX || names.iter().map(String::len).sum::<usize>() > NAME_BYTES_MAX {
        names = vec!["~long".to_owned(), component(url.path(), url.query())];
    }
    let mut path = PathBuf::from(host(url));
    path.extend(names);
    path
}

fn host(url: &Url) -> String {
    let host = component(url.host_str().unwrap_or_default(), None);
    url.port().map_or(host.clone(), |port| format!("{host}~{port}"))
}

/// One component of a path: never empty, never `.` or `..`, at most 255 bytes, no separator.
fn component(segment: &str, query: Option<&str>) -> String {
    let mut name = safe(segment);
    let mut altered = name != segment || name.is_empty();
    if let Some(query) = query {
        let safe = safe(query);
        altered |= safe != query;
        name = format!("{name}~{safe}");
    }
    if altered {
        let digest = Sha256::digest(format!("{segment}\n{}\n{}", query.is_some(), query.unwrap_or_default()));
        name.push_str("~~");
        for byte in &digest[..8] {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
    }
    name
}

/// Percent-encodes what is not a plain character, and dots where they would hide a file or be dropped by a file system.
fn safe(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let edge_dot = byte == b'.' && (at == 0 || at == last);
        if !edge_dot && (byte.is_ascii_alphanumeric() || b"-_.+=,@%()!&'".contains(&byte)) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out.truncate(PART_BYTES_MAX);
    out
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;

    fn name(url: &str) -> String {
        page_path(&Url::parse(url).unwrap()).to_str().unwrap().to_owned()
    }

    #[test]
    fn plain_addresses_keep_their_names() {
        for (url, expected) in [
            ("https://a.example", "a.example/index.html"),
            ("https://a.example/", "a.example/index.html"),
            ("https://a.example/?p=1", "a.example/index.html~p=1"),
            ("https://a.example/docs/", "a.example/docs/index.html"),
            ("https://a.example/docs/page.html", "a.example/docs/page.html"),
            ("https://a.example:8443/list?page=2&all", "a.example~8443/list~page=2&all"),
            ("https://a.example/list?", "a.example/list~"),
            ("https://a.example/café(1)", "a.example/caf%C3%A9(1)"),
            ("http://127.0.0.1:80/x/../y", "127.0.0.1/y"),
        ] {
            assert_eq!(name(url), expected, "{url}");
        }
    }

    #[test]
    fn odd_addresses_are_changed_and_say_so() {
        for (url, prefix) in [
            ("https://a.example/.git/config", "a.example/%2Egit~~"),
            ("https://a.example/.../x", "a.example/%2E.%2E~~"),
            ("https://a.example/a:b", "a.example/a%3Ab~~"),
            ("https://a.example/~me", "a.example/%7Eme~~"),
            ("https://a.example//x", "a.example/~~"),
            ("https://a.example/x?a=/etc", "a.example/x~a=%2Fetc~~"),
            ("http://[::1]:8080/x", "%5B%3A%3A1%5D~~"),
        ] {
            let name = name(url);
            assert!(name.starts_with(prefix) && name.len() > prefix.len(), "{url}: {name}");
        }
        let one = name(&format!("https://a.example/{}1", "x".repeat(300)));
        let other = name(&format!("https://a.example/{}2", "x".repeat(300)));
        assert_ne!(one, other);
        assert!(name(&format!("https://a.example/{}x", "d/".repeat(40))).starts_with("a.example/~long/"));
        assert!(name(&format!("https://a.example{}", format!("/{}", "y".repeat(90)).repeat(20))).len() < 400);
    }

    fn addresses() -> impl proptest::strategy::Strategy<Value = Url> {
        use proptest::prelude::*;
        let odd = "[a-c./\\\\~%?#:&= \u{e9}\u{0}-\u{1f}]{0,40}";
        let dots = "(/(\\.|%2e|\\.\\.|%2E\\.|a|)){0,40}(\\?.{0,9})?";
        let any = ".{0,200}";
        let host = "[a-c]{1,3}(:[1-9]{1,4})?";
        (host, prop_oneof![odd, dots, any])
            .prop_filter_map("an address", |(host, tail)| Url::parse(&format!("http://{host}/{tail}")).ok())
    }

    proptest::proptest! {
        #[test]
        fn no_name_leaves_its_directory(url in addresses()) {
            let path = page_path(&url);
            let parts: Vec<_> = path.components().collect();
            proptest::prop_assert!((2..=DEPTH_MAX + 1).contains(&parts.len()), "{path:?}");
            for part in parts {
                let Component::Normal(part) = part else { panic!("{part:?} in {path:?}") };
                let part = part.to_str().unwrap();
                proptest::prop_assert!(!part.starts_with('.') && !part.ends_with('.'));
                proptest::prop_assert!((1..=255).contains(&part.len()) && part != DISPLACED);
                proptest::prop_assert!(!part.contains(|c: char| c.is_control() || "<>:\"/\\|?* ".contains(c) || !c.is_ascii()));
            }
        }

        #[test]
        fn different_pages_have_different_names(a in addresses(), b in addresses()) {
            let key = |url: &Url| {
                let path = url.path().strip_suffix("/index.html").map_or(url.path().to_owned(), |dir| format!("{dir}/"));
                (url.host_str().map(str::to_owned), url.port(), path, url.query().map(str::to_owned))
            };
            proptest::prop_assert_eq!(key(&a) == key(&b), page_path(&a) == page_path(&b));
        }
    }
}

//! `robots.txt` (RFC 9309): which pages of an origin this crawler may visit, and how far apart.
//!
//! The file is fetched without ever paying. Answers of 4xx mean no rules, of 5xx or none at all mean no visits.

use std::time::Duration;

use texting_robots::Robot;
use url::Url;

use super::fetch::{Fetch, Fetched};
use super::scope::{URL_BYTES_MAX, host_key};

/// Bytes of a file that are read, as RFC 9309 section 2.5 has it; a line cut there is dropped.
const ROBOTS_BYTES_MAX: usize = 500 << 10;

/// Redirects followed to the file (RFC 9309 section 2.3.1.2).
const ROBOTS_HOPS_MAX: usize = 5;

/// Longest pause a site can ask for between two pages. A crawl must end some day; who wants longer says so in the options.
pub(crate) const CRAWL_DELAY_MAX: Duration = Duration::from_secs(3600);

/// Sitemaps taken from one file.
const SITEMAPS_MAX: usize = 1_000;

/// The rules of one origin for one crawler.
#[derive(Debug)]
pub(crate) enum Rules {
    /// Nothing is ruled out.
    AllowAll,
    /// The rules could not be learned, so nothing may be visited; why.
    DenyAll(String),
    /// As the file says.
    File(Robot),
}

impl Rules {
    /// Fetches the rules of the origin of `url`. `agent` is the crawler's product token.
    pub(crate) async fn fetch(fetch: &dyn Fetch, url: &Url, agent: &str) -> Self {
        let Ok(mut at) = url.join("/robots.txt") else {
            return Self::DenyAll("no address for robots.txt".to_owned());
        };
        for _ in 0..=ROBOTS_HOPS_MAX {
            let answer = match fetch.fetch_free(&at).await {
                Ok(answer) => answer,
                Err(error) => return Self::DenyAll(format!("robots.txt: {error}")),
            };
            match (answer.status, redirect_target(&at, &answer)) {
                (200..=299, _) => return Self::parse(&answer.body, agent),
                (300..=399, Some(target)) => at = target,
                (300..=499, _) => return Self::AllowAll,
                (status, _) => return Self::DenyAll(format!("robots.txt answered {status}")),
            }
        }
        Self::AllowAll
    }

    /// Reads the rules for `agent` from a file.
    pub(crate) fn parse(file: &[u8], agent: &str) -> Self {
        let file = match file.get(..ROBOTS_BYTES_MAX) {
            Some(head) => &head[..head.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)],
            None => file,
        };
        match Robot::new(agent, &normal(file)) {
            Ok(robot) => Self::File(robot),
            Err(error) => Self::DenyAll(format!("robots.txt: {error:#}")),
        }
    }

    /// Whether `url`, of this origin, may be visited.
    pub(crate) fn allow(&self, url: &Url) -> bool {
        match self {
            Self::AllowAll => true,
            Self::DenyAll(_) => false,
            Self::File(robot) => {
                let target = normal(url[url::Position::BeforePath..url::Position::AfterQuery].as_bytes());
                robot.allowed(&String::from_utf8_lossy(&target))
            }
        }
    }

    /// The sitemaps that the file names, at most [`SITEMAPS_MAX`], on the host of `url` only.
    pub(crate) fn sitemaps(&self, url: &Url) -> Vec<Url> {
        let Self::File(robot) = self else { return Vec::new() };
        let host = host_key(url);
        let named = robot.sitemaps.iter().filter_map(|text| url.join(text.trim()).ok());
        let near = named.filter(|at| matches!(at.scheme(), "http" | "https") && host_key(at) == host);
        near.filter(|at| at.as_str().len() <= URL_BYTES_MAX).take(SITEMAPS_MAX).collect()
    }

    /// The pause asked for between two pages, at most [`CRAWL_DELAY_MAX`].
    pub(crate) fn crawl_delay(&self) -> Option<Duration> {
        let Self::File(robot) = self else { return None };
        let seconds = robot.delay?;
        Some(Duration::try_from_secs_f32(seconds).map_or(CRAWL_DELAY_MAX, |delay| delay.min(CRAWL_DELAY_MAX)))
    }
}

/// The name robots files know a crawler by: its user agent up to the first character no product token has.
pub(crate) fn product_token(user_agent: &str) -> &str {
    let end = user_agent.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_')));
    &user_agent[..end.unwrap_or(user_agent.len())]
}

fn redirect_target(at: &Url, answer: &Fetched) -> Option<Url> {
    let target = at.join(answer.location.as_deref()?).ok()?;
    matches!(target.scheme(), "http" | "https").then_some(target)
}

/// Percent-encodings in the form in which rules and addresses are compared (RFC 9309 section 2.2.2): letters, digits and
/// `-._~` stand for themselves, hexadecimal digits of others in upper case.
fn normal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let byte = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte),
            Some(_) => out.extend([b'%', rest[1].to_ascii_uppercase(), rest[2].to_ascii_uppercase()]),
            None => out.push(*first),
        }
        rest = if byte.is_some() { &rest[3..] } else { after };
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(file: &str, path: &str) -> bool {
        let url = Url::parse("https://a.example").unwrap().join(path).unwrap();
        Rules::parse(file.as_bytes(), "tollway").allow(&url)
    }

    #[test]
    fn the_group_of_our_own_name_counts_else_the_general_one() {
        let file = "User-agent: *\nDisallow: /\n\nUser-agent: Tollway\nUser-agent: other\nDisallow: /secret\nAllow: /secret/not\n";
        for (path, expected) in
            [("/", true), ("/secret", false), ("/secret/x?y", false), ("/secret/not/x", true), ("/robots.txt", true)]
        {
            assert_eq!(allowed(file, path), expected, "{path}");
        }
        assert!(!Rules::parse(file.as_bytes(), "stranger").allow(&Url::parse("https://a.example/").unwrap()));
        assert!(allowed("", "/"));
        assert!(allowed("<html>not a robots file</html>", "/"));
        assert!(allowed("User-agent: *\nDisallow:\n", "/x"));
    }

    #[test]
    fn wildcards_end_marks_and_queries() {
        let file = "User-agent: *\nDisallow: /*.gif$\nDisallow: /a*b\nDisallow: /list?page=\n";
        for (path, expected) in
            [("/x.gif", false), ("/x.gif?a", true), ("/axxb/c", false), ("/list?page=2", false), ("/list?sort=1", true)]
        {
            assert_eq!(allowed(file, path), expected, "{path}");
        }
    }

    /// The table of RFC 9309 section 2.2.2.
    #[test]
    fn encodings_are_compared_in_one_form() {
        for (rule, path) in [
            ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar"),
            ("/foo/bar/\u{30c4}", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
            ("/foo/bar/baz", "/foo/bar/%62%61%7a"),
            ("/foo/%e3", "/foo/%E3"),
        ] {
            assert!(!allowed(&format!("User-agent: *\nDisallow: {rule}\n"), path), "{rule} {path}");
        }
        assert!(allowed("User-agent: *\nDisallow: /a%2Fb\n", "/a/b"));
        assert!(allowed("User-agent: *\nDisallow: /a%2Ab\n", "/axb"));
    }

    #[test]
    fn crawl_delay_is_read_and_bounded() {
        for (word, expected) in [
            ("2.5", Some(Duration::from_millis(2500))),
            ("0", Some(Duration::ZERO)),
            ("1e9", Some(CRAWL_DELAY_MAX)),
            ("1e30", Some(CRAWL_DELAY_MAX)),
            ("inf", Some(CRAWL_DELAY_MAX)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
        ] {
            let file = format!("User-agent: *\nCrawl-delay: {word}\nDisallow: /x\n");
            assert_eq!(Rules::parse(file.as_bytes(), "tollway").crawl_delay(), expected, "{word}");
        }
    }

    #[test]
    fn sitemaps_are_those_of_the_same_host() {
        let file = "Sitemap: https://a.example/map.xml\nUser-agent: *\nDisallow: /\nsitemap: http://a.example/two.xml\n\
                    Sitemap: https://b.example/map.xml\nSitemap: /three.xml\nSitemap: ftp://a.example/x\n";
        let rules = Rules::parse(file.as_bytes(), "tollway");
        let found = rules.sitemaps(&Url::parse("https://a.example/deep/page").unwrap());
        let found: Vec<_> = found.iter().map(Url::as_str).collect();
        assert_eq!(found, ["https://a.example/map.xml", "http://a.example/two.xml", "https://a.example/three.xml"]);
        assert!(Rules::AllowAll.sitemaps(&Url::parse("https://a.example/").unwrap()).is_empty());
    }

    #[test]
    fn only_the_head_of_a_huge_file_is_read() {
        let mut file = b"User-agent: *\nDisallow: /first\n".to_vec();
        file.resize(ROBOTS_BYTES_MAX - 16, b'#');
        file.extend_from_slice(b"\nDisallow: /second\n");
        let rules = Rules::parse(&file, "tollway");
        let allows = |path: &str| rules.allow(&Url::parse("https://a.example").unwrap().join(path).unwrap());
        assert!(!allows("/first"));
        // The rule that the cut went through must not live on as `Disallow: /se` or less.
        assert!(allows("/second"));
        assert!(allows("/s"));
    }

    #[test]
    fn product_tokens() {
        assert_eq!(product_token("tollway/0.1.0"), "tollway");
        assert_eq!(product_token("My_Bot-x (+https://a.example)"), "My_Bot-x");
        assert_eq!(product_token("plain"), "plain");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(file: Vec<u8>, path in "[ -~]{0,40}") {
            if let Ok(url) = Url::parse("https://a.example/").unwrap().join(&path) {
                let rules = Rules::parse(&file, "tollway");
                rules.allow(&url);
                proptest::prop_assert!(rules.crawl_delay().is_none_or(|delay| delay <= CRAWL_DELAY_MAX));
            }
        }
    }
}

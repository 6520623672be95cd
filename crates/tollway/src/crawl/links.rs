//! The links a page asks its readers to follow, in document order.
//!
//! Followed: `a`, `area`, `frame`, `iframe`, and `link` of relation `next` or `alternate`. Not followed: what a page
//! shows (images, styles, scripts), what is marked `rel="nofollow"`, and anything on a page whose robots `meta` says
//! `nofollow`. `<base href>` counts wherever it stands.

use std::collections::HashSet;

use url::Url;

use super::html::{Tag, start_tags};
use super::scope::{URL_BYTES_MAX, canonical};

/// Links taken from one page; the rest are dropped.
pub(crate) const LINKS_MAX: usize = 10_000;

/// The distinct links of an HTML page that `keep` wants, in canonical form. `agent` is the crawler's product token, whose
/// own robots `meta` is heeded beside the general one.
pub(crate) fn links(html: &[u8], page: &Url, agent: &str, keep: impl Fn(&Url) -> bool) -> Vec<Url> {
    let mut base = None;
    let mut targets = Vec::new();
    for tag in start_tags(html) {
        if tag.is("meta") && forbids_following(&tag, agent) {
            return Vec::new();
        }
        if tag.is("base") && base.is_none() {
            base = tag.attribute("href");
        }
        if targets.len() < LINKS_MAX {
            targets.extend(target(&tag).filter(|target| target.len() <= URL_BYTES_MAX));
        }
    }
    let base = base.and_then(|href| page.join(&href).ok()).unwrap_or_else(|| page.clone());
    let mut seen = HashSet::new();
    let resolved = targets.iter().filter_map(|target| base.join(target).ok()).map(canonical);
    resolved.filter(|url| keep(url) && seen.insert(url.clone())).collect()
}

/// Whether an answer holds HTML: by its media type, or where it has none by its first character.
pub(crate) fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    match content_type {
        Some(content_type) => {
            let media_type = content_type.split(';').next().unwrap_or_default().trim();
            ["text/html", "application/xhtml+xml"].iter().any(|html| media_type.eq_ignore_ascii_case(html))
        }
        None => body.trim_ascii_start().starts_with(b"<"),
    }
}

fn target(tag: &Tag<'_>) -> Option<String> {
    if tag.is("iframe") || tag.is("frame") {
        return tag.attribute("src");
    }
    let is_link = tag.is("link");
    if !(is_link || tag.is("a") || tag.is("area")) {
        return None;
    }
    let href = tag.attribute("href")?;
    let rel = tag.attribute("rel").unwrap_or_default();
    let has = |relation: &str| rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(relation));
    let led_on = !is_link || (has("next") || has("alternate")) && !has("stylesheet");
    (led_on && !has("nofollow")).then_some(href)
}

fn forbids_following(meta: &Tag<'_>, agent: &str) -> bool {
    let name = meta.attribute("name").unwrap_or_default();
    let name = name.trim();
    if !name.eq_ignore_ascii_case("robots") && !name.eq_ignore_ascii_case(agent) {
        return false;
    }
    let content = meta.attribute("content").unwrap_or_default();
    let mut words = content.split([',', ' ']).map(str::trim);
    words.any(|word| word.eq_ignore_ascii_case("nofollow") || word.eq_ignore_ascii_case("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &str) -> Vec<String> {
        let page = Url::parse("https://a.example/docs/page.html?q=1").unwrap();
        links(html.as_bytes(), &page, "tollway", |_| true).iter().map(Url::to_string).collect()
    }

    #[test]
    fn golden_page() {
        let html = r#"<!DOCTYPE html>
            <html><head>
              <title>A <a href="/no-title">title</a></title>
              <link rel="stylesheet" href="/no.css"><link rel="alternate stylesheet" href="/no2.css">
              <link rel="alternate" type="application/rss+xml" href="feed.xml">
              <link REL="Prev NEXT" href="?page=2"><link rel="canonical" href="/no-canonical">
              <link rel="next nofollow" href="/no-next">
              <script>document.write('<a href="/no-script">')</script>
            </head><body>
              <a href="one.html">1</a> <a href=one.html#part>again</a> <A HREF='../two'>2</A>
              <a href="//b.example/three">3</a> <a href="https://a.example:443/four?x=1&amp;y=2">4</a>
              <a rel="nofollow ugc" href="/no-follow">no</a> <a name="anchor">no</a>
              <a href="mailto:x@a.example">kept for the caller to judge</a> <a href="http://[bad">no</a>
              <map><area href=" /five	/six&#10;"></map>
              <iframe src="/seven"><a href="/no-iframe"></a></iframe>
              <noscript><a href="data.csv">csv</a></noscript> <img src="/no.png">
              <!-- <a href="/no-comment"> --> <a href="\eight\caf&#xe9;">8</a> <a href="">self</a>
            </body></html>"#;
        assert_eq!(
            found(html),
            [
                "https://a.example/docs/feed.xml",
                "https://a.example/docs/page.html?page=2",
                "https://a.example/docs/one.html",
                "https://a.example/two",
                "https://b.example/three",
                "https://a.example/four?x=1&y=2",
                "mailto:x@a.example",
                "https://a.example/five/six",
                "https://a.example/seven",
                "https://a.example/docs/data.csv",
                "https://a.example/eight/caf%C3%A9",
                "https://a.example/docs/page.html?q=1",
            ]
        );
    }

    #[test]
    fn base_counts_for_links_before_it_and_only_once() {
        let html = r#"<a href="x"><base target="_top"><base href="/other/"><base href="/no/"><a href="y">"#;
        assert_eq!(found(html), ["https://a.example/other/x", "https://a.example/other/y"]);
        assert_eq!(found(r#"<base href="http://[bad"><a href="x">"#), ["https://a.example/docs/x"]);
    }

    #[test]
    fn a_page_may_ask_not_to_be_followed() {
        for (meta, follows) in [
            (r#"<meta name="robots" content="nofollow">"#, false),
            (r#"<META NAME=ROBOTS CONTENT="noindex,NoFollow">"#, false),
            (r#"<meta name="robots" content="none">"#, false),
            (r#"<meta name="Tollway" content="noindex nofollow">"#, false),
            (r#"<meta name="otherbot" content="nofollow">"#, true),
            (r#"<meta name="robots" content="noindex, follow">"#, true),
            (r#"<meta name="robots">"#, true),
        ] {
            assert_eq!(found(&format!("<a href=x>{meta}<a href=y>")).len(), if follows { 2 } else { 0 }, "{meta}");
        }
    }

    #[test]
    fn the_caller_chooses_and_the_count_is_bounded() {
        let html: String = (0..LINKS_MAX + 5).map(|n| format!("<a href=/{n}>")).collect();
        let page = Url::parse("https://a.example/").unwrap();
        assert_eq!(links(html.as_bytes(), &page, "tollway", |_| true).len(), LINKS_MAX);
        let only = links(html.as_bytes(), &page, "tollway", |url| url.path() == "/7");
        assert_eq!(only, [Url::parse("https://a.example/7").unwrap()]);
        let long = format!("<a href='/{}'>", "x".repeat(URL_BYTES_MAX));
        assert!(links(long.as_bytes(), &page, "tollway", |_| true).is_empty());
    }

    #[test]
    fn html_is_told_by_media_type_else_by_its_first_character() {
        for (html, content_type, body) in [
            (true, Some("text/html"), ""),
            (true, Some("Text/HTML ; charset=utf-8"), ""),
            (true, Some("application/xhtml+xml"), ""),
            (false, Some("text/plain"), "<html>"),
            (false, Some("text/htmlx"), ""),
            (true, None, "\n <html>"),
            (false, None, "a,b,c"),
        ] {
            assert_eq!(is_html(content_type, body.as_bytes()), html, "{content_type:?} {body:?}");
        }
    }
}

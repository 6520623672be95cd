//! The 402 as a person sees it in a browser: what this is, what it costs, and how to pay.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use tollway_core::offer::Offer;
use tollway_protocol::{Price, Refusal};

const STYLE: &str = ":root{color-scheme:light dark}body{font:1.05rem/1.6 system-ui,sans-serif;max-width:38rem;margin:7vh auto;padding:0 1.25rem}h1{font-size:1.5rem;line-height:1.25}.price{font-size:2.2rem;font-weight:600;margin:.4em 0}code,pre{font:0.9em ui-monospace,monospace}pre{padding:.9em 1em;border:1px solid #8886;border-radius:.5em;white-space:pre-wrap;overflow-wrap:anywhere}dt{opacity:.7;font-size:.9rem}dd{margin:0 0 .7em;overflow-wrap:anywhere}";

/// No script, no frame, nothing from elsewhere; the one style is named by its hash.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).expect("a policy is visible ASCII")
});

/// Whether a person's browser asks: x402's own test.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let has = |name, part: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains(part))
    };
    has(ACCEPT, "text/html") && has(USER_AGENT, "Mozilla")
}

/// The page, with its own headers.
pub(super) fn write(headers: &mut HeaderMap, offer: &Offer, url: &str, refusal: &Refusal) -> String {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    let document = offer.document();
    let price = Price { amount: document.amount, asset: document.asset.clone(), scale: document.scale };
    let terms = document.terms.as_ref().map_or_else(String::new, |terms| {
        let url = Escaped(&terms.url);
        format!("<dt>Terms</dt><dd><a href=\"{url}\" rel=\"nofollow\">{url}</a></dd>")
    });
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>402 Payment Required</title><style>{STYLE}</style></head><body>\
         <h1>This page has a price</h1><p class=\"price\">{asset} {amount}</p><p>{seller} asks crawlers and agents to pay for it. \
         A program that can pay reads the price from the headers of this answer, signs a promise with its own key and gets \
         the page at once; the bill comes once a day.</p><dl><dt>Page</dt><dd>{url}</dd><dt>Covered by one offer</dt>\
         <dd>{methods} {path}</dd>{terms}<dt>Why this answer</dt><dd><code>{code}</code></dd></dl>\
         <p>With Tollway:</p><pre>tollway pay '{url}' --agent https://YOUR-AGENT --key YOUR-KEY.jwk</pre></body></html>\n",
        asset = Escaped(price.asset.as_str()),
        amount = price.to_decimal(),
        seller = Escaped(&document.seller),
        url = Escaped(url),
        methods = Escaped(&document.scope.methods.join(", ")),
        path = Escaped(&document.scope.path),
        code = refusal.reason.code(),
    )
}

/// Text as HTML shows it, in content and in quoted attributes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_97_what_comes_from_outside_is_text() {
        let hostile = "\"><script>alert('x')</script>&";
        let shown = Escaped(hostile).to_string();
        assert!(!shown.contains(['<', '>', '"', '\'']), "{shown}");
        assert_eq!(shown.matches("&amp;").count(), 1);
    }

    #[test]
    fn only_browsers_want_a_page() {
        let headers = |accept: &str, agent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            headers.insert(USER_AGENT, agent.parse().unwrap());
            is_wanted(&headers)
        };
        assert!(headers("text/html,application/xhtml+xml", "Mozilla/5.0 (X11) Firefox/140"));
        assert!(!headers("*/*", "Mozilla/5.0"));
        assert!(!headers("text/html", "tollway/0.1.0"));
    }
}

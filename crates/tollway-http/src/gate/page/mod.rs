//! The 402 as a person sees it in a browser: what this is, what it costs, and how to pay, by a program or
//! from a wallet in the browser.

mod look;

pub use look::{Colour, PageLook, PageLookError};

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use tollway_core::offer::Offer;
use tollway_core::scheme::exact::ExactWay;
use tollway_protocol::{Price, Refusal};

const STYLE: &str = include_str!("style.css");
const WALLET: &str = include_str!("wallet.js");
/// Names in `extra` that tell how a token is moved; without one it is by its own signed authorizations (EIP-3009).
const METHOD: &str = "assetTransferMethod";

static WALLET_HASH: LazyLock<String> = LazyLock::new(|| BASE64_STANDARD.encode(Sha256::digest(WALLET)));

/// Whether a person's browser asks: x402's own test.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let has = |name, part: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains(part))
    };
    has(ACCEPT, "text/html") && has(USER_AGENT, "Mozilla")
}

/// What the page is about.
pub(super) struct Shown<'a> {
    pub(super) look: &'a PageLook,
    pub(super) offer: &'a Offer,
    pub(super) url: &'a str,
    pub(super) refusal: &'a Refusal,
}

/// The page, with its own headers.
pub(super) fn write(headers: &mut HeaderMap, shown: &Shown<'_>) -> String {
    let wallet = shown.offer.document().exact.iter().find(|way| is_signed_by_wallets(way));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&policy(shown.look, wallet.is_some())) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    let document = shown.offer.document();
    let price = Price { amount: document.amount, asset: document.asset.clone(), scale: document.scale };
    let seller = Escaped(shown.look.name().unwrap_or(&document.seller));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"data:,\"><title>402 Payment Required</title><style>{style}</style></head><body><main>\
         <p class=\"seller\">{seller}</p><h1>This page has a price</h1><p class=\"price\">{asset} {amount}</p>\
         <p>{seller} asks for a payment before this page is served. There is no account to make: whoever pays gets the page at once.</p>\
         {wallet}{program}{facts}</main>{script}</body></html>\n",
        style = shown.look.style(),
        asset = Escaped(price.asset.as_str()),
        amount = price.to_decimal(),
        wallet = wallet.map_or_else(String::new, wallets),
        program = program(shown.url, wallet.is_some()),
        facts = facts(shown),
        script = if wallet.is_some() { format!("<script type=\"module\">{WALLET}</script>") } else { String::new() },
    )
}

/// Nothing from elsewhere, no frame, no script but ours, named by its hash. Where a wallet can pay, what was bought is shown
/// in this very page: its own styles and pictures may load, its scripts may not.
fn policy(look: &PageLook, wallet: bool) -> String {
    let own = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    if wallet {
        let script = &*WALLET_HASH;
        return format!(
            "default-src 'none'; script-src 'sha256-{script}'; connect-src 'self'; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data: blob:; font-src 'self'; media-src 'self'; {own}"
        );
    }
    let style = BASE64_STANDARD.encode(Sha256::digest(look.style()));
    format!("default-src 'none'; style-src 'sha256-{style}'; img-src data:; {own}")
}

/// Whether a wallet in a browser can sign for it: a token with transfers by signed authorization, on an EVM chain.
fn is_signed_by_wallets(way: &ExactWay) -> bool {
    let own = way.extra.get(METHOD).is_none_or(|method| method == "eip3009");
    let named = way.extra.contains_key("name") && way.extra.contains_key("version");
    way.network.namespace() == "eip155" && own && named
}

fn wallets(way: &ExactWay) -> String {
    let price = Price { amount: way.amount, asset: way.asset.clone(), scale: way.scale };
    let coin = way.extra.get("name").and_then(|name| name.as_str()).unwrap_or_default();
    format!(
        "<section id=\"wallets\" hidden data-network=\"{network}\" data-asset=\"{asset}\" data-amount=\"{amount}\">\
         <h2>Pay from your wallet</h2><p>{shown} {coin} on {network}. Your wallet signs a transfer of this amount to the seller and \
         nothing else; you pay no gas.</p><div id=\"buttons\"></div><p id=\"none\">No wallet was found in this browser.</p>\
         <p id=\"said\" role=\"status\"></p></section>",
        network = Escaped(way.network.as_str()),
        asset = Escaped(way.asset.as_str()),
        amount = way.amount,
        shown = price.to_decimal(),
        coin = Escaped(coin),
    )
}

fn program(url: &str, scripted: bool) -> String {
    let copy = if scripted { "<button type=\"button\" class=\"quiet\" id=\"copy\" hidden>Copy</button>" } else { "" };
    format!(
        "<section><h2>Pay with a program</h2><p>A crawler or an agent reads the price from the headers of this answer, signs, and asks \
         again. With Tollway:</p><pre id=\"command\">tollway pay '{url}' --agent https://YOUR-AGENT --key YOUR-KEY.jwk</pre>{copy}\
         </section>",
        url = Escaped(&url.replace('\'', "%27")),
    )
}

fn facts(shown: &Shown<'_>) -> String {
    let document = shown.offer.document();
    let terms = document.terms.as_ref().map_or_else(String::new, |terms| {
        let url = Escaped(&terms.url);
        format!("<dt>Terms</dt><dd><a href=\"{url}\" rel=\"nofollow\">{url}</a></dd>")
    });
    let pass = document.pass.map_or_else(String::new, |pass| {
        format!("<dt>One payment opens</dt><dd>{} requests within {} seconds</dd>", pass.requests, pass.seconds)
    });
    format!(
        "<dl><dt>Page</dt><dd>{url}</dd><dt>Sold by</dt><dd>{seller}</dd><dt>Covered by one offer</dt><dd>{methods} {path}</dd>\
         {pass}{terms}<dt>Why this answer</dt><dd><code>{code}</code></dd></dl>",
        url = Escaped(shown.url),
        seller = Escaped(&document.seller),
        methods = Escaped(&document.scope.methods.join(", ")),
        path = Escaped(&document.scope.path),
        code = shown.refusal.reason.code(),
    )
}

/// Text as HTML shows it, in content and in quoted attributes.
#[derive(Clone, Copy)]
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
        assert!(!program("https://shop.example/'; rm -rf ~; '", true).contains("&#39;; rm"), "a command holds one URL");
        assert!(!WALLET.contains("</script") && !WALLET.contains("innerHTML"));
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

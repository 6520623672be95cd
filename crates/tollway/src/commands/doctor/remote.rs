//! What has to be asked: the origin, our own site as the public sees it, agents' directories.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Request, header};
use tollway_http::body::empty;
use tollway_http::endpoint::Endpoint as _;
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory};
use tollway_http::site::Site;
use tollway_ledger::Books as _;
use tollway_signatures::{AgentUrl, DIRECTORY_PATH, DirectoryPolicy, Message, Policy, PrivateKey, verify_directory};

use super::Finding;
use super::local::{host_of, skew};
use crate::commands::now;
use crate::compose::open_books;
use crate::config::Config;

/// How long anybody may take to answer.
const WAIT: Duration = Duration::from_secs(5);
/// Most agents whose directories are asked.
const AGENTS_MAX: usize = 20;
/// Longest directory of our own.
const DIRECTORY_MAX: usize = 64 << 10;

pub(super) async fn origin(config: &Config) -> Vec<Finding> {
    if let Some(folder) = &config.origin.folder {
        let folder = config.path(folder);
        return vec![if folder.is_dir() {
            Finding::ok("origin", format!("the folder {}", folder.display()))
        } else {
            Finding::failed("origin", format!("{} is not a folder", folder.display()), "name the folder with the site")
        }];
    }
    let proxy = match config.proxy() {
        Ok(Some(proxy)) => proxy,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Finding::failed("origin", format!("{error:#}"), "mend [origin]")],
    };
    let mut request = Request::new(empty());
    let path = config.origin.health.as_deref().unwrap_or("/");
    let site = config.sites().ok().and_then(|sites| sites.into_iter().next());
    let host = site.and_then(|site| HeaderValue::from_str(site.authority()).ok());
    let (Ok(uri), Some(host)) = (path.parse(), host) else { return Vec::new() };
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::HOST, host);
    let Ok(response) = tokio::time::timeout(WAIT, proxy.answer(request)).await else {
        return vec![Finding::failed("origin", "does not answer in 5 s", "start it, or look at the way to it")];
    };
    let status = response.status();
    let told = format!("{} answers {} to {path}", config.origin.url.as_deref().unwrap_or_default(), status.as_u16());
    let answered = match status.as_u16() {
        502 | 504 => Finding::failed("origin", told, "start it, or look at the way to it"),
        500.. => Finding::warning("origin", told, "it may be ill"),
        _ => Finding::ok("origin", told),
    };
    let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
    let clock = date.map(|date| skew("clock", date, "the origin's"));
    std::iter::once(answered).chain(clock).collect()
}

/// Each public URL leads to this seller: it serves our key directory, signed by our key.
pub(super) async fn sites(config: &Config, key: Option<&PrivateKey>) -> Vec<Finding> {
    let (Some(key), Ok(sites)) = (key, config.sites()) else { return Vec::new() };
    let mut findings = Vec::new();
    for site in &sites {
        findings.push(match directory(config, site).await {
            Ok(found) => match judged(site, &found, key) {
                Ok(()) => {
                    Finding::ok("public URL", format!("{} is us: its directory is signed by our key", site.origin()))
                }
                Err(why) => {
                    let advice = "somebody else answers there, or with another key";
                    Finding::failed("public URL", format!("{}: {why}", site.origin()), advice)
                }
            },
            Err(why) => {
                let advice = "start the gateway, or look from a machine of the public web";
                Finding::warning("public URL", format!("{} is not reached from here: {why}", site.origin()), advice)
            }
        });
    }
    findings
}

struct Found {
    headers: http::HeaderMap,
    body: Vec<u8>,
}

async fn directory(config: &Config, site: &Site) -> Result<Found, String> {
    let mut client = reqwest::Client::builder().timeout(WAIT).no_proxy().redirect(reqwest::redirect::Policy::none());
    let is_here = host_of(site).parse::<IpAddr>().map_or(host_of(site) == "localhost", |address| address.is_loopback());
    if let Some(tls) = config.tls.as_ref().filter(|_| is_here) {
        // On this machine the certificate is looked at by itself; here it is enough that it is ours.
        let pem = std::fs::read(config.path(&tls.certificate)).map_err(|error| error.to_string())?;
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())? {
            client = client.add_root_certificate(certificate);
        }
    }
    let client = client.build().map_err(|error| error.to_string())?;
    let asked = client.get(site.url(DIRECTORY_PATH)).send().await;
    let mut response = asked.map_err(|error| if error.is_timeout() { "no answer in 5 s" } else { "no connection" })?;
    if response.status() != 200 {
        return Err(format!("its directory answers {}", response.status().as_u16()));
    }
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "the answer broke off")? {
        if body.len() + chunk.len() > DIRECTORY_MAX {
            return Err("its directory is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Found { headers, body })
}

fn judged(site: &Site, found: &Found, key: &PrivateKey) -> Result<(), String> {
    let request = Message::request("GET", site.scheme(), site.authority(), DIRECTORY_PATH);
    let response = Message::response(200, request);
    let message = found.headers.iter().fold(response, |message, (name, value)| message.with(name.as_str(), value));
    let policy = DirectoryPolicy { require_signature: true, signature: Policy::directory() };
    let directory = verify_directory(&message, &found.body, &policy, now()).map_err(|refusal| refusal.to_string())?;
    let ours = key.public();
    directory.find(ours.thumbprint(), now() * 1_000).map(drop).map_err(|_| "its directory has not our key".to_owned())
}

/// Agents with accounts publish their keys.
pub(super) async fn agents(config: &Config) -> Vec<Finding> {
    if !config.path(&config.books.path).exists() {
        return Vec::new();
    }
    let Ok(books) = open_books(config) else { return Vec::new() };
    let options = DirectoryOptions { allow_loopback: config.agents.allow_loopback, ..DirectoryOptions::default() };
    let (Ok(accounts), Ok(keys)) = (books.agents(now()).await, KeyDirectory::new(options)) else { return Vec::new() };
    let mut findings = Vec::new();
    for account in accounts.iter().filter(|account| !account.blocked).take(AGENTS_MAX) {
        let name = account.agent.as_str();
        let asked = match AgentUrl::parse(name, keys.agents()) {
            Ok(agent) => keys.published(&agent, now()).await,
            Err(refusal) => Err(refusal),
        };
        findings.push(match asked {
            Ok(count) => Finding::ok("agent", format!("{name} publishes {count} keys")),
            Err(refusal) => {
                let advice = "its keys of the last day are used as long as they are held; tell its operator";
                Finding::warning("agent", format!("{name}: {refusal}"), advice)
            }
        });
    }
    findings
}

/// The usual form of a date in HTTP (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<u64> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(time.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(http_date("Sun, 22 Nov 2026 12:00:00 GMT"), Some(1_795_348_800));
        assert_eq!(http_date("yesterday"), None);
    }
}

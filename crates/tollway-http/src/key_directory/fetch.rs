//! One fetch of one directory: a GET without redirects, proxies or cookies, capped in time and size, and judged as a
//! signed document of the host it came from (Web Bot Auth, "Key Directory").

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, Response, Url, redirect};
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::directory::MAX_DIRECTORY;
use tollway_signatures::{
    AgentCard, AgentUrl, DIRECTORY_MEDIA_TYPE, DIRECTORY_PATH, Directory, DirectoryPolicy, Message, Policy,
    verify_directory,
};
use url::Host;

use super::options::DirectoryOptions;
use super::resolver::{CheckedNames, ForbiddenAddress, NameLookup, is_loopback_name, may_connect};

/// Freshness where the directory says nothing, in seconds.
const FRESH_DEFAULT: u64 = 300;
/// Shortest freshness, in seconds: a directory that forbids caching may not make every request a fetch.
const FRESH_MIN: u64 = 10;

/// Fetches directories.
pub(super) struct Fetcher {
    client: Client,
    policy: DirectoryPolicy,
    allow_loopback: bool,
    timeout: Duration,
    fresh_max: u64,
}

/// A directory that was read and believed.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Its keys: where signatures are demanded, those that have signed.
    pub(super) directory: Directory,
    /// Seconds it may be used without asking again.
    pub(super) fresh_for: u64,
}

/// The TLS client cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the client that fetches key directories cannot be set up")]
pub struct ClientError(#[source] reqwest::Error);

impl Fetcher {
    pub(super) fn new(options: &DirectoryOptions, names: Arc<dyn NameLookup>) -> Result<Self, ClientError> {
        let allow_loopback = options.allow_loopback;
        let client = Client::builder()
            .dns_resolver(Arc::new(CheckedNames { names, allow_loopback }))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .https_only(!allow_loopback)
            // Hosts are strangers and seldom asked: no connection is kept for them.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("tollway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError)?;
        let mut signature = Policy::directory();
        signature.allow_test_keys = options.allow_test_keys;
        let require_signature = options.require_signature;
        let policy = DirectoryPolicy { require_signature, signature };
        let (timeout, fresh_max) = (options.fetch_timeout, options.fresh_max);
        Ok(Self { client, policy, allow_loopback, timeout, fresh_max })
    }

    /// Fetches the directory of `agent`; `now` judges its signatures.
    ///
    /// # Errors
    /// `agent_forbidden_address` or one of the `directory_` reasons.
    pub(super) async fn fetch(&self, agent: &AgentUrl, now: u64) -> Result<Fetched, Refusal> {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(agent)).await;
        let (headers, body) = exchange.unwrap_or_else(|_| Err(Reason::DirectoryTimeout.into()))?;
        let message = as_message(agent, &headers);
        let directory = verify_directory(&message, &body, &self.policy, now)?;
        Ok(Fetched { directory, fresh_for: fresh_for(&headers, self.fresh_max) })
    }

    /// Fetches what `agent` says of itself, from its own origin under the same rules.
    ///
    /// # Errors
    /// `agent_forbidden_address` or one of the `directory_` reasons.
    pub(super) async fn card(&self, agent: &AgentUrl, path: Option<&str>) -> Result<AgentCard, Refusal> {
        let path = path.unwrap_or(DIRECTORY_PATH);
        let mut url = self.target(agent)?;
        url = url.join(path).map_err(|_| Refusal::new(Reason::AgentMalformed, "the card's path is none"))?;
        if url.origin() != self.target(agent)?.origin() {
            return Err(Refusal::new(Reason::AgentForbiddenAddress, "a card is of the agent's own origin"));
        }
        let asking = async {
            let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
            let response = request.send().await.map_err(|error| not_reached(&error))?;
            if response.status() != StatusCode::OK {
                return Err(Refusal::new(
                    Reason::DirectoryStatus,
                    format!("it answered {}", response.status().as_u16()),
                ));
            }
            read_capped(response).await
        };
        let exchange = tokio::time::timeout(self.timeout, asking).await;
        let body = exchange.unwrap_or_else(|_| Err(Reason::DirectoryTimeout.into()))?;
        AgentCard::parse(&body, agent, url.as_str())
    }

    async fn exchange(&self, agent: &AgentUrl) -> Result<(HeaderMap, Bytes), Refusal> {
        let request = self.client.get(self.target(agent)?).header(header::ACCEPT, DIRECTORY_MEDIA_TYPE);
        let response = request.send().await.map_err(|error| not_reached(&error))?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(Refusal::new(Reason::DirectoryStatus, format!("it answered {status}")));
        }
        if !is_directory_type(response.headers()) {
            let detail = format!("not {DIRECTORY_MEDIA_TYPE}");
            return Err(Refusal::new(Reason::DirectoryContentType, detail));
        }
        let headers = response.headers().clone();
        Ok((headers, read_capped(response).await?))
    }

    /// The URL to get. The client asks its resolver about names only, so literal addresses are checked here.
    fn target(&self, agent: &AgentUrl) -> Result<Url, Refusal> {
        let forbidden = || Refusal::from(Reason::AgentForbiddenAddress);
        let url = Url::parse(&agent.directory_url()).map_err(|_| Refusal::from(Reason::AgentMalformed))?;
        let loopback = self.allow_loopback && agent.is_loopback();
        let allowed = match url.host().ok_or_else(forbidden)? {
            Host::Ipv4(ip) => may_connect(ip.into(), loopback),
            Host::Ipv6(ip) => may_connect(ip.into(), loopback),
            Host::Domain(name) => name == agent.host() && is_loopback_name(name) == loopback,
        };
        if allowed { Ok(url) } else { Err(forbidden()) }
    }
}

async fn read_capped(mut response: Response) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(Reason::DirectoryTooLarge, "above 64 KiB");
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_DIRECTORY as u64 {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| not_reached(&error))? {
        if body.len() + chunk.len() > MAX_DIRECTORY {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The exchange as its signatures see it.
fn as_message(agent: &AgentUrl, headers: &HeaderMap) -> Message {
    let scheme = agent.as_str().split_once("://").map_or("https", |(scheme, _)| scheme);
    let request = Message::request("GET", scheme, agent.authority(), DIRECTORY_PATH);
    let response = Message::response(StatusCode::OK.as_u16(), request);
    headers.iter().fold(response, |message, (name, value)| message.with(name.as_str(), value))
}

fn is_directory_type(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let essence = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(DIRECTORY_MEDIA_TYPE)
}

/// `max-age` less `Age` (RFC 9111, section 4.2), within bounds of our own.
fn fresh_for(headers: &HeaderMap, fresh_max: u64) -> u64 {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    let directives = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let mut max_age = FRESH_DEFAULT;
    let mut forbidden = false;
    for directive in directives.map(|directive| directive.trim().to_ascii_lowercase()) {
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            max_age = seconds.trim_matches('"').parse().unwrap_or(0);
        }
        forbidden |= directive == "no-store" || directive == "no-cache";
    }
    let age = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    let left = if forbidden { 0 } else { max_age.saturating_sub(age.unwrap_or(0)) };
    left.min(fresh_max).max(FRESH_MIN)
}

/// Why the exchange failed. Names and addresses that this machine learnt on the way are not told to whoever asked.
fn not_reached(error: &(dyn Error + 'static)) -> Refusal {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<ForbiddenAddress>() {
            return Reason::AgentForbiddenAddress.into();
        }
        cause = error.source();
    }
    Reason::DirectoryUnreachable.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_what_the_directory_says_within_bounds() {
        for (lines, expected) in [
            (vec![], FRESH_DEFAULT),
            (vec![("cache-control", "public")], FRESH_DEFAULT),
            (vec![("cache-control", "public, Max-Age=60")], 60),
            (vec![("cache-control", "max-age=\"60\"")], 60),
            (vec![("cache-control", "max-age=86400")], 3600),
            (vec![("cache-control", "max-age=99999999999999999999999")], FRESH_MIN),
            (vec![("cache-control", "max-age=-1")], FRESH_MIN),
            (vec![("cache-control", "max-age=0")], FRESH_MIN),
            (vec![("cache-control", "max-age=600"), ("cache-control", "no-store")], FRESH_MIN),
            (vec![("cache-control", "no-cache, max-age=600")], FRESH_MIN),
            (vec![("cache-control", "max-age=600"), ("age", "100")], 500),
            (vec![("cache-control", "max-age=600"), ("age", "601")], FRESH_MIN),
            (vec![("cache-control", "s-maxage=7, max-age=600"), ("age", "soon")], 600),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in &lines {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(fresh_for(&headers, 3600), expected, "{lines:?}");
        }
    }

    #[test]
    fn one_content_type_of_the_right_essence() {
        for (lines, expected) in [
            (vec![DIRECTORY_MEDIA_TYPE], true),
            (vec!["Application/HTTP-message-signatures-directory+JSON; charset=utf-8"], true),
            (vec![], false),
            (vec!["application/json"], false),
            (vec!["application/http-message-signatures-directory+json2"], false),
            (vec![DIRECTORY_MEDIA_TYPE, DIRECTORY_MEDIA_TYPE], false),
        ] {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| {
                headers.append(header::CONTENT_TYPE, line.parse().unwrap());
            });
            assert_eq!(is_directory_type(&headers), expected, "{lines:?}");
        }
    }
}

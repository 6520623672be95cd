//! What the agent can do: read, crawl, compare and buy, follow a feed, have pages rendered.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tollway_http::payer::{Order, Outgoing};
use tollway_protocol::{Amount, header};
use url::Url;

use super::exact::{Bought, Counts};
use super::promise::is_served;
use super::reading::{Link, anchors, best, excerpt};
use super::{Agent, AgentError, Id};
use crate::money::dollars;
use crate::stage::Shop;
use crate::trace::Scheme;

/// Pages that one crawl asks for at most.
const CRAWL_MAX: usize = 200;
/// Free pages that are timed.
const PLAIN_REQUESTS: usize = 20;
/// What the two shops sell.
const MAP: &str = "/maps/great-north-road";

/// What was done, for the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What to say.
    pub text: String,
    /// What it cost, in micro-dollars.
    pub cost: Amount,
}

impl Agent {
    /// Reads the article whose title or address fits these words best.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn read(self: &Arc<Self>, tab: Id, words: &str) -> Result<Done, AgentError> {
        let review = &self.stage.review;
        let links = self.links(review).await?;
        let page = best(&links, words).ok_or_else(|| AgentError::NotFound(format!("no article is about “{words}”")))?;
        let (answer, cost) = self.page(tab, &page.url).await?;
        let text = format!("“{}”, bought for {}.\n\n{}", page.title, dollars(cost), excerpt(&answer));
        Ok(Done { text, cost })
    }

    /// Reads every page of the review that the sum allows.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn crawl(self: &Arc<Self>, tab: Id, total: Amount) -> Result<Done, AgentError> {
        let review = &self.stage.review;
        let links = self.links(review).await?;
        let first = links.first().ok_or_else(|| AgentError::NotFound("the site has no articles".to_owned()))?;
        let offer =
            self.quote(&first.url).await?.ok_or_else(|| AgentError::NotFound("the articles are free".to_owned()))?;
        let allowed = self.allow(tab, "/articles/*", offer, total).await?;
        let (mut pages, mut cost, mut bytes) = (0_u64, Amount::ZERO, 0_usize);
        for link in links.iter().take(CRAWL_MAX) {
            if !allowed.has_room() {
                break;
            }
            let answer = allowed.get(&link.url).await?;
            pages += u64::from(is_served(&answer));
            bytes += answer.body.len();
            cost = plus(cost, answer.charged.map_or(Amount::ZERO, |charged| charged.amount));
        }
        let of = links.len();
        let text = format!(
            "Read {pages} of {of} articles, {} KiB, for {} in promises. Nothing has moved on the chain: they wait for the day's bill.",
            bytes / 1024,
            dollars(cost)
        );
        Ok(Done { text, cost })
    }

    /// Asks both shops for the price of the map, and buys the cheaper one.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn compare(self: &Arc<Self>, tab: Id) -> Result<Done, AgentError> {
        let mut offers = Vec::new();
        for shop in &self.stage.map_shops {
            let offer = self.quote(&at(shop, MAP)?).await?;
            let price = offer.map_or(Amount::ZERO, |offer| offer.document().amount);
            offers.push((price, shop));
        }
        offers.sort_by_key(|(price, _)| *price);
        let asked: Vec<_> =
            offers.iter().map(|(price, shop)| format!("{} asks {}", shop.name, dollars(*price))).collect();
        let (_, shop) = offers.first().ok_or_else(|| AgentError::NotFound("no shop sells it".to_owned()))?;
        let bought = self.buy_exact(tab, Order::get(at(shop, MAP)?), Counts::InBudget).await?;
        let Bought { body, cost, reference, .. } = bought;
        let goods: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = format!(
            "{}. Bought “{}” from {} for {}; transaction {}.",
            asked.join(", "),
            goods["title"].as_str().unwrap_or("a map"),
            shop.name,
            dollars(cost),
            reference.unwrap_or_default()
        );
        Ok(Done { text, cost })
    }

    /// Follows the price feed: one promise for each tick.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn watch(self: &Arc<Self>, tab: Id, total: Amount) -> Result<Done, AgentError> {
        let url = at(&self.stage.review, "/feed/tick")?;
        let offer = self.quote(&url).await?.ok_or_else(|| AgentError::NotFound("the feed is free".to_owned()))?;
        let allowed = self.allow(tab, "/feed/tick", offer, total).await?;
        let began = Instant::now();
        let (mut ticks, mut cost) = (Vec::new(), Amount::ZERO);
        while allowed.has_room() {
            let answer = allowed.get(&url).await?;
            let tick: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            cost = plus(cost, answer.charged.map_or(Amount::ZERO, |charged| charged.amount));
            ticks.push(tick["price"].as_str().unwrap_or("?").to_owned());
        }
        let each = per(began, ticks.len());
        let free = self.plain_request().await?;
        let last = ticks.iter().rev().take(4).rev().cloned().collect::<Vec<_>>().join(" → ");
        let text = format!(
            "{} ticks for {}, each with its own signature and receipt. {} a tick; a free page of the same seller takes {}, so \
             paying adds {} (offer, signature, books, receipt). Last: {last}",
            ticks.len(),
            dollars(cost),
            millis(each),
            millis(free),
            millis(each.saturating_sub(free)),
        );
        Ok(Done { text, cost })
    }

    /// How long a free page takes, in microseconds: what the ticks are compared with.
    async fn plain_request(&self) -> Result<u128, AgentError> {
        let url = at(&self.stage.review, "/about.html")?;
        let began = Instant::now();
        for _ in 0..PLAIN_REQUESTS {
            let asked =
                Outgoing { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Bytes::new() };
            let answer = self.client.send(asked).await;
            let answer = answer.map_err(|error| AgentError::NotFound(format!("no free page: {error}")))?;
            let read = crate::gathered(answer.into_body(), super::BODY_MAX).await;
            read.map_err(|error| AgentError::NotFound(format!("no free page: {error}")))?;
        }
        Ok(per(began, PLAIN_REQUESTS))
    }

    /// Has pages rendered by a browser that somebody else runs: one payment opens a pass, and each further page is a
    /// request within it.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn browse(self: &Arc<Self>, tab: Id, pages: u32) -> Result<Done, AgentError> {
        let (mut pass, mut cost, mut payments, mut within) = (None::<HeaderValue>, Amount::ZERO, 0_u32, 0_u32);
        for page in 1..=pages {
            let url = at(&self.stage.review, &format!("/browser/render?url=https%3A%2F%2Fpage-{page}.example%2F"))?;
            if let Some(token) = &pass
                && self.within(&url, token).await?
            {
                within += 1;
                continue;
            }
            let bought = self.buy_exact(tab, Order::get(url), Counts::InBudget).await?;
            pass = bought.headers.get(header::TOLLWAY_PASS).cloned();
            cost = plus(cost, bought.cost);
            payments += 1;
        }
        let text = format!(
            "{pages} pages rendered for {}: {payments} payment opened a pass, and {within} pages were requests within it, \
             each written in the seller's books at $0.00.",
            dollars(cost)
        );
        Ok(Done { text, cost })
    }

    /// A request within a pass; false where the pass is over.
    async fn within(&self, url: &Url, pass: &HeaderValue) -> Result<bool, AgentError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::TOLLWAY_PASS, pass.clone());
        let asked = Outgoing { method: Method::GET, url: url.clone(), headers, body: Bytes::new() };
        let answer = self.transport(Scheme::Free).send(asked).await;
        let answer = answer.map_err(|error| AgentError::NotFound(format!("the browser does not answer: {error}")))?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// A page, by promise where it costs money.
    async fn page(self: &Arc<Self>, tab: Id, url: &Url) -> Result<(String, Amount), AgentError> {
        let body = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self.quote(url).await? {
            Some(offer) => {
                let answer = self.allow_one(tab, url, offer).await?.get(url).await?;
                Ok((body(&answer.body), answer.charged.map_or(Amount::ZERO, |charged| charged.amount)))
            }
            None => Err(AgentError::NotFound(format!("{} has no price", url.path()))),
        }
    }

    /// The articles that the seller's first page links to, in its order.
    async fn links(&self, shop: &Shop) -> Result<Vec<Link>, AgentError> {
        let home = at(shop, "/index.html")?;
        let page = self.unpaid(&home).await?;
        let mut links: Vec<Link> = Vec::new();
        for (address, title) in anchors(&page) {
            let Ok(url) = home.join(address) else { continue };
            let ours = url.path().starts_with("/articles/") && url.path().ends_with(".html");
            if ours && links.iter().all(|link| link.url != url) {
                links.push(Link { url, title });
            }
        }
        Ok(links)
    }

    async fn unpaid(&self, url: &Url) -> Result<String, AgentError> {
        let answer = self.asker().get_unpaid(url).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// Microseconds for each of so many.
fn per(began: Instant, count: usize) -> u128 {
    began.elapsed().as_micros() / u128::try_from(count.max(1)).unwrap_or(1)
}

fn millis(micros: u128) -> String {
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

pub(super) fn at(shop: &Shop, path: &str) -> Result<Url, AgentError> {
    Url::parse(&shop.origin)
        .and_then(|origin| origin.join(path))
        .map_err(|error| AgentError::NotFound(format!("{path}: {error}")))
}

pub(super) fn plus(left: Amount, right: Amount) -> Amount {
    left.checked_add(right).unwrap_or(left)
}

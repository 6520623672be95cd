//! What the agent can do: read, crawl, compare and buy, follow a feed, have pages rendered, close the day.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tollway_http::payer::Order;
use tollway_ledger::{Books as _, Period, Statement};
use tollway_protocol::Amount;
use url::Url;

use super::exact::{Bought, Counts};
use super::promise::is_served;
use super::{Agent, AgentError, Id};
use crate::money::dollars;
use crate::stage::Shop;
use crate::trace::{Kind, Part, Scheme};

/// Longest piece of a page that is shown in the chat, in characters.
const EXCERPT: usize = 600;
/// Pages that one crawl asks for at most.
const CRAWL_MAX: usize = 200;
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
        let each = began.elapsed().as_micros() / u128::try_from(ticks.len().max(1)).unwrap_or(1);
        let last = ticks.iter().rev().take(5).rev().cloned().collect::<Vec<_>>().join(" → ");
        let text = format!(
            "{} ticks for {}, each a signed request with a receipt: {}.{} ms a tick, all told. Last: {last}",
            ticks.len(),
            dollars(cost),
            each / 1_000,
            (each % 1_000) / 100,
        );
        Ok(Done { text, cost })
    }

    /// Has pages rendered by a browser that somebody else runs.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn browse(self: &Arc<Self>, tab: Id, pages: u32) -> Result<Done, AgentError> {
        let (mut cost, mut seen) = (Amount::ZERO, 0_u32);
        for page in 1..=pages {
            let url = at(&self.stage.review, &format!("/browser/render?url=https%3A%2F%2Fpage-{page}.example%2F"))?;
            let bought = self.buy_exact(tab, Order::get(url), Counts::InBudget).await?;
            cost = plus(cost, bought.cost);
            seen += 1;
        }
        Ok(Done { text: format!("{seen} pages rendered for {}.", dollars(cost)), cost })
    }

    /// Closes the day: each seller that is owed makes its bill, and each bill is paid by one transfer.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn close_day(self: &Arc<Self>, tab: Id) -> Result<Done, AgentError> {
        let period = Period::day_of(self.now());
        let midnight = self.stage.clock().next_day();
        let (mut told, mut cost) = (Vec::new(), Amount::ZERO);
        for shop in self.stage.shops() {
            let closed = shop.books().close(period, midnight, &shop.seal()).await?;
            let own = closed.statements.into_iter().find(|statement| statement.agent.as_str() == self.stage.agent);
            let Some(statement) = own else { continue };
            self.timeline.add(
                Kind::Bill,
                Scheme::Deferred,
                format!("{} promises of {period} became one bill over {}", statement.lines, dollars(statement.payable)),
                vec![Part::new("Statement", serde_json::to_string_pretty(&statement).unwrap_or_default())],
            );
            told.push(self.pay_bill(tab, shop, &statement, &mut cost).await?);
        }
        if told.is_empty() {
            return Ok(Done { text: format!("{period} is closed. Nothing was promised, so there is no bill."), cost });
        }
        Ok(Done { text: told.join("\n"), cost })
    }

    async fn pay_bill(
        self: &Arc<Self>,
        tab: Id,
        shop: &Shop,
        statement: &Statement,
        cost: &mut Amount,
    ) -> Result<String, AgentError> {
        let lines = statement.lines;
        let carried = statement.carried.get();
        if statement.payable == Amount::ZERO {
            return Ok(format!(
                "{lines} promises to {} come to less than a cent: they wait for the next bill.",
                shop.name
            ));
        }
        let path =
            shop.seller().bill_path(statement).ok_or_else(|| AgentError::NotFound("there is no bill".to_owned()))?;
        let bought = self.buy_exact(tab, Order::get(at(shop, &path)?), Counts::Already).await?;
        *cost = plus(*cost, bought.cost);
        let rest = if carried == 0 { String::new() } else { format!(" {carried} micro-dollars are carried on.") };
        Ok(format!(
            "{lines} promises to {} became one bill of {}, paid by one transfer: {}.{rest}",
            shop.name,
            dollars(bought.cost),
            bought.reference.unwrap_or_default()
        ))
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

/// A page that can be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    url: Url,
    title: String,
}

/// The page that shares most words with what was asked for; none where no word is shared.
fn best<'a>(links: &'a [Link], words: &str) -> Option<&'a Link> {
    let wanted: Vec<String> = words
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .filter(|word| !["the", "article", "about", "and", "read"].contains(&word.as_str()))
        .collect();
    let score = |link: &Link| {
        let text = format!("{} {}", link.title, link.url.path()).to_lowercase();
        wanted.iter().filter(|word| text.contains(word.as_str())).count()
    };
    if wanted.is_empty() {
        return links.first();
    }
    links.iter().max_by_key(|link| score(link)).filter(|link| score(link) > 0)
}

/// The targets and texts of a page's links.
fn anchors(page: &str) -> impl Iterator<Item = (&str, String)> {
    page.split("<a ").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once("href=\"")?;
        let (address, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once('>')?;
        let (inner, _) = rest.split_once("</a>")?;
        Some((address, plain(inner)))
    })
}

/// The beginning of a page's text.
fn excerpt(page: &str) -> String {
    let body = page.split_once("<main").map_or(page, |(_, main)| main).split_once('>').map_or("", |(_, body)| body);
    let text = plain(body);
    let mut short: String = text.chars().take(EXCERPT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Text without tags, spaces joined.
fn plain(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        let words = piece.split_once('>').map_or(piece, |(_, words)| words);
        text.push_str(words);
        text.push(' ');
    }
    let text = text.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\"").replace("&nbsp;", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn at(shop: &Shop, path: &str) -> Result<Url, AgentError> {
    Url::parse(&shop.origin)
        .and_then(|origin| origin.join(path))
        .map_err(|error| AgentError::NotFound(format!("{path}: {error}")))
}

fn plus(left: Amount, right: Amount) -> Amount {
    left.checked_add(right).unwrap_or(left)
}

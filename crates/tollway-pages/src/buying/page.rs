//! The page of a crawl.

use http::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use tollway_http::body::Body;
use tollway_protocol::Amount;

use super::{Done, Host, State};
use crate::frame::{Head, Mark, Page, Tile, Tone, card, share, table, tiles};
use crate::money::{Unit, grouped};
use crate::{csv, reply, when};

/// Hosts shown; all of them are in the CSV.
const HOSTS: usize = 20;

/// Figures in words.
struct Words {
    pages: String,
    charged: String,
    left: String,
    rate: String,
    queued: String,
    bytes: String,
    troubles: String,
    state: &'static str,
}

impl Words {
    fn of(state: &State, now: u64) -> Self {
        let usd = Unit::micro_usd();
        let (pages, seconds) = state.rate(now);
        let tenths = pages.saturating_mul(10) / seconds;
        Self {
            pages: grouped(state.pages),
            charged: usd.written(state.charged),
            left: usd.written(left(state)),
            rate: format!("{}.{} /s", grouped(tenths / 10), tenths % 10),
            queued: grouped(state.queued),
            bytes: size(state.bytes),
            troubles: grouped(state.troubles),
            state: if state.finished { "finished" } else { "running" },
        }
    }
}

/// What the payer says is left; before it has said anything, the budget without what was spent.
fn left(state: &State) -> Amount {
    let spent = state.before.checked_add(state.charged);
    let rest = spent.and_then(|spent| state.budget.checked_sub(spent)).unwrap_or(Amount::ZERO);
    state.left.unwrap_or(rest)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{}.{} MiB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

pub(super) fn page(state: &State, now: u64) -> String {
    let words = Words::of(state, now);
    let budget = format!("of {}", Unit::micro_usd().written(state.budget));
    let before = match state.before {
        Amount::ZERO => "in this run".to_owned(),
        before => format!("in this run, {} before it", Unit::micro_usd().written(before)),
    };
    let tile = |label, figure, note, live| Tile { label, figure, note, mark: Mark::Plain, live };
    let body = html! {
        (tiles(&[
            tile("Left of the budget", &words.left, &budget, "left"),
            tile("Spent", &words.charged, &before, "charged"),
            tile("Pages", &words.pages, "arrived", "pages"),
            tile("Rate", &words.rate, "over the last 10 seconds", "rate"),
            tile("Waiting", &words.queued, "addresses", "queued"),
            tile("Received", &words.bytes, "of pages", "bytes"),
        ]))
        (card("Newest pages", Mark::Plain, &recent(state)))
        div data-refresh { (card("By host", Mark::Plain, &hosts(state))) }
    };
    let tone = if state.finished { Tone::Neutral } else { Tone::Good };
    let aside = html! {
        span class={ "badge " (if tone == Tone::Good { "good" } else { "" }) } data-live="state" { (words.state) }
        span.badge { span data-live="troubles" { (words.troubles) } " to look at" }
        span.badge data-live-state hidden aria-live="polite" {}
    };
    let lede = "What this crawl has fetched and paid. The budget is held by the program, whatever a site asks.";
    let page = Page { product: "crawl", title: "Crawl", lede, aside: Some(aside), ..Page::default() };
    Page { scripts: &["buying.js"], ..page }.render(&body)
}

fn recent(state: &State) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Newest pages" { table {
            thead { tr { th scope="col" { "When" } th scope="col" { "Address" } th scope="col" { "Outcome" } th.num scope="col" { "Size" } th.num scope="col" { "Paid" } } }
            tbody data-recent {
                @for (at, done) in &state.recent { (row(*at, done)) }
                @if state.recent.is_empty() { tr { td.quiet colspan="5" { "Nothing has arrived yet." } } }
            }
        } }
    }
}

fn row(at: u64, done: &Done) -> Markup {
    let [when, url, outcome, size, paid] = cells(at, done);
    html! { tr { td.num.left { (when) } td.wrap { (url) } td.wrap { (outcome) } td.num { (size) } td.num { (paid) } } }
}

fn cells(at: u64, done: &Done) -> [String; 5] {
    let paid = done.charged.map_or_else(|| "–".to_owned(), |amount| Unit::micro_usd().written(amount));
    let size = if done.is_page { size(done.bytes) } else { "–".to_owned() };
    [when::iso(at)[11..19].to_owned(), done.url.clone(), done.outcome.clone(), size, paid]
}

fn hosts(state: &State) -> Markup {
    let mut hosts: Vec<(&String, &Host)> = state.hosts.iter().collect();
    hosts.sort_by(|one, other| other.1.charged.cmp(&one.1.charged).then(other.1.pages.cmp(&one.1.pages)));
    let top = hosts.first().map_or(0, |(_, host)| host.charged.get());
    let rows: Vec<_> = hosts
        .iter()
        .take(HOSTS)
        .map(|(name, host)| {
            html! { tr {
                td.wrap { (name) } td.share { (share(host.charged.get(), top)) }
                td.num { (grouped(host.pages)) } td.num { (size(host.bytes)) } td.num { (Unit::micro_usd().written(host.charged)) }
            } }
        })
        .collect();
    let heads = [Head::Text("Host"), Head::Share, Head::Num("Pages"), Head::Num("Received"), Head::Num("Paid")];
    html! {
        (table("hosts", "By host", &heads, &rows, "No host has answered yet."))
        @if !rows.is_empty() { p { a.small href="/hosts.csv" download { "Download as CSV" } } }
    }
}

/// What open pages are told.
pub(super) fn event(state: &State, now: u64) -> Value {
    let words = Words::of(state, now);
    let recent: Vec<[String; 5]> = state.recent.iter().map(|(at, done)| cells(*at, done)).collect();
    json!({
        "set": {
            "left": words.left, "charged": words.charged, "pages": words.pages, "rate": words.rate,
            "queued": words.queued, "bytes": words.bytes, "troubles": words.troubles, "state": words.state,
        },
        "recent": recent,
    })
}

pub(super) fn csv(state: &State) -> Response<Body> {
    let rows = state.hosts.iter().map(|(name, host)| {
        vec![name.clone(), host.pages.to_string(), host.bytes.to_string(), host.charged.to_string()]
    });
    reply::csv("hosts", csv::file("host,pages,bytes,charged_micro_usd", rows))
}

//! What was earned: over time, by rule, path, agent and scheme. All of it from the books.

use std::collections::BTreeMap;

use http::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use tollway_http::body::Body;
use tollway_ledger::{Direction, Move};

use super::figures::{AssetFigures, Dimension, Figures, Range, Sums, path, way};
use super::{Answer, Console, csv_link, framed};
use crate::form::Form;
use crate::frame::{Head, Mark, Tile, card, share, table, tiles};
use crate::money::{Unit, grouped, shortened};
use crate::plot::Plot;
use crate::{csv, reply, when};

/// Rows shown of one dimension; all of them are in its CSV.
const ROWS: usize = 8;

pub(super) async fn page(console: &Console, form: &Form) -> Answer {
    let now = console.clock.now();
    let accounts = console.books.agents(now).await?;
    let figures = console.figures.lock();
    let owed: u128 = accounts.iter().map(|account| account.balance_owed.get()).sum();
    let range = Range::of(form.get("range"));
    let key = chosen(&figures, form);
    let none = AssetFigures::empty();
    let asset = figures.assets.get(&key).unwrap_or(&none);
    let sums = asset.over(range, now);
    let body = html! {
        div data-asset=(key) hidden {}
        (choices(&figures, &key, range))
        (head_tiles(asset, range, now, owed, &key))
        div.stack data-refresh {
            section.card {
                header { h2 { "Revenue over time" } (Mark::Ledger.badge()) }
                (plot(asset, range, now))
                (csv_link(&format!("/series.csv?asset={}&range={}", encoded(&key), range.word())))
            }
            div.columns { @for dimension in Dimension::ALL { (breakdown(dimension, &sums, asset, &key, range)) } }
            p.quiet.small { "Plot and tables are sums over the journal up to entry " span.num data-read-to { (figures.read_to) } "." }
        }
        (recent(&figures))
    };
    let aside = html! { span.badge data-live-state hidden aria-live="polite" {} };
    let page = framed("Overview", "What was earned, by whom and for what.", "/");
    Ok(reply::html(crate::frame::Page { aside: Some(aside), scripts: &["console.js"], ..page }.render(&body)))
}

fn chosen(figures: &Figures, form: &Form) -> String {
    let asked = form.get("asset").filter(|key| figures.assets.contains_key(*key));
    asked.map_or_else(|| figures.assets.keys().last().cloned().unwrap_or_else(|| "USD".to_owned()), str::to_owned)
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn choices(figures: &Figures, key: &str, range: Range) -> Markup {
    let address = |key: &str, range: Range| format!("/?asset={}&range={}", encoded(key), range.word());
    html! {
        div.row {
            nav.choice aria-label="Time" { @for (other, _, name) in Range::ALL {
                a href=(address(key, other)) aria-current=[(other == range).then_some("true")] { (name) }
            } }
            @if figures.assets.len() > 1 {
                nav.choice aria-label="Asset" { @for other in figures.assets.keys() {
                    a href=(address(other, range)) aria-current=[(other == key).then_some("true")] { (asset_name(other)) }
                } }
            }
        }
    }
}

fn asset_name(key: &str) -> String {
    match key.split_once('/') {
        Some((network, asset)) => format!("{} on {network}", shortened(asset)),
        None => key.to_owned(),
    }
}

fn head_tiles(asset: &AssetFigures, range: Range, now: u64, owed: u128, key: &str) -> Markup {
    let net_of = |range| asset.unit.signed(asset.total(range, now).net());
    let (unit, sum) = (&asset.unit, asset.total(range, now));
    let (net, net_today, net_all) = (net_of(range), net_of(Range::Today), net_of(Range::All));
    let (sales, back) = (grouped(sum.sales), unit.written(tollway_protocol::Amount::new(sum.back)));
    let name = Range::ALL.into_iter().find(|(other, ..)| *other == range).map_or("", |(_, _, name)| name);
    let owed = Unit::micro_usd().written(tollway_protocol::Amount::new(owed));
    let first = match range {
        Range::All => Tile { live: "all", ..Tile::ledger("Revenue, all time", &net_all, "after what was given back") },
        _ => Tile { live: range.word(), ..Tile::ledger("Revenue", &net, name) },
    };
    let mut list = vec![first];
    if range != Range::Today {
        list.push(Tile { live: "today", ..Tile::ledger("Today", &net_today, "UTC day") });
    } else {
        list.push(Tile { live: "all", ..Tile::ledger("All time", &net_all, "") });
    }
    list.push(Tile { live: if range == Range::All { "sales" } else { "" }, ..Tile::ledger("Sales", &sales, name) });
    list.push(Tile::ledger("Given back", &back, "not delivered, or owed back"));
    if key == "USD" {
        list.push(Tile::ledger("Owed by agents", &owed, "promised and not paid yet"));
    }
    tiles(&list)
}

fn plot(asset: &AssetFigures, range: Range, now: u64) -> Markup {
    let points = asset.series(range, now);
    let unit = asset.unit.clone();
    let written = move |height: u64| unit.written(tollway_protocol::Amount::new(u128::from(height)));
    let title = if range == Range::Today { "Revenue by hour" } else { "Revenue by day" };
    Plot { title, points: &points, written: &written }.bars()
}

fn breakdown(dimension: Dimension, sums: &Sums, asset: &AssetFigures, key: &str, range: Range) -> Markup {
    let rows = sums.by(dimension);
    let top = rows.first().map_or(0, |(_, sum)| u128::try_from(sum.net()).unwrap_or_default());
    let shown = rows.iter().take(ROWS).map(|(name, sum)| {
        html! { tr {
            td.wrap title=(name) { (if dimension == Dimension::Payer { shortened(name) } else { (*name).to_owned() }) }
            td.share { (share(u128::try_from(sum.net()).unwrap_or_default(), top)) }
            td.num { (grouped(sum.sales)) }
            td.num { (asset.unit.signed(sum.net())) }
        } }
    });
    let shown: Vec<_> = shown.collect();
    let heads = [Head::Text(dimension.singular()), Head::Share, Head::Num("Sales"), Head::Num("Revenue")];
    let more = rows.len().saturating_sub(ROWS);
    let address = format!("/revenue.csv?by={}&asset={}&range={}", dimension.word(), encoded(key), range.word());
    card(
        dimension.heading(),
        Mark::Ledger,
        &html! {
            (table(&format!("by-{}", dimension.word()), dimension.heading(), &heads, &shown, "Nothing sold in this time."))
            @if !rows.is_empty() {
                p.row.small {
                    @if more > 0 { span.quiet { (more) " more in the file" } }
                    a href=(address) download { "Download as CSV" }
                }
            }
        },
    )
}

fn recent(figures: &Figures) -> Markup {
    let rows: Vec<_> = figures.recent.iter().map(|step| {
        let row = row(step);
        html! { tr {
            td.num.left { (row.at) } td.wrap { (row.payer) } td.wrap { (row.path) } td { (row.way) } td.num { (row.amount) }
        } }
    }).collect();
    card(
        "Newest sales",
        Mark::Ledger,
        &html! {
            div.scroll tabindex="0" role="region" aria-label="Newest sales" { table {
                thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "How" } th.num scope="col" { "Amount" } } }
                tbody data-recent aria-live="off" { @for row in &rows { (row) } @if rows.is_empty() { tr { td.quiet colspan="5" { "Nothing sold yet. Sales appear here as they are posted." } } } }
            } }
        },
    )
}

/// One sale in words.
#[derive(serde::Serialize)]
struct Row {
    at: String,
    payer: String,
    path: String,
    way: String,
    amount: String,
}

fn row(step: &Move) -> Row {
    let unit = Unit { asset: step.asset.clone(), scale: step.scale };
    let sign = if step.direction == Direction::Back { "−" } else { "" };
    Row {
        at: when::iso(step.at).replace('T', " ").replace('Z', ""),
        payer: shortened(&step.payer),
        path: path(&step.url),
        way: way(&step.way),
        amount: format!("{sign}{}", unit.written(step.amount)),
    }
}

/// What open pages are told.
pub(super) fn event(figures: &Figures, now: u64) -> Value {
    let assets: BTreeMap<&String, Value> = figures
        .assets
        .iter()
        .map(|(key, asset)| {
            let net = |range| asset.unit.signed(asset.total(range, now).net());
            let sales = grouped(asset.total(Range::All, now).sales);
            (
                key,
                json!({"today": net(Range::Today), "month": net(Range::Month), "all": net(Range::All), "sales": sales}),
            )
        })
        .collect();
    let recent: Vec<Row> = figures.recent.iter().map(row).collect();
    json!({"assets": assets, "recent": recent, "read_to": figures.read_to.to_string()})
}

/// Exact figures for programs: atomic units as decimal strings.
pub(super) fn json(console: &Console) -> Response<Body> {
    let figures = console.figures.lock();
    let now = console.clock.now();
    let assets: BTreeMap<&String, Value> = figures.assets.iter().map(|(key, asset)| {
        let sums = asset.over(Range::All, now);
        let by = |dimension: Dimension| -> BTreeMap<String, String> {
            sums.by(dimension).into_iter().map(|(name, sum)| (name.to_owned(), sum.net().to_string())).collect()
        };
        let by: BTreeMap<_, _> = Dimension::ALL.into_iter().map(|dimension| (dimension.word(), by(dimension))).collect();
        let total = sums.total;
        (key, json!({"sales": total.sales, "earned": total.earned.to_string(), "back": total.back.to_string(), "by": by}))
    }).collect();
    reply::json(&json!({"read_to": figures.read_to, "assets": assets, "beyond": figures.beyond}))
}

pub(super) fn csv(console: &Console, form: &Form) -> Response<Body> {
    let figures = console.figures.lock();
    let dimension =
        Dimension::ALL.into_iter().find(|one| Some(one.word()) == form.get("by")).unwrap_or(Dimension::Rule);
    let (key, now) = (chosen(&figures, form), console.clock.now());
    let sums = figures.assets.get(&key).map(|asset| asset.over(Range::of(form.get("range")), now)).unwrap_or_default();
    let rows = sums.by(dimension).into_iter().map(|(name, sum)| {
        vec![
            name.to_owned(),
            key.clone(),
            sum.sales.to_string(),
            sum.earned.to_string(),
            sum.back.to_string(),
            sum.net().to_string(),
        ]
    });
    let name = match dimension {
        Dimension::Rule => "revenue-by-rule",
        Dimension::Path => "revenue-by-path",
        Dimension::Payer => "revenue-by-agent",
        Dimension::Way => "revenue-by-scheme",
    };
    let heads = format!("{},asset,sales,earned_atomic,given_back_atomic,net_atomic", dimension.word());
    reply::csv(name, csv::file(&heads, rows))
}

pub(super) fn series_csv(console: &Console, form: &Form) -> Response<Body> {
    let figures = console.figures.lock();
    let (key, now) = (chosen(&figures, form), console.clock.now());
    let points = figures.assets.get(&key).map(|asset| asset.series(Range::of(form.get("range")), now));
    let rows =
        points.unwrap_or_default().into_iter().map(|(label, height)| vec![label, key.clone(), height.to_string()]);
    reply::csv("revenue-over-time", csv::file("when,asset,net_atomic", rows))
}

//! What a buyer spent, read from its own logs: by server, by what was paid for, by day and scheme.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use maud::{Markup, html};
use tollway_http::body::Body;
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_ledger::Period;
use tollway_protocol::Amount;

use crate::assets::Assets;
use crate::form::Form;
use crate::frame::{Head, Mark, Page, Tile, Tone, card, notice, share, table, tiles};
use crate::money::{Unit, grouped};
use crate::plot::Plot;
use crate::{csv, reply, when};

/// Rows shown of one table; all of them are in its CSV.
const ROWS: usize = 25;
/// Days drawn.
const DAYS: u64 = 30;

/// By what spending is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpentBy {
    /// Who was paid.
    Server,
    /// What was paid for: a tool, a page.
    Tool,
    /// When, in UTC days.
    Day,
    /// At once, or with the bill of the day.
    Scheme,
}

/// What some payments come to, in micro-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpentSum {
    /// How many were paid.
    pub payments: u64,
    /// What they cost.
    pub paid: Amount,
    /// Held for payments whose outcome is not known.
    pub held: Amount,
    /// How many were not taken.
    pub refused: u64,
}

/// Reads the buyer's logs anew.
pub trait SpendingLog: Send + Sync {
    /// Sums by name, and of all.
    ///
    /// # Errors
    /// Why a log cannot be read, in words.
    fn spent(&self, by: SpentBy) -> Result<(Vec<(String, SpentSum)>, SpentSum), String>;
}

/// The pages of spending as what a server serves.
#[derive(Clone)]
pub struct SpendingPages(pub Arc<dyn SpendingLog>);

impl SpendingPages {
    /// Style and scripts.
    pub fn assets() -> Assets {
        Assets::new(&[])
    }

    fn route(&self, request: &Request<Body>) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET");
        }
        match request.uri().path() {
            "/" => self.page(),
            "/spending.csv" => self.csv(request),
            _ => reply::text(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    fn page(&self) -> Response<Body> {
        let lede = "What was paid, from this buyer's own logs. Read anew whenever the page is opened.";
        let page = Page { product: "spending", title: "Spending", lede, ..Page::default() };
        match self.body() {
            Ok(body) => reply::html(page.render(&body)),
            Err(words) => {
                let mut response = reply::html(page.render(&notice(Tone::Bad, &words)));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }
        }
    }

    fn body(&self) -> Result<Markup, String> {
        let (days, total) = self.0.spent(SpentBy::Day)?;
        let points = series(&days);
        let written = |height: u64| Unit::micro_usd().written(Amount::new(u128::from(height)));
        let tables =
            [SpentBy::Server, SpentBy::Scheme, SpentBy::Tool].map(|by| self.0.spent(by).map(|(rows, _)| (by, rows)));
        let tables = tables.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(html! {
            (total_tiles(&total))
            (card("Spending by day", Mark::Plain, &html! {
                (Plot { title: "Spending by day", points: &points, written: &written }.bars())
                p { a.small href="/spending.csv?by=day" download { "Download as CSV" } }
            }))
            div.columns { @for (by, rows) in &tables[..2] { (breakdown(*by, rows)) } }
            (breakdown(tables[2].0, &tables[2].1))
        })
    }

    fn csv(&self, request: &Request<Body>) -> Response<Body> {
        let form = Form::of_query(request.uri()).unwrap_or_default();
        let by = SpentBy::ALL.into_iter().find(|by| Some(by.word()) == form.get("by")).unwrap_or(SpentBy::Server);
        match self.0.spent(by) {
            Err(words) => reply::text(StatusCode::SERVICE_UNAVAILABLE, &words),
            Ok((rows, _)) => {
                let cells = rows.into_iter().map(|(name, sum)| {
                    let SpentSum { payments, paid, held, refused } = sum;
                    vec![name, payments.to_string(), paid.to_string(), held.to_string(), refused.to_string()]
                });
                let heads = format!("{},payments,paid_micro_usd,held_micro_usd,refused", by.word());
                reply::csv("spending", csv::file(&heads, cells))
            }
        }
    }
}

impl Endpoint for SpendingPages {
    fn answer(&self, request: Request<Body>) -> Answering {
        let pages = self.clone();
        // Logs are files that grow.
        let reading = tokio::task::spawn_blocking(move || pages.route(&request));
        Box::pin(async move {
            reading.await.unwrap_or_else(|_| reply::text(StatusCode::INTERNAL_SERVER_ERROR, "the page broke off"))
        })
    }
}

impl SpentBy {
    const ALL: [Self; 4] = [Self::Server, Self::Tool, Self::Day, Self::Scheme];

    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Day => "day",
            Self::Scheme => "scheme",
        }
    }

    fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::Server => ("By server", "Server"),
            Self::Tool => ("By page or tool", "Page or tool"),
            Self::Day => ("By day", "Day"),
            Self::Scheme => ("By scheme", "Scheme"),
        }
    }
}

/// The last days up to the newest one with a payment, those without one too.
fn series(days: &[(String, SpentSum)]) -> Vec<(String, u64)> {
    let number = |day: &str| day.parse::<Period>().ok().map(|day| day.start() / 86_400);
    let known: BTreeMap<u64, u64> = days
        .iter()
        .filter_map(|(day, sum)| Some((number(day)?, u64::try_from(sum.paid.get()).unwrap_or(u64::MAX))))
        .collect();
    let Some(last) = known.keys().last().copied() else { return Vec::new() };
    let drawn = last.saturating_sub(DAYS - 1)..=last;
    drawn.map(|day| (when::day(day), known.get(&day).copied().unwrap_or_default())).collect()
}

fn total_tiles(total: &SpentSum) -> Markup {
    let usd = Unit::micro_usd();
    let (paid, held) = (usd.written(total.paid), usd.written(total.held));
    let (payments, refused) = (grouped(total.payments), grouped(total.refused));
    let tile = |label, figure, note| Tile { label, figure, note, mark: Mark::Plain, live: "" };
    tiles(&[
        tile("Paid", &paid, "with a receipt"),
        tile("Held", &held, "the outcome is not known yet"),
        tile("Payments", &payments, "that were taken"),
        tile("Not taken", &refused, "refused, or never used"),
    ])
}

fn breakdown(by: SpentBy, rows: &[(String, SpentSum)]) -> Markup {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by(|one, other| other.1.paid.cmp(&one.1.paid).then(one.0.cmp(&other.0)));
    let top = rows.first().map_or(0, |(_, sum)| sum.paid.get());
    let usd = Unit::micro_usd();
    let shown: Vec<_> = rows
        .iter()
        .take(ROWS)
        .map(|(name, sum)| {
            html! { tr {
                td.wrap { (name) } td.share { (share(sum.paid.get(), top)) }
                td.num { (grouped(sum.payments)) } td.num { (usd.written(sum.paid)) } td.num { (usd.written(sum.held)) }
            } }
        })
        .collect();
    let (heading, singular) = by.heading();
    let heads = [Head::Text(singular), Head::Share, Head::Num("Payments"), Head::Num("Paid"), Head::Num("Held")];
    let more = rows.len().saturating_sub(ROWS);
    card(
        heading,
        Mark::Plain,
        &html! {
            (table(by.word(), heading, &heads, &shown, "Nothing was paid yet."))
            p.row.small {
                @if more > 0 { span.quiet { (more) " more in the file" } }
                a href={ "/spending.csv?by=" (by.word()) } download { "Download as CSV" }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tollway_http::body::empty;

    use super::*;

    struct Log(bool);

    impl SpendingLog for Log {
        fn spent(&self, by: SpentBy) -> Result<(Vec<(String, SpentSum)>, SpentSum), String> {
            if !self.0 {
                return Err("line 3 is <none>".to_owned());
            }
            let sum = SpentSum { payments: 2, paid: Amount::new(12_000), held: Amount::new(500), refused: 1 };
            Ok((vec![(format!("<b>{}", by.word()), sum)], sum))
        }
    }

    async fn ask(readable: bool, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(empty()).unwrap();
        let response = SpendingPages(Arc::new(Log(readable))).answer(request).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn days_without_payments_are_drawn_too() {
        let day = |day: &str, paid| (day.to_owned(), SpentSum { paid: Amount::new(paid), ..SpentSum::default() });
        let points = series(&[day("2026-10-01", 9), day("2026-11-20", 7), day("2026-11-22", 5), day("odd", 1)]);
        assert_eq!((points.len(), &points[29]), (30, &("2026-11-22".to_owned(), 5)));
        assert_eq!((points[27].1, points[28].1, points.iter().map(|point| point.1).sum::<u64>()), (7, 0, 12));
        assert!(series(&[]).is_empty());
    }

    #[tokio::test]
    async fn sums_are_shown_and_names_stay_text() {
        let (status, page) = ask(true, "/").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("$0.012") && page.contains("&lt;b&gt;server") && !page.contains("<b>"), "{page}");
        assert!(ask(true, "/spending.csv?by=tool").await.1.contains("<b>tool,2,12000,500,1\r\n"));
        let (status, page) = ask(false, "/").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.contains("line 3 is &lt;none&gt;"));
        assert_eq!(ask(false, "/spending.csv").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}

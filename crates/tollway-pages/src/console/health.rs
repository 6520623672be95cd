//! How the parts of the gateway are.

use http::Response;
use maud::html;
use tollway_http::body::Body;

use super::{Answer, Console, HealthRow, csv_link, framed};
use crate::frame::{Head, Mark, Tone, badge, card, table};
use crate::{csv, reply};

async fn rows(console: &Console) -> Vec<HealthRow> {
    let mut rows = vec![match console.books.head().await {
        Ok((sequence, head)) => {
            HealthRow { part: "Books", is_well: Some(true), says: format!("{sequence} entries, head {head}") }
        }
        Err(error) => HealthRow { part: "Books", is_well: Some(false), says: error.to_string() },
    }];
    match console.books.exact_open(100).await {
        Ok(open) => rows.push(HealthRow {
            part: "Payments without an outcome",
            is_well: None,
            says: if open.is_empty() { "none".to_owned() } else { format!("{} (at most 100 are counted)", open.len()) },
        }),
        Err(error) => rows.push(HealthRow { part: "Payments", is_well: Some(false), says: error.to_string() }),
    }
    rows.extend(console.desk.health().await);
    rows
}

fn word(is_well: Option<bool>) -> (&'static str, Tone) {
    match is_well {
        Some(true) => ("well", Tone::Good),
        Some(false) => ("not well", Tone::Bad),
        None => ("–", Tone::Neutral),
    }
}

pub(super) async fn page(console: &Console) -> Answer {
    let rows = rows(console).await;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let (word, tone) = word(row.is_well);
            html! { tr { td { (row.part) } td { (badge(tone, word)) } td.wrap { (row.says) } } }
        })
        .collect();
    let heads = [Head::Text("Part"), Head::Text("State"), Head::Text("What it says")];
    let body =
        card("Parts", Mark::Plain, &html! { (table("health", "Parts", &heads, &shown, "")) (csv_link("/health.csv")) });
    Ok(reply::html(framed("Health", "How the parts of this gateway are, now.", "/health").render(&body)))
}

pub(super) async fn csv(console: &Console) -> Response<Body> {
    let rows =
        rows(console).await.into_iter().map(|row| vec![row.part.to_owned(), word(row.is_well).0.to_owned(), row.says]);
    reply::csv("health", csv::file("part,state,says", rows))
}

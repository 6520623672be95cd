//! What became of requests for what has a price: asked, quoted, paid, refused and why. Counters, and said to be.

use std::collections::BTreeMap;

use http::Response;
use maud::{Markup, html};
use tollway_http::body::Body;

use super::desk::Counted;
use super::figures::Range;
use super::{Answer, Console, csv_link, framed};
use crate::frame::{Head, Mark, Tile, card, share, table, tiles};
use crate::money::grouped;
use crate::{csv, reply};

/// The outcome of a request that brought no payment: it was told the price.
const QUOTED: &str = "payment_required";
/// Outcomes in which the content was delivered for a payment.
const PAID: [&str; 3] = ["sold", "replayed", "within_pass"];
/// Outcomes that are no refusals.
const SERVED: [&str; 3] = ["passed", "dry_run", "released"];

/// How many requests came how far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Funnel {
    asked: u64,
    quoted: u64,
    paid: u64,
    refused: u64,
    released: u64,
}

impl Funnel {
    /// Requests under a rule that could cost something; what a rule merely let pass is none of them.
    fn add(&mut self, count: &Counted) {
        if count.rule.is_empty() || count.outcome == "passed" || count.outcome == "dry_run" {
            return;
        }
        self.asked += count.value;
        match count.outcome.as_str() {
            QUOTED => self.quoted += count.value,
            "released" => self.released += count.value,
            outcome if PAID.contains(&outcome) => self.paid += count.value,
            _ => self.refused += count.value,
        }
    }
}

fn refusals(counts: &[Counted]) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let refused = |outcome: &str| outcome != QUOTED && !PAID.contains(&outcome) && !SERVED.contains(&outcome);
    for count in counts.iter().filter(|count| refused(&count.outcome)) {
        *sums.entry(&count.outcome).or_default() += count.value;
    }
    let mut rows: Vec<_> = sums.into_iter().map(|(reason, value)| (reason.to_owned(), value)).collect();
    rows.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
    rows
}

pub(super) async fn page(console: &Console) -> Answer {
    let counts = console.desk.counts().await;
    let mut all = Funnel::default();
    counts.iter().for_each(|count| all.add(count));
    let figures = console.figures.lock();
    let sales: u64 = figures.assets.values().map(|asset| asset.total(Range::All, console.clock.now()).sales).sum();
    let (asked, quoted, paid, refused) =
        (grouped(all.asked), grouped(all.quoted), grouped(all.paid), grouped(all.refused));
    let sales = grouped(sales);
    let counted = |label, figure, note| Tile { label, figure, note, mark: Mark::Counted, live: "" };
    let body = html! {
        (tiles(&[
            counted("Asked for something priced", &asked, "requests under a rule that charges or blocks"),
            counted("Quoted", &quoted, "told the price, no payment with it"),
            counted("Paid", &paid, "replays, and requests within a pass, included"),
            Tile::ledger("Sales", &sales, "in the books, all time"),
            counted("Refused", &refused, "with a reason, below"),
        ]))
        div.columns {
            (card("How far requests came", Mark::Counted, &funnel(all)))
            (card("Refused, by reason", Mark::Counted, &reasons(&counts)))
        }
        (card("By rule and class of requester", Mark::Counted, &by_rule(&counts)))
    };
    let lede = "From prices told to payments made. Counters begin anew where their file is lost; the books never do.";
    Ok(reply::html(framed("Offers", lede, "/offers").render(&body)))
}

fn funnel(all: Funnel) -> Markup {
    let steps = [
        ("Asked", all.asked),
        ("Quoted a price", all.quoted),
        ("Paid and served", all.paid),
        ("Paid for, but nothing could be served: released", all.released),
        ("Refused", all.refused),
    ];
    html! { ol.funnel { @for (name, value) in steps {
        li { span { (name) } strong.num { (grouped(value)) } (share(value.into(), all.asked.into())) }
    } } }
}

fn reasons(counts: &[Counted]) -> Markup {
    let refusals = refusals(counts);
    let top = refusals.first().map_or(0, |(_, value)| *value);
    let rows: Vec<_> = refusals.iter().map(|(reason, value)| html! { tr {
        td.wrap { code { (reason) } } td.share { (share((*value).into(), top.into())) } td.num { (grouped(*value)) }
    } }).collect();
    let heads = [Head::Text("Reason"), Head::Share, Head::Num("Requests")];
    table("reasons", "Refused, by reason", &heads, &rows, "Nothing was refused.")
}

fn by_rule(counts: &[Counted]) -> Markup {
    let mut funnels: BTreeMap<(&str, &str), Funnel> = BTreeMap::new();
    for count in counts.iter().filter(|count| !count.rule.is_empty()) {
        funnels.entry((&count.rule, &count.class)).or_default().add(count);
    }
    let rows: Vec<_> = funnels.iter().map(|((rule, class), funnel)| html! { tr {
        td.wrap { (rule) } td { (class) }
        td.num { (grouped(funnel.asked)) } td.num { (grouped(funnel.quoted)) } td.num { (grouped(funnel.paid)) } td.num { (grouped(funnel.refused)) }
    } }).collect();
    let heads = [
        Head::Text("Rule"),
        Head::Text("Requester"),
        Head::Num("Asked"),
        Head::Num("Quoted"),
        Head::Num("Paid"),
        Head::Num("Refused"),
    ];
    html! { (table("by-rule", "By rule and class", &heads, &rows, "No request has come under a rule yet.")) (csv_link("/offers.csv")) }
}

pub(super) async fn csv(console: &Console) -> Response<Body> {
    let counts = console.desk.counts().await;
    let rows = counts.into_iter().map(|count| vec![count.rule, count.class, count.outcome, count.value.to_string()]);
    reply::csv("offers", csv::file("rule,class,outcome,count", rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: &str, outcome: &str, value: u64) -> Counted {
        Counted { rule: rule.into(), class: "open".into(), outcome: outcome.into(), value }
    }

    #[test]
    fn every_request_is_in_one_step() {
        let counts = [
            count("pages", "payment_required", 7),
            count("pages", "sold", 4),
            count("pages", "replayed", 1),
            count("pages", "within_pass", 9),
            count("pages", "over_credit", 2),
            count("pages", "released", 1),
            count("pages", "passed", 100),
            count("", "passed", 100),
        ];
        let mut all = Funnel::default();
        counts.iter().for_each(|count| all.add(count));
        assert_eq!(all, Funnel { asked: 24, quoted: 7, paid: 14, refused: 2, released: 1 });
        assert_eq!(refusals(&counts), [("over_credit".to_owned(), 2)]);
    }
}

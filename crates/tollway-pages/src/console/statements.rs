//! The bills: each with its lines and whether it was paid.

use maud::{Markup, html};
use tollway_ledger::{Line, LineKind, Period, Sequence, Statement, StatementFilter};
use tollway_protocol::{Amount, Scale};

use super::figures::path;
use super::{Answer, Console, Failure, csv_link, framed};
use crate::form::Form;
use crate::frame::{Head, Mark, Tile, Tone, badge, card, table, tiles};
use crate::money::{Unit, grouped};
use crate::{csv, reply, when};

/// Statements shown; all of them are in the CSV.
const SHOWN: usize = 200;
/// Lines on a page.
const LINES: usize = 100;
/// Lines in one CSV, at most.
const CSV_LINES_MAX: usize = 100_000;

fn unit(statement: &Statement) -> Unit {
    Unit { asset: statement.asset.clone(), scale: Scale::new(statement.scale).unwrap_or(Scale::MICRO) }
}

/// Paid, nothing to pay, or open.
fn state(statement: &Statement) -> (&'static str, Tone) {
    match &statement.paid {
        Some(_) => ("paid", Tone::Good),
        None if statement.payable == Amount::ZERO => ("nothing to pay", Tone::Neutral),
        None => ("open", Tone::Warn),
    }
}

pub(super) async fn page(console: &Console) -> Answer {
    let statements = console.books.statements(StatementFilter::default()).await?;
    let sum = |paid: bool| -> u128 {
        statements.iter().filter(|one| one.paid.is_some() == paid).map(|one| one.payable.get()).sum()
    };
    let usd = Unit::micro_usd();
    let (open, paid) = (usd.written(Amount::new(sum(false))), usd.written(Amount::new(sum(true))));
    let count = grouped(u64::try_from(statements.len()).unwrap_or(u64::MAX));
    let rows: Vec<_> = statements.iter().rev().take(SHOWN).map(row).collect();
    let heads = [
        Head::Text("Period"),
        Head::Text("Agent"),
        Head::Num("Lines"),
        Head::Num("Total"),
        Head::Num("Payable"),
        Head::Text("State"),
        Head::Text("Paid by"),
    ];
    let body = html! {
        (tiles(&[
            Tile::ledger("Open bills", &open, "closed and not paid"),
            Tile::ledger("Paid bills", &paid, ""),
            Tile::ledger("Bills", &count, "one for each agent and period"),
        ]))
        (card("Bills", Mark::Ledger, &html! {
            (table("bills", "Bills", &heads, &rows, "No day was closed yet: tollway ledger close makes the bills of a day."))
            (csv_link("/statements.csv"))
        }))
    };
    let lede = "One bill for each agent and period, signed, with every line behind it.";
    Ok(reply::html(framed("Statements", lede, "/statements").render(&body)))
}

fn row(statement: &Statement) -> Markup {
    let (word, tone) = state(statement);
    let unit = unit(statement);
    html! { tr {
        td.num.left { a href=(address("/statement", statement)) { (statement.period) } }
        td.wrap { (statement.agent) }
        td.num { (grouped(statement.lines)) }
        td.num { (unit.signed(statement.total.get())) }
        td.num { (unit.written(statement.payable)) }
        td { (badge(tone, word)) }
        td.wrap { @if let Some(paid) = &statement.paid { (paid.rail) " " span.quiet.small { (crate::money::shortened(&paid.reference)) } } @else { "–" } }
    } }
}

fn address(path: &str, statement: &Statement) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("agent", statement.agent.as_str()).append_pair("period", &statement.period.to_string());
    format!("{path}?{}", query.finish())
}

async fn find(console: &Console, form: &Form) -> Result<Statement, Failure> {
    let period: Period = form.get("period").and_then(|text| text.parse().ok()).ok_or(Failure::NotFound)?;
    let agent = console.desk.agent_id(form.get("agent").unwrap_or_default()).map_err(Failure::Asked)?;
    console.books.statement(&agent, &period).await?.ok_or(Failure::NotFound)
}

pub(super) async fn lines_page(console: &Console, form: &Form) -> Answer {
    let statement = find(console, form).await?;
    let after = Sequence::new(form.get("after").and_then(|text| text.parse().ok()).unwrap_or_default());
    let lines = console.books.lines(&statement, after, LINES).await?;
    let unit = unit(&statement);
    let rows: Vec<_> = lines.iter().map(|line| line_row(line, &unit)).collect();
    let next = lines.last().filter(|_| lines.len() == LINES).map(|line| line.sequence);
    let pay_url = console.desk.pay_url(&statement);
    let heads = [
        Head::Num("Entry"),
        Head::Text("When"),
        Head::Text("What"),
        Head::Text("Rule"),
        Head::Text("Price proved by"),
        Head::Num("Amount"),
    ];
    let body = html! {
        div.side {
            (card("Lines", Mark::Ledger, &html! {
                (table("lines", "Lines", &heads, &rows, "No lines from here on."))
                p.row {
                    @if let Some(next) = next { a.button.plain.small href={ (address("/statement", &statement)) "&after=" (next) } { "Next " (LINES) } }
                    a.small href=(address("/statement.csv", &statement)) download { "Download as CSV" }
                }
            }))
            (card("The bill", Mark::Ledger, &facts(&statement, &unit, pay_url.as_deref())))
        }
    };
    let title = format!("Bill of {}", statement.period);
    Ok(reply::html(framed(&title, statement.agent.as_str(), "/statements").render(&body)))
}

fn facts(statement: &Statement, unit: &Unit, pay_url: Option<&str>) -> Markup {
    let (word, tone) = state(statement);
    html! { dl.facts {
        dt { "State" } dd { (badge(tone, word)) }
        dt { "Brought forward" } dd.num { (unit.signed(statement.brought_forward.get())) }
        dt { "Charged" } dd.num { (unit.written(statement.charged)) }
        dt { "Taken back" } dd.num { (unit.written(statement.undelivered_total)) }
        dt { "Total" } dd.num { (unit.signed(statement.total.get())) }
        dt { "Payable" } dd.num { strong { (unit.written(statement.payable)) } }
        dt { "Carried on" } dd.num { (unit.signed(statement.carried.get())) }
        dt { "Lines" } dd.num { (grouped(statement.lines)) ", entries " (statement.from) " to " (statement.to) }
        dt { "Hash of lines" } dd { code { (statement.lines_hash) } }
        @if let Some(paid) = &statement.paid { dt { "Paid by" } dd { (paid.rail) " " code { (paid.reference) } } }
        @if let Some(url) = pay_url { dt { "To be paid at" } dd { code { (url) } } }
    } }
}

fn line_row(line: &Line, unit: &Unit) -> Markup {
    let sign = if line.kind == LineKind::Undelivered { "−" } else { "" };
    html! { tr {
        td.num { (line.sequence) }
        td { (when::at(line.at)) }
        td.wrap { @match &line.sale { Some(sale) => { (sale.method) " " (path(&sale.url)) }, None => "not delivered, taken back" } }
        td { (line.rule) }
        td { (proof(line)) }
        td.num { (sign) (unit.written(line.amount)) }
    } }
}

/// What of the price the buyer signed, by its word on the wire.
fn proof(line: &Line) -> String {
    let word = line.sale.as_ref().and_then(|sale| serde_json::to_value(sale.price_proof).ok());
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) async fn csv(console: &Console) -> Answer {
    let statements = console.books.statements(StatementFilter::default()).await?;
    let rows = statements.iter().map(|one| {
        let (rail, reference) =
            one.paid.as_ref().map(|paid| (paid.rail.clone(), paid.reference.clone())).unwrap_or_default();
        vec![
            one.period.to_string(),
            one.agent.to_string(),
            one.lines.to_string(),
            one.charged.to_string(),
            one.undelivered_total.to_string(),
            one.total.to_string(),
            one.payable.to_string(),
            one.carried.to_string(),
            state(one).0.to_owned(),
            rail,
            reference,
        ]
    });
    let heads = "period,agent,lines,charged_atomic,taken_back_atomic,total_atomic,payable_atomic,carried_atomic,state,rail,reference";
    Ok(reply::csv("statements", csv::file(heads, rows)))
}

pub(super) async fn lines_csv(console: &Console, form: &Form) -> Answer {
    let statement = find(console, form).await?;
    let (mut rows, mut after) = (Vec::new(), Sequence::ZERO);
    while rows.len() < CSV_LINES_MAX {
        let lines = console.books.lines(&statement, after, 1_000).await?;
        let Some(last) = lines.last() else { break };
        after = last.sequence;
        rows.extend(lines.iter().map(|line| {
            let kind = if line.kind == LineKind::Undelivered { "undelivered" } else { "sale" };
            let (method, url) =
                line.sale.as_ref().map(|sale| (sale.method.clone(), sale.url.clone())).unwrap_or_default();
            vec![
                line.sequence.to_string(),
                when::iso(line.at),
                kind.to_owned(),
                line.id.to_string(),
                line.amount.to_string(),
                line.rule.clone(),
                method,
                url,
                proof(line),
            ]
        }));
    }
    Ok(reply::csv(
        "statement-lines",
        csv::file("sequence,at,kind,id,amount_atomic,rule,method,url,price_proof", rows.into_iter()),
    ))
}

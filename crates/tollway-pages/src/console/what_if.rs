//! What if a price or rule were another one: the sampled requests, weighed under both.

use maud::{Markup, html};
use tollway_protocol::Amount;

use super::agents::usd;
use super::desk::{Change, Simulated, Weighed};
use super::{Answer, Console, Failure, csv_link, framed};
use crate::form::Form;
use crate::frame::{Head, Mark, Tile, Tone, card, notice, table, tiles};
use crate::money::{Unit, grouped};
use crate::{csv, reply, when};

/// The change that the form asks for, if it asks for one.
fn change(form: &Form) -> Result<Option<Change>, Failure> {
    let Some(price) = form.filled("price") else { return Ok(None) };
    let price = usd(price)?;
    Ok(match (form.filled("rule"), form.filled("pattern")) {
        (Some(rule), _) => Some(Change::Price { rule: rule.to_owned(), price }),
        (None, Some(pattern)) => {
            let audience = form.filled("audience").unwrap_or("everyone").to_owned();
            Some(Change::Rule { pattern: pattern.to_owned(), audience, price })
        }
        (None, None) => None,
    })
}

pub(super) async fn page(console: &Console, form: &Form) -> Answer {
    let rules = console.desk.rules();
    let change = change(form)?;
    let told = match &change {
        None => None,
        Some(change) => Some(console.desk.simulate(change).await),
    };
    let query = form_query(form);
    let body = html! {
        div.columns {
            (card("Another price for a rule", Mark::Plain, &html! {
                form.fields method="get" action="/what-if" {
                    label { "Rule" select name="rule" { @for rule in &rules { @if rule.price.is_some() {
                        option value=(rule.id) selected[form.get("rule") == Some(&rule.id)] { (rule.id) ", now " (Unit::micro_usd().written(rule.price.unwrap_or(Amount::ZERO))) }
                    } } } }
                    label { "Price, USD (0 is free)" input name="price" required inputmode="decimal" value=(if form.filled("rule").is_some() { form.get("price").unwrap_or_default() } else { "" }) placeholder="0.005"; }
                    button type="submit" { "Weigh" }
                }
            }))
            (card("A rule more, before all others", Mark::Plain, &html! {
                form.fields method="get" action="/what-if" {
                    label { "Path" input name="pattern" required value=(form.get("pattern").unwrap_or_default()) placeholder="/articles/*"; }
                    label { "For" select name="audience" { @for audience in ["everyone", "signed", "bots"] { option selected[form.get("audience") == Some(audience)] { (audience) } } } }
                    label { "Price, USD (0 is free)" input name="price" required inputmode="decimal" value=(if form.filled("pattern").is_some() { form.get("price").unwrap_or_default() } else { "" }) placeholder="0.005"; }
                    button type="submit" { "Weigh" }
                }
            }))
        }
        @match told {
            None => p.empty { "Choose a change: the requests of the sampled log are weighed under the rules as they are, and as they would be." },
            Some(Err(words)) => (notice(Tone::Bad, &words)),
            Some(Ok(told)) => (weighed(&told, &query)),
        }
    };
    let lede = "What the requests of the sampled log would have come to. Nothing is changed.";
    Ok(reply::html(framed("What if", lede, "/what-if").render(&body)))
}

fn form_query(form: &Form) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["rule", "pattern", "audience", "price"] {
        if let Some(value) = form.filled(name) {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

fn weighed(told: &Simulated, query: &str) -> Markup {
    let sum = |pick: fn(&(String, Weighed, Weighed)) -> u128| -> u128 { told.rules.iter().map(pick).sum() };
    let (before, after) = (sum(|row| row.1.charged), sum(|row| row.2.charged));
    let usd = Unit::micro_usd();
    let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
    let difference = usd.signed(signed(after) - signed(before));
    let (before, after) = (usd.written(Amount::new(before)), usd.written(Amount::new(after)));
    let lines = grouped(told.lines);
    let sampled = match told.per_million {
        1_000_000.. => "every request is written down".to_owned(),
        part => format!("{} of a million requests are written down", grouped(part)),
    };
    let tile = |label, figure, note| Tile { label, figure, note, mark: Mark::Plain, live: "" };
    let rows: Vec<_> = told.rules.iter().map(|(rule, now, then)| html! { tr {
        td.wrap { (rule) }
        td.num { (grouped(now.priced)) } td.num { (grouped(now.paid)) } td.num { (usd.written(Amount::new(now.charged))) }
        td.num { (grouped(then.priced)) } td.num { (grouped(then.paid)) } td.num { (usd.written(Amount::new(then.charged))) }
    } }).collect();
    let heads = [
        Head::Text("Rule"),
        Head::Num("Priced now"),
        Head::Num("Paid"),
        Head::Num("Charged"),
        Head::Num("Priced then"),
        Head::Num("Paid"),
        Head::Num("Charged"),
    ];
    html! {
        (tiles(&[
            tile("Would be charged", &after, "for the same requests, in the sample"),
            tile("Is charged now", &before, "in the sample"),
            tile("Difference", &difference, "in the sample"),
            tile("Sampled requests", &lines, &sampled),
        ]))
        (card("By rule", Mark::Plain, &html! {
            p.quiet.small {
                "From " (when::at(told.from_to.0)) " to " (when::at(told.from_to.1)) ". "
                "A request counts as paid where an agent that signs was given the content; whether it would pay another price nobody knows. "
                "The log does not say which agent asked: price classes for some agents are weighed at the rule's own price."
                @if told.unread > 0 { " " (grouped(told.unread)) " lines could not be read." }
            }
            (table("weighed", "By rule", &heads, &rows, "No sampled request has a price under either."))
            (csv_link(&format!("/what-if.csv?{query}")))
        }))
    }
}

pub(super) async fn csv(console: &Console, form: &Form) -> Answer {
    let change = change(form)?.ok_or_else(|| Failure::Asked("name a change".to_owned()))?;
    let told = console.desk.simulate(&change).await.map_err(Failure::Asked)?;
    let rows = told.rules.into_iter().map(|(rule, now, then)| {
        let mut cells = vec![rule];
        for weighed in [now, then] {
            cells.extend([weighed.priced.to_string(), weighed.paid.to_string(), weighed.charged.to_string()]);
        }
        cells
    });
    Ok(reply::csv(
        "what-if",
        csv::file("rule,priced_now,paid_now,charged_now_micro_usd,priced_then,paid_then,charged_then_micro_usd", rows),
    ))
}

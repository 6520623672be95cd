//! The price rules, and what they would say of a request.

use http::Response;
use maud::{Markup, html};
use tollway_http::body::Body;

use super::desk::{Explained, Question, RuleRow};
use super::{Answer, Console, csv_link, framed};
use crate::form::Form;
use crate::frame::{Head, Mark, Tone, badge, card, notice, table};
use crate::{csv, reply};

pub(super) fn page(console: &Console, form: &Form) -> Answer {
    let rules = console.desk.rules();
    let rows: Vec<_> = rules.iter().enumerate().map(|(place, rule)| row(place, rule)).collect();
    let heads = [
        Head::Num("#"),
        Head::Text("Rule"),
        Head::Text("Path"),
        Head::Text("Methods"),
        Head::Text("For"),
        Head::Text("What it does"),
    ];
    let question = question(form);
    let body = html! {
        (card("Rules in order", Mark::Plain, &html! {
            (table("rules", "Rules in order", &heads, &rows, "There are no rules: everything passes."))
            (csv_link("/rules.csv"))
        }))
        div.columns {
            (card("Explain a request", Mark::Plain, &question_form(&question)))
            @if !question.url.is_empty() {
                @match console.desk.explain(&question) {
                    Ok(told) => (card("What happens to it", Mark::Plain, &explained(&told))),
                    Err(words) => section.card { h2 { "What happens to it" } (notice(Tone::Bad, &words)) },
                }
            }
        }
    };
    let lede = "The first rule whose path, method and requester all fit decides. They are changed in the configuration and read again at SIGHUP.";
    Ok(reply::html(framed("Rules", lede, "/rules").render(&body)))
}

fn row(place: usize, rule: &RuleRow) -> Markup {
    html! { tr {
        td.num { (place + 1) }
        td.wrap { strong { (rule.id) } @if rule.on_trial { " " (badge(Tone::Warn, "on trial")) } }
        td.wrap { code { (rule.pattern) } }
        td { (rule.methods) }
        td { (rule.audience) }
        td.wrap { (rule.what) }
    } }
}

fn question(form: &Form) -> Question {
    let text = |name| form.get(name).unwrap_or_default().to_owned();
    Question {
        url: text("url"),
        method: form.filled("method").unwrap_or("GET").to_owned(),
        user_agent: text("user_agent"),
        claimed: text("claimed"),
        proved: text("proved"),
    }
}

fn question_form(question: &Question) -> Markup {
    html! {
        form.fields method="get" action="/rules" {
            label.whole { "URL or path" input name="url" required value=(question.url) placeholder="/articles/one.html" autocomplete="off"; }
            label { "Method" select name="method" { @for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                option selected[method == question.method] { (method) }
            } } }
            label { "User-Agent" input name="user_agent" value=(question.user_agent) placeholder="GPTBot/1.2" autocomplete="off"; }
            label { "Claims to be agent" input name="claimed" value=(question.claimed) placeholder="https://crawler.example" autocomplete="off"; }
            label { "Proves to be agent" input name="proved" value=(question.proved) placeholder="https://crawler.example" autocomplete="off"; }
            button type="submit" { "Explain" }
        }
    }
}

fn explained(told: &Explained) -> Markup {
    let tone = match told.status {
        200 => Tone::Good,
        402 => Tone::Warn,
        _ => Tone::Bad,
    };
    html! {
        p.row { (badge(tone, &told.status.to_string())) span { (told.why) } }
        dl.facts {
            @for (place, reading) in told.readings.iter().enumerate() {
                dt { (if place == 0 { "Path" } else { "Or read as" }) } dd { code { (reading) } }
            }
            @if let Some(pattern) = &told.free { dt { "Free by" } dd { code { (pattern) } } }
            @if let Some(class) = &told.class { dt { "Price class" } dd { (class) } }
        }
        ol.steps { @for (rule, differs) in &told.steps {
            @match differs {
                None => li.on { span { strong { (rule) } " decides" } },
                Some(what) => li { span.quiet { (rule) ": no, " (what) } },
            }
        } }
        @if told.proof_could_change_it { (notice(Tone::Info, "A valid signature of who is claimed could change this.")) }
    }
}

pub(super) fn csv(console: &Console) -> Response<Body> {
    let rows = console.desk.rules().into_iter().map(|rule| {
        let price = rule.price.map(|price| price.to_string()).unwrap_or_default();
        vec![rule.id, rule.pattern, rule.methods, rule.audience, rule.what, price, rule.on_trial.to_string()]
    });
    reply::csv("rules", csv::file("id,path,methods,audience,what,price_micro_usd,on_trial", rows))
}

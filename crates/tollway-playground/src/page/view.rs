//! The page as HTML. All of it reads without scripts; what is said and decided needs them.

use std::sync::Arc;

use maud::{Markup, html};
use tollway_pages::frame::{Head, Mark, Page, Tile, Tone, badge, card, table, tiles};

use super::state::{Row, WalletView};
use crate::agent::{Agent, Id};
use crate::money::dollars;
use crate::planner::grammar::HINTS;
use crate::trace::{Event, Scheme};

/// What a page shows.
pub(super) struct Shown<'a> {
    pub(super) tab: Id,
    pub(super) wallet: &'a WalletView,
    pub(super) agent: &'a Agent,
    pub(super) steps: &'a [Arc<Event>],
    pub(super) model: Option<&'a str>,
}

/// The whole page.
pub(super) fn page(shown: &Shown<'_>) -> String {
    let frame = Page {
        product: "playground",
        title: "See it pay",
        lede: "An agent with a wallet of test money, sellers that answer 402, and every message between them. \
               All of it runs on this machine; no money here is worth anything.",
        scripts: &["playground.js"],
        styles: &["playground.css"],
        ..Page::default()
    };
    frame.render(&html! {
        div #playground data-tab=(shown.tab) {
            (figures(shown.wallet))
            noscript { p.notice { "Without scripts this page shows wallet, prices and history; to say something to the agent, switch them on." } }
            div.stage {
                (chat(shown.model))
                div.stack { (wallet(shown.wallet)) }
            }
            (timeline(shown.steps))
            (prices(shown.agent))
        }
    })
}

fn figures(wallet: &WalletView) -> Markup {
    tiles(&[
        Tile {
            label: "Wallet",
            figure: &wallet.balance,
            note: "test USDC on a chain in this process",
            mark: Mark::Plain,
            live: "balance",
        },
        Tile {
            label: "Promised",
            figure: &wallet.owed,
            note: "signed, and owed until the day is closed",
            mark: Mark::Ledger,
            live: "owed",
        },
        Tile {
            label: "Budget left",
            figure: &wallet.left,
            note: "the agent cannot sign for more",
            mark: Mark::Plain,
            live: "left",
        },
        Tile {
            label: "Day",
            figure: &wallet.day,
            note: "by the playground's own clock",
            mark: Mark::Plain,
            live: "day",
        },
    ])
}

fn chat(model: Option<&str>) -> Markup {
    let planner = match model {
        Some(model) => format!("Planned by {model}"),
        None => "Built-in planner, small grammar".to_owned(),
    };
    let body = html! {
        div.scenes role="group" aria-label="Scenes" hidden {
            (scene("sellers", "Two sellers", "The same map at two prices: buy the cheaper one, at once."))
            (scene("browser", "A browser session", "Pay once, have several pages rendered."))
            (scene("trader", "Ticks for a trader", "A hundred ticks, a promise each: see what one costs in time."))
        }
        div #chat role="log" aria-live="polite" aria-label="Chat" tabindex="0" {
            p.line.agent { "Tell me what to do, or choose a scene. I ask before I pay." }
        }
        div.hints role="group" aria-label="Things to say" hidden {
            @for hint in HINTS { button.plain.small type="button" data-say=(hint) { (hint) } }
        }
        form #say hidden {
            label.out for="words" { "Say something to the agent" }
            input #words name="text" type="text" autocomplete="off" maxlength="2000" placeholder="square 12" required;
            button type="submit" { "Send" }
        }
    };
    html! {
        section.card.chat aria-labelledby="agent-h" {
            header { h2 #agent-h { "The agent" } (badge(Tone::Info, &planner)) }
            (body)
        }
    }
}

fn scene(name: &str, title: &str, about: &str) -> Markup {
    html! {
        button.scene type="button" data-scene=(name) {
            strong { (title) }
            span { (about) }
        }
    }
}

fn wallet(wallet: &WalletView) -> Markup {
    let body = html! {
        div.row.acts hidden {
            button.plain type="button" data-post="/faucet" { "Ask the faucet" }
            button type="button" data-post="/close-day" { "Close the day" }
        }
        form #automatic hidden {
            label.check { input #auto-on type="checkbox"; "Pay automatically up to" }
            input #auto-sum aria-label="Sum in dollars" inputmode="decimal" value="0.05" autocomplete="off";
        }
        p #said.quiet.small role="status" {}
        h3 { "History" }
        ol #history tabindex="0" aria-label="Payments, newest first" { @for row in &wallet.history { (history_row(row)) } }
        p #no-history.empty hidden[!wallet.history.is_empty()] { "Nothing was paid yet." }
    };
    card("Wallet", Mark::Plain, &body)
}

fn history_row(row: &Row) -> Markup {
    html! {
        li {
            span.what { (row.resource) " " span.quiet { (row.seller) } }
            span.num { (row.amount) }
            span.ref.mono.quiet { (row.reference) }
            (scheme_badge(row.scheme))
        }
    }
}

fn timeline(steps: &[Arc<Event>]) -> Markup {
    html! {
        section.card.timeline aria-labelledby="timeline-h" {
            header {
                h2 #timeline-h { "Timeline" }
                fieldset #filter hidden {
                    legend.out { "Show which steps" }
                    @for (value, text) in [("all", "All"), ("exact", "Exact"), ("deferred", "Deferred"), ("free", "Free")] {
                        label { input type="radio" name="filter" value=(value) checked[value == "all"]; span { (text) } }
                    }
                }
                p { "Each step as it happens; open one for the bytes on the wire. " span #count.num { (steps.len()) } " shown." }
            }
            ol #steps tabindex="0" aria-label="Steps" { @for event in steps { (step_row(event)) } }
            p #no-steps.empty hidden[!steps.is_empty()] { "Nothing has happened yet." }
        }
    }
}

fn step_row(event: &Event) -> Markup {
    html! {
        li data-scheme=(event.scheme.as_str()) {
            details data-step=(event.id) {
                summary { span.label { (event.kind.label()) } span.text { (event.title) } (scheme_badge(event.scheme)) }
                a href={ "/step?id=" (event.id) } { "Open this step" }
            }
        }
    }
}

/// A step, opened.
pub(super) fn step(event: &Event) -> Markup {
    html! {
        div.opened {
            p { (event.kind.meaning()) }
            @if let Some(curl) = &event.curl {
                div.part {
                    div.row { h3 { "As a command" } button.plain.small type="button" data-copy { "Copy as curl" } }
                    pre tabindex="0" aria-label="As a command" { (curl) }
                }
            }
            @for part in &event.parts {
                div.part { h3 { (part.name) } pre tabindex="0" aria-label=(part.name) { (part.text) } }
            }
        }
    }
}

/// The same as a page of its own.
pub(super) fn step_page(event: &Event, opened: &Markup) -> String {
    let page = Page {
        product: "playground",
        title: event.kind.label(),
        lede: &event.title,
        styles: &["playground.css"],
        ..Page::default()
    };
    page.render(&html! { section.card { (opened) p { a href="/" { "Back to the playground" } } } })
}

fn prices(agent: &Agent) -> Markup {
    let rows: Vec<Markup> = agent
        .stage()
        .shops()
        .flat_map(|shop| {
            shop.prices.iter().map(move |price| {
                html! {
                    tr {
                        td { (shop.name) }
                        td.wrap.mono { (price.path) }
                        td.num { (dollars(price.amount)) }
                        td {
                            @for scheme in &price.schemes { (badge(Tone::Neutral, scheme)) " " }
                            @if price.schemes.is_empty() { (badge(Tone::Good, "free")) }
                        }
                    }
                }
            })
        })
        .collect();
    let heads = [Head::Text("Seller"), Head::Text("Resource"), Head::Num("Price"), Head::Text("Paid by")];
    card("What is for sale", Mark::Plain, &table("prices", "Prices", &heads, &rows, "Nothing."))
}

fn scheme_badge(scheme: Scheme) -> Markup {
    html! { span class={ "badge scheme " (scheme.as_str()) } { (scheme.as_str()) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Kind, Part};

    #[test]
    fn threat_97_what_sellers_and_tools_say_is_text() {
        let bad = "<script>alert(1)</script>";
        let event = Event {
            id: 1,
            at: 1,
            kind: Kind::Demand,
            scheme: Scheme::Exact,
            title: bad.to_owned(),
            parts: vec![Part::new(bad, bad)],
            curl: Some(bad.to_owned()),
        };
        let opened = step(&event);
        let all = [opened.clone().into_string(), step_row(&event).into_string(), step_page(&event, &opened)].concat();
        assert!(!all.contains(bad), "{all}");
    }
}

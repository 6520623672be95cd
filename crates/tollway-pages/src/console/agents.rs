//! Who may buy, how much, and what each owes; the same commands as on the command line.

use maud::{Markup, html};
use tollway_ledger::{AccountView, AgentTerms};
use tollway_protocol::{Amount, Asset, Price, Scale};

use super::{Answer, Console, Failure, csv_link, framed};
use crate::form::Form;
use crate::frame::{Head, Mark, Tile, Tone, badge, notice, share, table, tiles};
use crate::money::{Unit, grouped};
use crate::{csv, reply, when};

pub(super) async fn page(console: &Console, form: &Form) -> Answer {
    let accounts = console.books.agents(console.clock.now()).await?;
    let owed: u128 = accounts.iter().map(|account| account.balance_owed.get()).sum();
    let credit: u128 = accounts.iter().filter(|a| !a.blocked).map(|account| account.credit_limit.get()).sum();
    let blocked = accounts.iter().filter(|account| account.blocked).count();
    let usd = Unit::micro_usd();
    let (owed, credit) = (usd.written(Amount::new(owed)), usd.written(Amount::new(credit)));
    let count = grouped(u64::try_from(accounts.len()).unwrap_or(u64::MAX));
    let blocked = format!("{blocked} blocked");
    let rows: Vec<_> = accounts.iter().map(row).collect();
    let heads = [
        Head::Text("Agent"),
        Head::Text("State"),
        Head::Num("Owed"),
        Head::Num("Credit"),
        Head::Share,
        Head::Num("Today"),
        Head::Num("A day"),
        Head::Text("Last sale"),
        Head::Hidden("Change"),
    ];
    let body = html! {
        @if let Some(said) = form.get("done").and_then(said) { (notice(Tone::Good, said)) }
        (tiles(&[
            Tile::ledger("Owed by all agents", &owed, "promised and not paid yet"),
            Tile::ledger("Open credit limits", &credit, "the most that could be owed"),
            Tile::ledger("Accounts", &count, &blocked),
        ]))
        section.card {
            header { h2 { "Accounts" } (Mark::Ledger.badge()) }
            label hidden { "Show only" input type="search" data-filters="accounts" placeholder="part of a name"; }
            (table("accounts", "Accounts", &heads, &rows, "No agent has an account yet. Open one below."))
            (csv_link("/agents.csv"))
        }
        (terms_form())
    };
    let lede = "Limits and balances are those of the books. A block holds for the next request.";
    Ok(reply::html(framed("Agents", lede, "/agents").render(&body)))
}

/// What was done, by its word in the address.
fn said(word: &str) -> Option<&'static str> {
    match word {
        "put" => Some("The terms are in the books."),
        "block" => Some("Blocked: nothing more is sold to this agent."),
        "unblock" => Some("Allowed again."),
        _ => None,
    }
}

fn row(account: &AccountView) -> Markup {
    let usd = Unit::micro_usd();
    let agent = account.agent.as_str();
    let (word, label, tone) =
        if account.blocked { ("unblock", "Allow", "plain small") } else { ("block", "Block", "bad small") };
    let used = account.balance_owed.get().saturating_add(account.reserved.get());
    html! { tr {
        td.wrap { (agent) }
        td { @if account.blocked { (badge(Tone::Bad, "blocked")) } @else { (badge(Tone::Good, "open")) } }
        td.num { (usd.written(account.balance_owed)) }
        td.num { (usd.written(account.credit_limit)) }
        td.share { (share(used, account.credit_limit.get())) }
        td.num { (usd.written(account.spent_today)) }
        td.num { (account.daily_budget.map_or_else(|| "no limit".to_owned(), |budget| usd.written(budget))) }
        td { @match account.last_sale { Some(at) => (when::at(at)), None => span.quiet { "never" } } }
        td {
            form.inline method="post" action="/agents" data-ask=[(!account.blocked).then(|| format!("Sell nothing more to {agent}?"))] {
                input type="hidden" name="do" value=(word);
                input type="hidden" name="agent" value=(agent);
                button class=(tone) type="submit" { (label) span.out { " " (agent) } }
            }
        }
    } }
}

fn terms_form() -> Markup {
    html! {
        section.card {
            header { h2 { "Open an account, or change its limits" } p { "The agent's URL is where its key directory is found. Sums are in US dollars." } }
            form.fields method="post" action="/agents" {
                input type="hidden" name="do" value="put";
                label { "Agent" input name="agent" required maxlength="256" placeholder="https://crawler.example" autocomplete="off"; }
                label { "Credit limit, USD" input name="credit" required inputmode="decimal" placeholder="5.00" autocomplete="off"; }
                label { "Budget a day, USD (none if empty)" input name="budget" inputmode="decimal" placeholder="1.00" autocomplete="off"; }
                button type="submit" { "Save" }
            }
        }
    }
}

pub(super) async fn change(console: &Console, form: &Form) -> Answer {
    let agent = form.filled("agent").ok_or_else(|| Failure::Asked("name an agent".to_owned()))?;
    let agent = console.desk.agent_id(agent).map_err(Failure::Asked)?;
    let now = console.clock.now();
    let done = match form.get("do") {
        Some("put") => {
            let credit = form.filled("credit").ok_or_else(|| Failure::Asked("a credit limit is missing".to_owned()))?;
            let credit_limit = usd(credit)?;
            let daily_budget = form.filled("budget").map(usd).transpose()?;
            console.books.agent_put(AgentTerms { agent, credit_limit, daily_budget }, now).await?;
            "put"
        }
        Some("block") => {
            console.books.agent_block(&agent, true, now).await?;
            "block"
        }
        Some("unblock") => {
            console.books.agent_block(&agent, false, now).await?;
            "unblock"
        }
        _ => return Err(Failure::Asked("nothing that is known here".to_owned())),
    };
    Ok(reply::see_other(&format!("/agents?done={done}")))
}

/// `5`, `0.25` or `$0.25` as micro-dollars.
pub(super) fn usd(text: &str) -> Result<Amount, Failure> {
    let digits = text.strip_prefix('$').unwrap_or(text);
    let price = Price::parse_decimal(digits, Asset::usd(), Scale::MICRO);
    price.map(|price| price.amount).map_err(|error| Failure::Asked(format!("“{text}” is no sum in dollars: {error}")))
}

pub(super) async fn csv(console: &Console) -> Answer {
    let accounts = console.books.agents(console.clock.now()).await?;
    let rows = accounts.iter().map(|account| {
        vec![
            account.agent.to_string(),
            if account.blocked { "blocked" } else { "open" }.to_owned(),
            account.balance_owed.to_string(),
            account.credit_limit.to_string(),
            account.spent_today.to_string(),
            account.daily_budget.map(|budget| budget.to_string()).unwrap_or_default(),
            account.reserved.to_string(),
            account.last_sale.map(when::iso).unwrap_or_default(),
        ]
    });
    let heads = "agent,state,owed_micro_usd,credit_limit_micro_usd,today_micro_usd,daily_budget_micro_usd,reserved_micro_usd,last_sale";
    Ok(reply::csv("agents", csv::file(heads, rows)))
}

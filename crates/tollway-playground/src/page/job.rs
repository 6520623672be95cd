//! One thing that a person asked for: planned, done, and told in the chat of the tab that asked.

use std::sync::Arc;

use serde::Serialize;

use super::tabs::Tab;
use crate::agent::{Agent, AgentError, Done};
use crate::planner::{Llm, LlmOptions, Next, Toolbox, Wish, grammar};

/// How often a model may call tools before it has to come to an end.
const ROUNDS_MAX: usize = 8;

/// A line of the chat.
#[derive(Debug, Serialize)]
struct Line<'a> {
    who: &'static str,
    text: &'a str,
    tone: &'static str,
}

/// Says something in a tab's chat.
pub(super) fn say(tab: &Tab, who: &'static str, text: &str, tone: &'static str) {
    tab.hub.publish("chat", &Line { who, text, tone });
}

/// Understands a sentence and does what it asks for.
pub(super) async fn hear(agent: Arc<Agent>, tab: Arc<Tab>, text: String, llm: Option<LlmOptions>) {
    match llm {
        Some(options) => converse(&agent, &tab, &text, options).await,
        None => match grammar::parse(&text) {
            Some(wish) => {
                say(&tab, "planner", &format!("Built-in planner: {}", plan(&wish)), "plan");
                perform(agent, tab, wish).await;
            }
            None => {
                let hints = grammar::HINTS.join("\n");
                let words =
                    format!("The built-in planner knows a small grammar and did not understand that. Try:\n{hints}");
                say(&tab, "agent", &words, "");
            }
        },
    }
}

/// Does one thing and says how it went.
pub(super) async fn perform(agent: Arc<Agent>, tab: Arc<Tab>, wish: Wish) {
    match agent.perform(tab.id, &wish).await {
        Ok(done) => say(&tab, "agent", &done.text, "done"),
        Err(error) => say(&tab, "agent", &refusal(&error), "no"),
    }
}

/// A conversation with a model: it calls tools, we do what they ask for, until it has said all.
async fn converse(agent: &Arc<Agent>, tab: &Tab, text: &str, options: LlmOptions) {
    let mut kept = tab.llm.lock().await;
    let llm = match kept.take() {
        Some(llm) => Ok(llm),
        None => Llm::new(options),
    };
    let mut llm = match llm {
        Ok(llm) => llm,
        Err(error) => return say(tab, "agent", &error.to_string(), "no"),
    };
    llm.hear(text);
    let toolbox = Toolbox::new(&agent.found_tools());
    for _ in 0..ROUNDS_MAX {
        match llm.next(&toolbox).await {
            Ok(Next::Say(text)) => {
                say(tab, "agent", &text, "done");
                *kept = Some(llm);
                return;
            }
            Ok(Next::Call(calls)) => {
                for (call, wish) in calls {
                    let said = called(agent, tab, wish).await;
                    llm.result(&call, &said);
                }
            }
            Err(error) => return say(tab, "agent", &error.to_string(), "no"),
        }
    }
    say(tab, "agent", "The language model called tools again and again; that was enough.", "no");
}

async fn called(agent: &Arc<Agent>, tab: &Tab, wish: Result<Wish, String>) -> String {
    let wish = match wish {
        Ok(wish) => wish,
        Err(name) => return format!("there is no tool `{name}`"),
    };
    say(tab, "planner", &format!("Language model: {}", plan(&wish)), "plan");
    match agent.perform(tab.id, &wish).await {
        Ok(Done { text, .. }) => text,
        Err(error) => refusal(&error),
    }
}

/// What will be done, in a line.
fn plan(wish: &Wish) -> String {
    match wish {
        Wish::Read(about) => format!("read the article about “{about}”, by promise"),
        Wish::Crawl(total) => format!("crawl the almanac within {}, by promises", crate::money::dollars(*total)),
        Wish::Compare => "ask two shops for a price, buy from the cheaper one, at once".to_owned(),
        Wish::Watch(total) => format!("follow the feed within {}, one promise a tick", crate::money::dollars(*total)),
        Wish::Browse(pages) => format!("have {pages} pages rendered in one browser session"),
        Wish::Tool { name, arguments } => {
            format!("call the tool {name} with {}", serde_json::to_string(arguments).unwrap_or_default())
        }
        Wish::CloseDay => "close the day and pay the bill by one transfer".to_owned(),
        Wish::Prices => "say what is for sale".to_owned(),
    }
}

fn refusal(error: &AgentError) -> String {
    match error {
        AgentError::NotConfirmed(decision) => format!("{}. Nothing was signed, nothing was charged.", decision.words()),
        other => other.to_string(),
    }
}

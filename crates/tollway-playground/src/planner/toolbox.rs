//! The agent's own tools as a language model is told of them, and its calls as wishes.

use serde_json::{Map, Value, json};

use super::Wish;
use crate::agent::FoundTool;
use crate::money::{cents, sum_in};

/// A tool as a model sees it: name, description, JSON schema of the arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Toolbox {
    tools: Vec<Value>,
    /// Tools of the MCP server, by name.
    remote: Vec<String>,
}

impl Toolbox {
    /// The agent's own tools and those found on the MCP server.
    pub fn new(found: &[FoundTool]) -> Self {
        let own = tool_list().into_iter().map(|(name, about, schema)| function(name, about, &schema));
        let remote = found.iter().map(|tool| function(&tool.name, &tool.description, &tool.schema));
        Self { tools: own.chain(remote).collect(), remote: found.iter().map(|tool| tool.name.clone()).collect() }
    }

    /// For the `tools` of a chat completion.
    pub fn to_json(&self) -> Value {
        Value::Array(self.tools.clone())
    }

    /// What a call asks for. `None` for a tool that does not exist.
    pub fn wish(&self, name: &str, arguments: &Map<String, Value>) -> Option<Wish> {
        let text = |key: &str| match arguments.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        Some(match name {
            "read_article" => Wish::Read(text("topic")),
            "crawl_site" => Wish::Crawl(sum_in(&text("dollars")).unwrap_or_else(|| cents(5))),
            "buy_cheaper_map" => Wish::Compare,
            "watch_feed" => Wish::Watch(sum_in(&text("dollars")).unwrap_or_else(|| cents(10))),
            "render_pages" => Wish::Browse(text("count").parse().unwrap_or(5).clamp(1, 20)),
            "list_prices" => Wish::Prices,
            _ if self.remote.iter().any(|own| own == name) => {
                Wish::Tool { name: name.to_owned(), arguments: arguments.clone() }
            }
            _ => return None,
        })
    }
}

/// The agent's own tools.
pub fn tool_list() -> Vec<(&'static str, &'static str, Value)> {
    let dollars = json!({"type": "object", "properties": {"dollars": {"type": "string", "description": "the most to spend, such as 0.05"}}});
    let nothing = json!({"type": "object", "properties": {}});
    vec![
        (
            "read_article",
            "Buys and reads the article about a topic.",
            json!({"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}),
        ),
        ("crawl_site", "Reads as many articles as the sum allows.", dollars.clone()),
        ("buy_cheaper_map", "Asks two shops for a map's price and buys the cheaper one.", nothing.clone()),
        ("watch_feed", "Follows the price feed, paying for each tick.", dollars),
        (
            "render_pages",
            "Has pages rendered in a browser session.",
            json!({"type": "object", "properties": {"count": {"type": "string"}}}),
        ),
        ("list_prices", "Says what is for sale at which price.", nothing),
    ]
}

fn function(name: &str, about: &str, schema: &Value) -> Value {
    json!({"type": "function", "function": {"name": name, "description": about, "parameters": schema}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_own_tool_is_a_wish_and_no_other() {
        let toolbox =
            Toolbox::new(&[FoundTool { name: "square".into(), description: "squares".into(), schema: json!({}) }]);
        for (name, ..) in tool_list() {
            assert!(toolbox.wish(name, &Map::new()).is_some(), "{name}");
        }
        assert!(matches!(toolbox.wish("square", &Map::new()), Some(Wish::Tool { .. })));
        assert_eq!(toolbox.wish("transfer_everything", &Map::new()), None);
        assert_eq!(toolbox.to_json().as_array().unwrap().len(), tool_list().len() + 1);
    }
}

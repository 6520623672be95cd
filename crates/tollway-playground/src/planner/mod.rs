//! What a person's words ask for: by a small grammar of our own, or by a language model that may call the same tools.

pub mod grammar;
mod llm;
mod toolbox;

pub use llm::{Llm, LlmError, LlmOptions, Next};
pub use toolbox::{Toolbox, tool_list};

use serde_json::{Map, Value};
use tollway_protocol::Amount;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Read the article that these words are about.
    Read(String),
    /// Read every article that the sum allows.
    Crawl(Amount),
    /// Buy the map where it is cheaper.
    Compare,
    /// Follow the price feed for this much.
    Watch(Amount),
    /// Have so many pages rendered in a browser.
    Browse(u32),
    /// Call a tool of the MCP server.
    Tool {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// Close the day and pay what is owed.
    CloseDay,
    /// Say what is for sale.
    Prices,
}

//! The MCP server of the stage: free and paid tools, by JSON-RPC over HTTP (the streamable transport, one answer for each
//! message).

use std::path::Path;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use tollway_core::scheme::exact::ExactTerms;
use tollway_evm::Address;
use tollway_evm::asset::KnownAsset;
use tollway_http::body::{Body, empty, full};
use tollway_http::endpoint::Endpoint;
use tollway_mcp::Kind;
use tollway_mcp::seller::{Answer, Call, PriceList, PriceListError, PricedCall, Step, ToolSeller};
use tollway_protocol::Amount;
use tower::service_fn;

use super::seller::way;
use crate::gathered;

/// Where messages go.
pub(crate) const MCP_PATH: &str = "/mcp";
/// Longest message, in bytes.
const MESSAGE_MAX: usize = 256 << 10;
/// Articles that a search finds at most.
const FOUND_MAX: usize = 5;
/// What costs nothing.
pub(super) const FREE: [&str; 1] = ["add-two-numbers"];
/// What costs how much, in micro-dollars.
pub(super) const PRICES: [(&str, &str, u128); 3] =
    [("square", "$0.01", 10_000), ("search", "$0.02", 20_000), ("browser-session", "$0.05", 50_000)];

/// The prices of the tools, paid at once.
pub(super) fn price_list(usdc: &KnownAsset, pay_to: Address) -> Result<PriceList, PriceListError> {
    let priced = PRICES.iter().map(|(name, price, amount)| {
        let terms = ExactTerms { ways: vec![way(usdc, pay_to, Amount::new(*amount))], identifier: None };
        Ok(PricedCall::tool(name, price)?.with_exact(terms).without_bill())
    });
    PriceList::new(priced.collect::<Result<_, _>>()?)
}

/// The server.
pub(super) fn endpoint(seller: ToolSeller, site: &Path) -> std::io::Result<Arc<dyn Endpoint>> {
    let articles = Arc::new(titles(site)?);
    Ok(Arc::new(service_fn(move |request: Request<Body>| {
        let (seller, articles) = (seller.clone(), Arc::clone(&articles));
        async move { Ok::<_, std::convert::Infallible>(answer(&seller, &articles, request).await) }
    })))
}

async fn answer(seller: &ToolSeller, articles: &Arc<Vec<Article>>, request: Request<Body>) -> Response<Body> {
    if request.uri().path() != MCP_PATH || request.method() != Method::POST {
        return status(StatusCode::NOT_FOUND);
    }
    let (head, body) = request.into_parts();
    let Ok(bytes) = gathered(body, MESSAGE_MAX).await else { return status(StatusCode::PAYLOAD_TOO_LARGE) };
    let Ok(Value::Object(message)) = serde_json::from_slice(&bytes) else { return status(StatusCode::BAD_REQUEST) };
    let Some(id) = message.get("id") else { return status(StatusCode::ACCEPTED) };
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    let empty = Map::new();
    let params = message.get("params").and_then(Value::as_object).unwrap_or(&empty);
    let said = match method {
        "initialize" => Answer::Result(members(&json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "playground-tools", "version": env!("CARGO_PKG_VERSION")},
        }))),
        "ping" => Answer::Result(Map::new()),
        "tools/list" => {
            let mut listed = members(&json!({"tools": tools()}));
            seller.annotate_list(Kind::Tool, &mut listed);
            Answer::Result(listed)
        }
        "tools/call" => match Call::of_request(method, params, Some(&head.headers)) {
            Some(call) => called(seller, articles, &call).await,
            None => error(-32602, "a call names its tool"),
        },
        _ => error(-32601, "there is no such method here"),
    };
    let (member, said) = match said {
        Answer::Result(result) => ("result", result),
        Answer::Error(error) => ("error", error),
    };
    let mut response = Response::new(full(json!({"jsonrpc": "2.0", "id": id, member: said}).to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn called(seller: &ToolSeller, articles: &Arc<Vec<Article>>, call: &Call<'_>) -> Answer {
    let (name, arguments) = (call.name.to_owned(), call.arguments.cloned().unwrap_or_default());
    let articles = Arc::clone(articles);
    let run = async move { run(&name, &arguments, &articles) };
    match seller.admit(call).await {
        Step::Pass => run.await,
        Step::Answer(answer) => answer,
        Step::Run(running) => running.run(run).await,
    }
}

/// What the tools do.
fn run(name: &str, arguments: &Map<String, Value>, articles: &[Article]) -> Answer {
    let number = |key: &str| arguments.get(key).and_then(Value::as_i64);
    let text = match name {
        "add-two-numbers" => {
            number("a").zip(number("b")).and_then(|(a, b)| a.checked_add(b)).map(|sum| sum.to_string())
        }
        "square" => number("number").and_then(|number| number.checked_mul(number)).map(|square| square.to_string()),
        "search" => arguments.get("query").and_then(Value::as_str).map(|query| search(query, articles)),
        "browser-session" => {
            let url = arguments.get("url").and_then(Value::as_str);
            url.map(|url| format!("rendered {}", url.chars().take(120).collect::<String>()))
        }
        _ => None,
    };
    match text {
        Some(text) => Answer::Result(members(&json!({"content": [{"type": "text", "text": text}], "isError": false}))),
        None => Answer::Result(members(&json!({
            "content": [{"type": "text", "text": "the tool or its arguments are not known, or the result is too large"}],
            "isError": true,
        }))),
    }
}

fn tools() -> Value {
    let number = json!({"type": "integer"});
    json!([
        {"name": "add-two-numbers", "description": "Adds two whole numbers.",
         "inputSchema": {"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]}},
        {"name": "square", "description": "Squares a whole number.",
         "inputSchema": {"type": "object", "properties": {"number": number}, "required": ["number"]}},
        {"name": "search", "description": "Finds articles of the almanac.",
         "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}},
        {"name": "browser-session", "description": "Renders a page in a browser.",
         "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}},
    ])
}

/// An article, as a search knows it.
struct Article {
    file: String,
    title: String,
}

/// The titles of a site's articles, by file name.
fn titles(site: &Path) -> std::io::Result<Vec<Article>> {
    let folder = site.join("articles");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "html") {
            continue;
        }
        let page = std::fs::read_to_string(&path)?;
        // A title ends with the site's name.
        let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let title = title.map(|(title, _)| title.split(" · ").next().unwrap_or(title));
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.push(Article { title: title.map_or_else(|| file.clone(), str::to_owned), file });
    }
    found.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(found)
}

fn search(query: &str, articles: &[Article]) -> String {
    let words: Vec<String> = query.split_whitespace().take(12).map(str::to_lowercase).collect();
    let fits = |article: &&Article| {
        let text = format!("{} {}", article.title, article.file).to_lowercase();
        words.iter().any(|word| text.contains(word.as_str()))
    };
    let line = |article: &Article| format!("{} (/articles/{})", article.title, article.file);
    let found: Vec<_> = articles.iter().filter(fits).take(FOUND_MAX).map(line).collect();
    if found.is_empty() { "nothing is about that".to_owned() } else { found.join("\n") }
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn error(code: i64, message: &str) -> Answer {
    Answer::Error(members(&json!({"code": code, "message": message})))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> (String, bool) {
        let Answer::Result(result) = answer else { panic!("{answer:?}") };
        (result["content"][0]["text"].as_str().unwrap().to_owned(), result["isError"].as_bool().unwrap())
    }

    #[test]
    fn tools_answer_or_say_that_they_cannot() {
        let ask = |name: &str, arguments: Value| text(&run(name, &members(&arguments), &[]));
        assert_eq!(ask("add-two-numbers", json!({"a": 3, "b": 4})), ("7".into(), false));
        assert_eq!(ask("square", json!({"number": -12})), ("144".into(), false));
        assert!(ask("square", json!({"number": i64::MAX})).1);
        assert!(ask("square", json!({})).1);
        assert!(ask("steal", json!({})).1);
    }
}

//! What is sold on the stage: a site of pages, a feed of ticks, two maps, and a browser that renders.

use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tollway_http::body::{Body, empty, full};
use tollway_http::endpoint::Endpoint;
use tollway_http::origin::Folder;
use tower::service_fn;

/// Longest title that a rendered page is given.
const TITLE_MAX: usize = 120;

/// The review: pages of a folder, a feed and a renderer beside them.
pub(super) fn review(site: &Path) -> Arc<dyn Endpoint> {
    let folder = Arc::new(Folder::new(site));
    let ticks = Arc::new(Ticks::default());
    Arc::new(service_fn(move |request: Request<Body>| {
        let (folder, ticks) = (Arc::clone(&folder), Arc::clone(&ticks));
        async move {
            let answer = match (request.method(), request.uri().path()) {
                (&Method::GET, "/feed/tick") => json_answer(&ticks.next()),
                (&Method::GET, "/browser/render") => json_answer(&rendered(request.uri().query().unwrap_or_default())),
                _ => folder.answer(request).await,
            };
            Ok::<_, std::convert::Infallible>(answer)
        }
    }))
}

/// A shop that sells one survey map.
pub(super) fn map_shop(name: &'static str, note: &'static str) -> Arc<dyn Endpoint> {
    Arc::new(service_fn(move |request: Request<Body>| {
        let answer = match request.uri().path() {
            "/maps/great-north-road" => json_answer(&json!({
                "title": "Survey of the Great North Road, sheet 7",
                "seller": name,
                "note": note,
                "scale": "one inch to the mile",
                "gates": ["Islington", "Highgate", "Barnet", "Hatfield", "Stevenage", "Baldock"],
            })),
            "/" => json_answer(&json!({"seller": name, "sells": ["/maps/great-north-road"]})),
            _ => not_found(),
        };
        ready(Ok::<_, std::convert::Infallible>(answer))
    }))
}

/// A walk of prices: the same for everyone, a step with each tick.
#[derive(Default)]
struct Ticks {
    count: AtomicU64,
}

impl Ticks {
    /// The next tick. A fixed scramble of its number moves the price, so that no two runs differ.
    fn next(&self) -> Value {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let wave = (0..=number % 64).fold(0_i64, |sum, step| {
            let bits = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
            sum + i64::try_from(bits).unwrap_or_default() - 7
        });
        let hundredths = 48_250 + wave * 3;
        let price = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        json!({"tick": number + 1, "pair": "TOLL/USD", "price": price})
    }
}

/// What a browser that renders pages would answer; this one knows the page's address only.
fn rendered(query: &str) -> Value {
    let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "url");
    let address: String = asked.map(|(_, value)| value.chars().take(TITLE_MAX).collect()).unwrap_or_default();
    json!({"url": address, "status": 200, "rendered": true, "title": format!("Rendered: {address}")})
}

fn json_answer(value: &Value) -> Response<Body> {
    let mut answer = Response::new(full(value.to_string()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn not_found() -> Response<Body> {
    let mut answer = Response::new(empty());
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_numbered_and_priced() {
        let ticks = Ticks::default();
        let (first, second) = (ticks.next(), ticks.next());
        assert_eq!((first["tick"].as_u64(), second["tick"].as_u64()), (Some(1), Some(2)));
        assert_ne!(first["price"], second["price"]);
    }

    #[test]
    fn a_rendered_page_is_named_and_its_name_is_bounded() {
        assert_eq!(rendered("url=https%3A%2F%2Fa.example%2F")["url"], "https://a.example/");
        let long = format!("url={}", "a".repeat(10_000));
        assert!(rendered(&long).to_string().len() < 1_000);
    }
}

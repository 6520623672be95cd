//! Answers of pages: HTML, text, CSV, JSON, and being sent elsewhere.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tollway_http::body::{Body, empty, full};

/// An HTML page.
pub fn html(text: String) -> Response<Body> {
    with_type(text.into(), "text/html; charset=utf-8")
}

/// A JSON value.
pub fn json(value: &serde_json::Value) -> Response<Body> {
    with_type(value.to_string().into(), "application/json")
}

/// Plain text.
pub fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = with_type(format!("{text}\n").into(), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

/// A CSV file to keep under `name`, which must be a plain file name of ours.
pub fn csv(name: &'static str, text: String) -> Response<Body> {
    let mut response = with_type(text.into(), "text/csv; charset=utf-8");
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// After a change: look at `path`, with GET.
pub fn see_other(path: &str) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let path = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, path);
    response
}

/// Bytes of a type.
pub fn with_type(bytes: Bytes, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

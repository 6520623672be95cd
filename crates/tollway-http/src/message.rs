//! HTTP messages as the signature base sees them (RFC 9421 section 2).

use http::HeaderMap;
use tollway_signatures::{Components, FieldLines};

/// A request: its line, its site, its fields.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// Method, as sent.
    pub method: &'a str,
    /// Scheme of the site, as the public knows it.
    pub scheme: &'a str,
    /// Authority of the site.
    pub authority: &'a str,
    /// Path and query, as sent.
    pub path_and_query: &'a str,
    /// Fields.
    pub headers: &'a HeaderMap,
}

/// A response and the request it answers.
pub struct ResponseView<'a> {
    /// Status code.
    pub status: u16,
    /// Fields.
    pub headers: &'a HeaderMap,
    /// The request.
    pub request: RequestView<'a>,
}

impl Components for RequestView<'_> {
    fn method(&self) -> Option<&str> {
        Some(self.method)
    }

    fn scheme(&self) -> Option<&str> {
        Some(self.scheme)
    }

    fn authority(&self) -> Option<&str> {
        Some(self.authority)
    }

    fn path_and_query(&self) -> Option<&str> {
        Some(self.path_and_query)
    }

    fn status(&self) -> Option<u16> {
        None
    }

    fn field(&self, name: &str) -> Option<FieldLines<'_>> {
        lines(self.headers, name)
    }

    fn request(&self) -> Option<&dyn Components> {
        None
    }
}

impl Components for ResponseView<'_> {
    fn method(&self) -> Option<&str> {
        None
    }

    fn scheme(&self) -> Option<&str> {
        None
    }

    fn authority(&self) -> Option<&str> {
        None
    }

    fn path_and_query(&self) -> Option<&str> {
        None
    }

    fn status(&self) -> Option<u16> {
        Some(self.status)
    }

    fn field(&self, name: &str) -> Option<FieldLines<'_>> {
        lines(self.headers, name)
    }

    fn request(&self) -> Option<&dyn Components> {
        Some(&self.request)
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Option<FieldLines<'a>> {
    FieldLines::collect(headers.get_all(name).iter().map(http::HeaderValue::as_bytes))
}

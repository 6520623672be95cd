//! Style and scripts, inside the binary: the same for everyone, known by a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use sha2::{Digest as _, Sha256};
use tollway_http::body::{Body, empty};

use crate::reply;

/// Where assets are served.
pub const PREFIX: &str = "/assets/";

/// One file: its name below [`PREFIX`], and its text.
pub type Source = (&'static str, &'static str);

/// What every page of the frame needs.
pub const FRAME: &[Source] = &[
    ("style.css", include_str!("assets/style.css")),
    ("frame.js", include_str!("assets/frame.js")),
    ("live.js", include_str!("assets/live.js")),
    ("mark.svg", include_str!("assets/mark.svg")),
];

/// Files that can be asked for.
pub struct Assets {
    files: Vec<File>,
}

struct File {
    name: &'static str,
    text: &'static str,
    tag: HeaderValue,
}

impl Assets {
    /// The frame's files, and these.
    pub fn new(more: &[Source]) -> Self {
        Self { files: FRAME.iter().chain(more).map(|(name, text)| File::new(name, text)).collect() }
    }

    /// Answers a request for a path below [`PREFIX`].
    pub fn answer(&self, head: &Parts) -> Response<Body> {
        let name = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let Some(file) = self.files.iter().find(|file| file.name == name) else {
            return reply::text(StatusCode::NOT_FOUND, "no such file");
        };
        let mut response = if head.headers.get(header::IF_NONE_MATCH) == Some(&file.tag) {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            reply::with_type(file.text.into(), kind(file.name))
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, file.tag.clone());
        // Asked about each time: another start may be another version.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl File {
    fn new(name: &'static str, text: &'static str) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]);
        let tag = HeaderValue::from_str(&format!("\"{hash}\"")).expect("base64url is a field value");
        Self { name, text, tag }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ask(path: &str, tag: Option<&HeaderValue>) -> Response<Body> {
        let mut request = Request::get(path).body(()).unwrap();
        if let Some(tag) = tag {
            request.headers_mut().insert(header::IF_NONE_MATCH, tag.clone());
        }
        Assets::new(&[("more.js", "export {};")]).answer(&request.into_parts().0)
    }

    #[test]
    fn a_file_is_known_by_its_hash() {
        let first = ask("/assets/style.css", None);
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        let tag = first.headers()[header::ETAG].clone();
        assert_eq!(ask("/assets/style.css", Some(&tag)).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(ask("/assets/more.js", Some(&tag)).status(), StatusCode::OK);
        assert_eq!(ask("/assets/../Cargo.toml", None).status(), StatusCode::NOT_FOUND);
    }

    /// With a page of a few dozen KiB, everything a browser loads stays below 150 KiB.
    #[test]
    fn the_frame_is_light() {
        let bytes: usize = FRAME.iter().map(|(_, text)| text.len()).sum();
        assert!(bytes < 40 << 10, "{bytes}");
    }
}

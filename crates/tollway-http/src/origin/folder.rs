//! A folder of files as an upstream.

use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::header::ETAG;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header as names};
use tower::Service;
use tower_http::services::ServeDir;

use super::memory::{Memory, Version};
use crate::body::{Body, boxed};

/// Serves files below a folder; `index.html` for folders; ranges and conditions included.
#[derive(Clone)]
pub struct Folder {
    root: Arc<Path>,
    files: ServeDir,
    memory: Arc<Memory>,
}

impl Folder {
    /// Files below `root`.
    pub fn new(root: &Path) -> Self {
        let files = ServeDir::new(root).with_buf_chunk_size(CHUNK);
        Self { root: root.into(), files, memory: Arc::default() }
    }

    /// A file that small ones are kept of: asked for as a whole, by a path that reads one way.
    fn plain(&self, request: &Request<Body>) -> Option<PathBuf> {
        let path = request.uri().path().strip_prefix('/')?;
        let whole =
            request.method() == Method::GET && !CONDITIONS.iter().any(|name| request.headers().contains_key(name));
        (whole && is_plain(path)).then(|| self.root.join(path))
    }
}

/// Bytes read at once from long files: each piece is a trip to another thread.
const CHUNK: usize = 256 << 10;

/// Fields that ask for less than the whole.
const CONDITIONS: [names::HeaderName; 6] = [
    names::RANGE,
    names::IF_RANGE,
    names::IF_MATCH,
    names::IF_NONE_MATCH,
    names::IF_MODIFIED_SINCE,
    names::IF_UNMODIFIED_SINCE,
];

/// Names of ordinary letters, none of which begins with a dot, and the last of which is there.
fn is_plain(path: &str) -> bool {
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    path.split('/').all(|name| !name.is_empty() && !name.starts_with('.') && name.bytes().all(ordinary))
}

impl Service<Request<Body>> for Folder {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let plain = self.plain(&request);
        if plain.is_some()
            && let Some(kept) = self.memory.answer(request.uri().path())
        {
            return Box::pin(std::future::ready(Ok(kept)));
        }
        let mut folder = self.clone();
        Box::pin(async move {
            let asked = request.uri().path().to_owned();
            let version = plain.and_then(|path| Some((Version::of(&path, SystemTime::now())?, path)));
            let mut response = folder.files.call(request).await?.map(boxed);
            name_version(response.status().is_success(), response.headers_mut());
            match version {
                Some((version, path)) => Ok(folder.memory.keep(&asked, path, version, response).await),
                None => Ok(response),
            }
        })
    }
}

/// A file's version is told by when it changed and how long it is: `Last-Modified` alone has whole
/// seconds only.
fn name_version(found: bool, headers: &mut HeaderMap) {
    if headers.contains_key(ETAG) || !found {
        return;
    }
    let field = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let (Some(changed), Some(length)) = (field(names::LAST_MODIFIED), field(names::CONTENT_LENGTH)) {
        let tag = format!("W/\"{length}-{}\"", changed.replace([' ', ',', ':'], ""));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::body::empty;

    async fn read(folder: &Folder, path: &str) -> (u16, String) {
        let request = Request::get(path).body(empty()).unwrap();
        let response = folder.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn write(path: &Path, text: &str, age: u64) {
        std::fs::write(path, text).unwrap();
        let changed = SystemTime::now() - std::time::Duration::from_secs(age);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
    }

    #[tokio::test]
    async fn what_changes_on_disk_changes_at_once_whether_kept_or_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let file = root.path().join("a.html");
        for age in [0, 3_600] {
            write(&file, "one", age);
            for _ in 0..3 {
                assert_eq!(read(&folder, "/a.html").await, (200, "one".to_owned()));
            }
            assert_eq!(folder.memory.answer("/a.html").is_some(), age > 0, "kept once it is settled");
            write(&file, "two", age);
            assert_eq!(read(&folder, "/a.html").await.1, "two");
            let other = root.path().join("b");
            write(&other, "six", age);
            std::fs::rename(&other, &file).unwrap();
            assert_eq!(read(&folder, "/a.html").await.1, "six");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read(&folder, "/a.html").await.0, 404);
    }

    #[test]
    fn only_names_that_read_one_way_are_kept() {
        for (path, plain) in [
            ("a/b.html", true),
            ("", false),
            ("a/", false),
            ("a//b", false),
            ("../a", false),
            ("a/.b", false),
            ("a%20b", false),
        ] {
            assert_eq!(is_plain(path), plain, "{path}");
        }
    }
}

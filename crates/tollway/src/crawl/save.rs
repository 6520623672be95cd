//! Pages on disk, below one directory. A file appears whole or not at all: it is written beside its place and renamed.
//!
//! It is not forced to the disk: after a power cut a page can be fetched again, what was paid for it is in the payer's
//! own journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use url::Url;

use super::names::{DISPLACED, page_path};

/// How names of unfinished files begin.
const PART: &str = ".part-";

/// Writes pages below a directory, from any number of threads.
#[derive(Debug)]
pub(crate) struct Saver {
    root: PathBuf,
    parts: AtomicU64,
    /// Held while a finished file is put in its place: two pages may want the same name, one as a file and one as a
    /// directory.
    placing: Mutex<()>,
}

impl Saver {
    /// Opens a directory, making it if it is not there. Unfinished files of a crawl that was killed are removed.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(PART)) && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { root, parts: AtomicU64::new(0), placing: Mutex::new(()) })
    }

    /// Writes the page at `url` and says where, relative to the directory. A page saved before is replaced.
    ///
    /// Where `/a` and `/a/b` are both pages, `/a` goes to `a/~index.html`, whichever came first. `record` is told the
    /// place just before the file is put there, and can still refuse.
    pub(crate) fn save(
        &self,
        url: &Url,
        body: &[u8],
        record: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<PathBuf> {
        let part = self.part();
        let saved = fs::write(&part, body).and_then(|()| self.place(&part, &page_path(url), record));
        if saved.is_err() {
            // The first error is the one worth telling.
            let _ = fs::remove_file(&part);
        }
        saved
    }

    /// The file of the page at `url`, where a whole one of so many bytes is there.
    pub(crate) fn find(&self, url: &Url, bytes: u64) -> Option<PathBuf> {
        let page = self.root.join(page_path(url));
        let moved = moved(&page);
        let places = [page.join(DISPLACED), page, moved];
        let whole = |place: &PathBuf| fs::metadata(place).is_ok_and(|meta| meta.is_file() && meta.len() == bytes);
        places.into_iter().find(whole)
    }

    /// A name for an unfinished file: no page's name starts with a dot.
    fn part(&self) -> PathBuf {
        let count = self.parts.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!("{PART}{}-{count}", std::process::id()))
    }

    fn place(&self, part: &Path, page: &Path, record: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut directory = self.root.clone();
        for name in page.parent().into_iter().flatten() {
            directory.push(name);
            self.make_directory(&directory)?;
        }
        let page = if self.root.join(page).is_dir() { page.join(DISPLACED) } else { page.to_owned() };
        record(&page)?;
        fs::rename(part, self.root.join(&page))?;
        Ok(page)
    }

    /// Makes a directory; a page that stands in its place moves into it.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) => finish_move(path),
            Err(_) if path.is_dir() => finish_move(path),
            Err(_) => {
                fs::rename(path, moved(path))?;
                fs::create_dir(path)?;
                finish_move(path)
            }
        }
    }
}

/// Where a page waits while the directory is made that takes its place. No page has such a name, and a crash in
/// between leaves it where it is found again.
fn moved(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from("~moved~");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn finish_move(directory: &Path) -> io::Result<()> {
    match fs::rename(moved(directory), directory.join(DISPLACED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn url(path: &str) -> Url {
        Url::parse("http://a.example").unwrap().join(path).unwrap()
    }

    fn files(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_page_is_saved_and_replaced() {
        let root = tempfile::tempdir().unwrap();
        let saver = Saver::open(root.path().join("new/out")).unwrap();
        for body in ["old", "new"] {
            assert_eq!(
                saver.save(&url("/docs/x"), body.as_bytes(), |_| Ok(())).unwrap(),
                Path::new("a.example/docs/x")
            );
            assert_eq!(fs::read_to_string(root.path().join("new/out/a.example/docs/x")).unwrap(), body);
        }
        assert_eq!(files(root.path()), ["new/out/a.example/docs/x"]);
    }

    #[test]
    fn file_and_directory_of_one_name_live_together_in_either_order() {
        for order in [["/a", "/a/b", "/a/"], ["/a/b", "/a/", "/a"], ["/a/", "/a", "/a/b"]] {
            let root = tempfile::tempdir().unwrap();
            let saver = Saver::open(root.path().to_owned()).unwrap();
            for path in order {
                saver.save(&url(path), path.as_bytes(), |_| Ok(())).unwrap();
            }
            assert_eq!(files(root.path()), ["a.example/a/b", "a.example/a/index.html", "a.example/a/~index.html"]);
            let read = |name: &str| fs::read_to_string(root.path().join("a.example/a").join(name)).unwrap();
            assert_eq!([read("b"), read("index.html"), read("~index.html")], ["/a/b", "/a/", "/a"]);
        }
    }

    #[test]
    fn a_failed_save_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let saver = Saver::open(root.path().to_owned()).unwrap();
        // A directory where the page's displaced file would go makes the last rename fail.
        fs::create_dir_all(root.path().join("a.example/x").join(DISPLACED)).unwrap();
        assert!(saver.save(&url("/x"), b"body", |_| Ok(())).is_err());
        assert_eq!(files(root.path()), [""; 0]);
        assert!(Saver::open(root.path().join("a.example/x")).is_ok());
        fs::write(root.path().join("file"), b"").unwrap();
        assert!(Saver::open(root.path().join("file")).is_err());
    }

    #[test]
    fn a_page_whose_record_is_refused_is_not_put_in_place() {
        let root = tempfile::tempdir().unwrap();
        let saver = Saver::open(root.path().to_owned()).unwrap();
        assert!(saver.save(&url("/x"), b"body", |_| Err(io::Error::other("full"))).is_err());
        assert_eq!(files(root.path()), [""; 0]);
    }

    #[test]
    fn what_a_kill_leaves_behind_is_mended() {
        let root = tempfile::tempdir().unwrap();
        let page = root.path().join("a.example/a");
        fs::create_dir_all(page.parent().unwrap()).unwrap();
        // Killed while a directory took the place of a page, and while another was written.
        fs::write(moved(&page), "/a").unwrap();
        fs::write(root.path().join(".part-1-1"), "half").unwrap();
        let saver = Saver::open(root.path().to_owned()).unwrap();
        assert_eq!(saver.find(&url("/a"), 2), Some(moved(&page)));
        saver.save(&url("/a/b"), b"/a/b", |_| Ok(())).unwrap();
        assert_eq!(files(root.path()), ["a.example/a/b", "a.example/a/~index.html"]);
        assert_eq!(saver.find(&url("/a"), 2), Some(page.join(DISPLACED)));
        assert_eq!((saver.find(&url("/a"), 3), saver.find(&url("/b"), 2)), (None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_page_is_found_again_inside_the_directory(paths in prop::collection::vec("(/[ab.~]{0,2}){1,4}", 1..12)) {
            let outer = tempfile::tempdir().unwrap();
            let root = outer.path().join("in/ner");
            let saver = Saver::open(root.clone()).unwrap();
            let mut model = BTreeMap::new();
            for (n, path) in paths.iter().enumerate() {
                let url = url(&format!("http://a.example{path}"));
                let saved = saver.save(&url, n.to_string().as_bytes(), |_| Ok(())).unwrap();
                prop_assert_eq!(&fs::read_to_string(root.join(saved)).unwrap(), &n.to_string());
                model.insert(page_path(&url), n.to_string());
            }
            for (name, body) in &model {
                let place = root.join(name);
                let place = if place.is_dir() { place.join(DISPLACED) } else { place };
                prop_assert_eq!(&fs::read_to_string(place).unwrap(), body);
            }
            let inside = files(outer.path());
            prop_assert_eq!(inside.len(), model.len());
            prop_assert!(inside.iter().all(|file| file.starts_with("in/ner/a.example/")));
        }
    }
}

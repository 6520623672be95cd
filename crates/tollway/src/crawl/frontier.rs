//! The queue of pages still to visit: breadth first, in the order found, each address once, bounded in every direction.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};
use url::Url;

use super::scope::canonical;

/// Bounds of a frontier. What does not fit is dropped and counted, never an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Addresses waiting at once.
    pub(crate) queued_max: usize,
    /// Bytes of the addresses waiting at once.
    pub(crate) queued_bytes_max: usize,
    /// Addresses ever taken in; each costs 16 bytes of memory for the rest of the crawl.
    pub(crate) seen_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queued_max: 1_000_000, queued_bytes_max: 256 << 20, seen_max: 4_000_000 }
    }
}

/// A page to visit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Canonical address.
    pub(crate) url: Url,
    /// Links between the start and this page.
    pub(crate) depth: u32,
    /// Redirects that led here without a page between.
    pub(crate) hops: u8,
}

/// What became of an address offered to the frontier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// It waits now.
    Queued,
    /// It was taken in before.
    Seen,
    /// There was no room; it may be offered again.
    Full,
}

/// The queue and the memory of everything that ever was in it.
#[derive(Debug)]
pub(crate) struct Frontier {
    limits: Limits,
    queue: VecDeque<Entry>,
    queued_bytes: usize,
    seen: HashSet<[u8; 16]>,
}

impl Frontier {
    /// An empty frontier.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, queue: VecDeque::new(), queued_bytes: 0, seen: HashSet::new() }
    }

    /// Puts an address at the end, unless it was here before or there is no room.
    pub(crate) fn push(&mut self, entry: Entry) -> Pushed {
        let entry = Entry { url: canonical(entry.url), ..entry };
        let mark = mark(&entry.url);
        if self.seen.contains(&mark) {
            return Pushed::Seen;
        }
        let bytes = self.queued_bytes.saturating_add(entry.url.as_str().len());
        if self.queue.len() >= self.limits.queued_max
            || self.seen.len() >= self.limits.seen_max
            || bytes > self.limits.queued_bytes_max
        {
            return Pushed::Full;
        }
        self.seen.insert(mark);
        self.queued_bytes = bytes;
        self.queue.push_back(entry);
        Pushed::Queued
    }

    /// Takes the address that waited longest.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = self.queue.pop_front()?;
        self.queued_bytes -= entry.url.as_str().len();
        Some(entry)
    }

    /// Addresses waiting.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// 16 bytes of a digest stand for the address: a site cannot craft two addresses that pass for one.
fn mark(url: &Url) -> [u8; 16] {
    let digest = Sha256::digest(url.as_str());
    let mut mark = [0; 16];
    mark.copy_from_slice(&digest[..16]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str) -> Entry {
        Entry { url: Url::parse(url).unwrap(), depth: 0, hops: 0 }
    }

    #[test]
    fn first_in_first_out_and_each_address_once() {
        let mut frontier = Frontier::new(Limits::default());
        let pushes = [
            ("http://a.example/1", Pushed::Queued),
            ("http://a.example/2#x", Pushed::Queued),
            ("http://a.example:80/1#again", Pushed::Seen),
            ("http://A.EXAMPLE/b/../2", Pushed::Seen),
            ("http://a.example/2?b=1&a=2", Pushed::Queued),
            ("http://a.example/2?a=2&b=1", Pushed::Queued),
            ("http://a.example/2?", Pushed::Queued),
            ("https://a.example/1", Pushed::Queued),
        ];
        for (url, expected) in pushes {
            assert_eq!(frontier.push(entry(url)), expected, "{url}");
        }
        let order: Vec<_> = std::iter::from_fn(|| frontier.pop()).map(|e| e.url.to_string()).collect();
        assert_eq!(
            order,
            [
                "http://a.example/1",
                "http://a.example/2",
                "http://a.example/2?b=1&a=2",
                "http://a.example/2?a=2&b=1",
                "http://a.example/2?",
                "https://a.example/1",
            ]
        );
        assert_eq!(frontier.push(entry("http://a.example/1")), Pushed::Seen);
    }

    #[test]
    fn a_full_queue_drops_and_takes_again_once_there_is_room() {
        let mut frontier = Frontier::new(Limits { queued_max: 1, ..Limits::default() });
        assert_eq!(frontier.push(entry("http://a.example/1")), Pushed::Queued);
        assert_eq!(frontier.push(entry("http://a.example/2")), Pushed::Full);
        assert_eq!(frontier.push(entry("http://a.example/1")), Pushed::Seen);
        frontier.pop();
        assert!(frontier.is_empty());
        assert_eq!(frontier.push(entry("http://a.example/2")), Pushed::Queued);
        assert_eq!(frontier.len(), 1);
    }

    #[test]
    fn bytes_and_memory_are_bounded_too() {
        let mut bytes = Frontier::new(Limits { queued_bytes_max: 40, ..Limits::default() });
        assert_eq!(bytes.push(entry("http://a.example/0123456789")), Pushed::Queued);
        assert_eq!(bytes.push(entry("http://a.example/x")), Pushed::Full);
        bytes.pop();
        assert_eq!(bytes.push(entry("http://a.example/x")), Pushed::Queued);

        let mut seen = Frontier::new(Limits { seen_max: 1, ..Limits::default() });
        assert_eq!(seen.push(entry("http://a.example/1")), Pushed::Queued);
        seen.pop();
        assert_eq!(seen.push(entry("http://a.example/2")), Pushed::Full);
    }
}

//! The queues of pages still to visit, one for each host: breadth first, in the order found, each address once, bounded
//! in every direction.

use std::collections::{HashMap, HashSet, VecDeque};

use sha2::{Digest, Sha256};
use url::Url;

use super::scope::{canonical, host_key};

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

/// What an address is visited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// To be kept, and read for links.
    Page,
    /// A sitemap, read for addresses only.
    Sitemap {
        /// Sitemap indexes that led to it.
        level: u8,
    },
}

/// An address to visit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Canonical address.
    pub(crate) url: Url,
    /// Links between the start and this page.
    pub(crate) depth: u32,
    /// Redirects that led here without a page between.
    pub(crate) hops: u8,
    /// What for.
    pub(crate) kind: Kind,
}

impl Entry {
    /// A page, so many links from the start.
    pub(crate) fn page(url: Url, depth: u32) -> Self {
        Self { url, depth, hops: 0, kind: Kind::Page }
    }

    /// A sitemap, so many indexes deep. What it lists counts as linked from the start.
    pub(crate) fn sitemap(url: Url, level: u8) -> Self {
        Self { url, depth: 0, hops: 0, kind: Kind::Sitemap { level } }
    }
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

/// The queues and the memory of everything that ever was in one.
#[derive(Debug)]
pub(crate) struct Frontier {
    limits: Limits,
    queues: Vec<VecDeque<Entry>>,
    hosts: HashMap<String, usize>,
    queued: usize,
    queued_bytes: usize,
    seen: HashSet<Mark>,
}

impl Frontier {
    /// An empty frontier.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, queues: Vec::new(), hosts: HashMap::new(), queued: 0, queued_bytes: 0, seen: HashSet::new() }
    }

    /// Puts an address at the end of its host's queue, unless it was here before or there is no room.
    pub(crate) fn push(&mut self, entry: Entry) -> Pushed {
        let entry = Entry { url: canonical(entry.url), ..entry };
        let mark = match entry.kind {
            Kind::Page => mark(&entry.url),
            // A sitemap may be linked as a page too.
            Kind::Sitemap { .. } => digest(&format!("sitemap {}", entry.url)),
        };
        if self.seen.contains(&mark) {
            return Pushed::Seen;
        }
        let bytes = self.queued_bytes.saturating_add(entry.url.as_str().len());
        if self.queued >= self.limits.queued_max
            || self.seen.len() >= self.limits.seen_max
            || bytes > self.limits.queued_bytes_max
        {
            return Pushed::Full;
        }
        self.seen.insert(mark);
        self.queued_bytes = bytes;
        self.queued += 1;
        let next = self.queues.len();
        let lane = *self.hosts.entry(host_key(&entry.url)).or_insert(next);
        if lane == next {
            self.queues.push(VecDeque::new());
        }
        self.queues[lane].push_back(entry);
        Pushed::Queued
    }

    /// Takes the address of a host that waited longest.
    pub(crate) fn pop(&mut self, lane: usize) -> Option<Entry> {
        let entry = self.queues.get_mut(lane)?.pop_front()?;
        self.queued -= 1;
        self.queued_bytes -= entry.url.as_str().len();
        Some(entry)
    }

    /// The address of a host that waits longest.
    pub(crate) fn front(&self, lane: usize) -> Option<&Entry> {
        self.queues.get(lane)?.front()
    }

    /// Hosts so far; they are numbered in the order found.
    pub(crate) fn lanes(&self) -> usize {
        self.queues.len()
    }

    /// Addresses waiting.
    pub(crate) fn len(&self) -> usize {
        self.queued
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0
    }
}

/// Stands for an address.
pub(crate) type Mark = [u8; 16];

/// 16 bytes of a digest stand for the address: a site cannot craft two addresses that pass for one.
pub(crate) fn mark(url: &Url) -> Mark {
    digest(url.as_str())
}

fn digest(text: &str) -> Mark {
    let digest = Sha256::digest(text);
    let mut mark = [0; 16];
    mark.copy_from_slice(&digest[..16]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str) -> Entry {
        Entry::page(Url::parse(url).unwrap(), 0)
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
        let order: Vec<_> = std::iter::from_fn(|| frontier.pop(0)).map(|e| e.url.to_string()).collect();
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
        frontier.pop(0);
        assert!(frontier.is_empty());
        assert_eq!(frontier.push(entry("http://a.example/2")), Pushed::Queued);
        assert_eq!(frontier.len(), 1);
    }

    #[test]
    fn bytes_and_memory_are_bounded_too() {
        let mut bytes = Frontier::new(Limits { queued_bytes_max: 40, ..Limits::default() });
        assert_eq!(bytes.push(entry("http://a.example/0123456789")), Pushed::Queued);
        assert_eq!(bytes.push(entry("http://a.example/x")), Pushed::Full);
        bytes.pop(0);
        assert_eq!(bytes.push(entry("http://a.example/x")), Pushed::Queued);

        let mut seen = Frontier::new(Limits { seen_max: 1, ..Limits::default() });
        assert_eq!(seen.push(entry("http://a.example/1")), Pushed::Queued);
        seen.pop(0);
        assert_eq!(seen.push(entry("http://a.example/2")), Pushed::Full);
    }

    #[test]
    fn each_host_has_a_queue_and_a_sitemap_is_not_the_page_of_its_address() {
        let mut frontier = Frontier::new(Limits::default());
        for url in ["http://a.example/1", "http://b.example/1", "https://a.example/2", "http://a.example:81/3"] {
            assert_eq!(frontier.push(entry(url)), Pushed::Queued);
        }
        assert_eq!(frontier.push(Entry::sitemap(Url::parse("http://b.example/1").unwrap(), 0)), Pushed::Queued);
        assert_eq!((frontier.lanes(), frontier.len()), (3, 5));
        let lane = |frontier: &mut Frontier, lane| -> Vec<String> {
            std::iter::from_fn(|| frontier.pop(lane)).map(|entry| entry.url.to_string()).collect()
        };
        assert_eq!(lane(&mut frontier, 0), ["http://a.example/1", "https://a.example/2"]);
        assert_eq!(lane(&mut frontier, 1), ["http://b.example/1", "http://b.example/1"]);
        assert_eq!(frontier.front(2).unwrap().url.port(), Some(81));
        assert!(frontier.pop(3).is_none());
    }
}

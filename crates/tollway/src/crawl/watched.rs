//! Watching a crawl in a browser: everything that is told goes to its page too.

use std::sync::Arc;

use tollway_pages::buying::{Buying, Done};
use tollway_protocol::Amount;

use super::page::{Outcome, PageEvent, Skip};
use super::progress::Progress;
use super::scope::host_key;

/// Tells a page, and another one who watches.
pub(crate) struct Watched {
    buying: Arc<Buying>,
    also: Arc<dyn Progress>,
}

impl Watched {
    pub(crate) fn new(buying: Arc<Buying>, also: Arc<dyn Progress>) -> Self {
        Self { buying, also }
    }
}

impl Progress for Watched {
    fn page(&self, event: &PageEvent) {
        self.buying.done(done(event));
        self.also.page(event);
    }

    fn queued(&self, count: usize) {
        self.buying.queued(u64::try_from(count).unwrap_or(u64::MAX));
        self.also.queued(count);
    }

    fn money(&self, charged: u128, left: Option<u128>) {
        self.buying.money(Amount::new(charged), left.map(Amount::new));
        self.also.money(charged, left);
    }

    fn finished(&self) {
        self.buying.finished();
        self.also.finished();
    }
}

fn done(event: &PageEvent) -> Done {
    let (outcome, bytes) = match &event.outcome {
        Outcome::Page { bytes, .. } => ("page".to_owned(), Some(*bytes)),
        Outcome::Kept { .. } => ("had already".to_owned(), None),
        Outcome::Sitemap { urls } => (format!("sitemap of {urls} addresses"), None),
        Outcome::Redirect { to } => (format!("leads to {to}"), None),
        Outcome::Skipped(skip) => (skipped(*skip), None),
        Outcome::TooLarge { max } => (format!("longer than {max} bytes"), None),
        Outcome::Failed(why) => (format!("failed: {why}"), None),
        Outcome::NotSaved(why) => (format!("not saved: {why}"), None),
        Outcome::Unknown { id } => (format!("promised, outcome not known: {id}"), None),
    };
    let quiet = matches!(
        event.outcome,
        Outcome::Page { .. } | Outcome::Kept { .. } | Outcome::Sitemap { .. } | Outcome::Redirect { .. }
    );
    Done {
        url: event.url.to_string().chars().take(500).collect(),
        host: host_key(&event.url),
        outcome: outcome.chars().take(300).collect(),
        is_page: bytes.is_some(),
        is_trouble: !quiet && !matches!(event.outcome, Outcome::Skipped(_)),
        bytes: bytes.unwrap_or_default(),
        charged: event.charged.as_ref().map(|charged| Amount::new(charged.amount)),
    }
}

fn skipped(skip: Skip) -> String {
    match skip {
        Skip::Robots => "robots.txt says no".to_owned(),
        Skip::OverMaxPrice { asked } => {
            format!("too dear: {}", crate::money::dollars(Amount::new(asked)))
        }
        Skip::BudgetExhausted => "the budget cannot carry it".to_owned(),
        Skip::OutOfScope => "leads out of the scope".to_owned(),
        Skip::QueueFull => "no room in the queue".to_owned(),
        Skip::HostBusy => "its host asks to be left alone for longer".to_owned(),
    }
}

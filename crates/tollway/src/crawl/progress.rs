//! Watching a crawl while it runs: a bar on a terminal, or nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::page::{Outcome, PageEvent};
use super::summary::usd;

/// Told what a crawl does, in the order in which it happens.
pub(crate) trait Progress: Send + Sync + 'static {
    /// A page is done, one way or another.
    fn page(&self, event: &PageEvent);

    /// So many addresses wait now.
    fn queued(&self, count: usize);

    /// So much is charged by now and, where known, so much may still be spent; micro-USD.
    fn money(&self, charged: u128, left: Option<u128>);

    /// The crawl is over.
    fn finished(&self);
}

/// Says nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silent;

impl Progress for Silent {
    fn page(&self, _event: &PageEvent) {}
    fn queued(&self, _count: usize) {}
    fn money(&self, _charged: u128, _left: Option<u128>) {}
    fn finished(&self) {}
}

/// A line on standard error with pages, speed and money, and one above it for each page that failed. Draws nothing
/// where standard error is not a terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    figures: Mutex<Figures>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    queued: usize,
    charged: u128,
    left: Option<u128>,
}

impl Bar {
    /// A bar on standard error.
    pub(crate) fn new() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {human_pos} pages  {per_sec}  {msg}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        if !bar.is_hidden() {
            // A crawl that keeps a long pause between pages shows that it is alive.
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self { bar, figures: Mutex::default() }
    }

    fn update(&self, change: impl FnOnce(&mut Figures)) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut figures);
        if !self.bar.is_hidden() {
            self.bar.set_message(figures.line());
        }
    }
}

impl Progress for Bar {
    fn page(&self, event: &PageEvent) {
        if matches!(event.outcome, Outcome::Page { .. }) {
            self.bar.inc(1);
        }
        if let Some(line) = trouble(event).filter(|_| !self.bar.is_hidden()) {
            self.bar.println(line);
        }
    }

    fn queued(&self, count: usize) {
        self.update(|figures| figures.queued = count);
    }

    fn money(&self, charged: u128, left: Option<u128>) {
        self.update(|figures| (figures.charged, figures.left) = (charged, left));
    }

    fn finished(&self) {
        self.bar.finish_and_clear();
    }
}

impl Figures {
    fn line(&self) -> String {
        let queued = HumanCount(u64::try_from(self.queued).unwrap_or(u64::MAX));
        let left = self.left.map(|left| format!(", {} left", usd(left))).unwrap_or_default();
        format!("{queued} queued  {} spent{left}", usd(self.charged))
    }
}

/// The line for a page that a person should know of. Sites have a say in its words, so terminal controls are taken out.
fn trouble(event: &PageEvent) -> Option<String> {
    let what = match &event.outcome {
        Outcome::Failed(why) | Outcome::NotSaved(why) => why.clone(),
        Outcome::Unknown { id } => format!("commitment {id} went out, its outcome is not known"),
        Outcome::TooLarge { max } => format!("longer than the {max} bytes that are read"),
        Outcome::Page { .. } | Outcome::Kept { .. } | Outcome::Sitemap { .. } => return None,
        Outcome::Redirect { .. } | Outcome::Skipped(_) => return None,
    };
    let line = format!("{}: {what}", event.url);
    Some(line.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn the_line_shows_queue_and_money() {
        let figures = Figures { queued: 12_345, charged: 12_300, left: None };
        assert_eq!(figures.line(), "12,345 queued  $0.0123 spent");
        assert_eq!(Figures { left: Some(987_700), ..figures }.line(), "12,345 queued  $0.0123 spent, $0.9877 left");
    }

    #[test]
    fn the_template_is_one_that_parses() {
        let bar = Bar::on(ProgressDrawTarget::hidden());
        let url = Url::parse("https://a.example/").unwrap();
        let outcome = Outcome::Page { bytes: 1, saved: None };
        bar.page(&PageEvent { url, outcome, charged: None });
        assert_eq!(bar.bar.position(), 1);
        assert!(ProgressStyle::with_template("{spinner} {human_pos} pages  {per_sec}  {msg}  {elapsed}").is_ok());
    }

    #[test]
    fn a_site_cannot_steer_the_terminal() {
        let event = |outcome| PageEvent { url: Url::parse("https://a.example/x").unwrap(), outcome, charged: None };
        let line = trouble(&event(Outcome::Failed("bad \u{1b}[2J\u{9b}31m\r\nnews".repeat(100)))).unwrap();
        assert!(line.starts_with("https://a.example/x: bad  [2J 31m  news"), "{line}");
        assert!(line.chars().count() == 400 && !line.contains(char::is_control));
        assert!(trouble(&event(Outcome::Unknown { id: "c1".into() })).unwrap().contains("c1"));
        assert_eq!(trouble(&event(Outcome::Redirect { to: Url::parse("https://a.example/y").unwrap() })), None);
    }
}

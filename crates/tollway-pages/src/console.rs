//! The console of a gateway: what was earned, by whom and for what; who may buy; which offers were refused and why.
//!
//! Figures marked *ledger* are sums over the journal up to the entry that the page names; those marked *counted* are
//! counters, which prove nothing.

mod agents;
mod desk;
pub mod figures;
mod health;
mod offers;
mod overview;
mod rules;
mod statements;
mod what_if;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use maud::{Markup, html};
use parking_lot::Mutex;
use tollway_core::clock::Clock;
use tollway_http::body::Body;
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_ledger::{BooksError, Moves};

pub use desk::{Change, ConsoleBooks, Counted, Desk, Explained, HealthRow, Question, RuleRow, Simulated, Weighed};

use crate::assets::{Assets, Source};
use crate::form::{Form, FormRefusal};
use crate::frame::{NavItem, Page, Tone, notice};
use crate::live::Hub;
use crate::reply;
use figures::Figures;

/// The scripts of the console.
const SCRIPTS: &[Source] = &[("console.js", include_str!("assets/console.js"))];
/// Entries read from the books at once.
const BATCH: usize = 500;
/// How often the books are looked at for what other processes wrote: a file tells nobody that it changed.
const LOOK: Duration = Duration::from_millis(500);
/// Events kept for who lost the connection.
const EVENTS: usize = 64;

const NAV: &[NavItem<'_>] = &[
    NavItem { path: "/", text: "Overview" },
    NavItem { path: "/agents", text: "Agents" },
    NavItem { path: "/offers", text: "Offers" },
    NavItem { path: "/statements", text: "Statements" },
    NavItem { path: "/rules", text: "Rules" },
    NavItem { path: "/what-if", text: "What if" },
    NavItem { path: "/health", text: "Health" },
];

/// The console over the books and a gateway's desk.
pub struct Console {
    books: Arc<dyn ConsoleBooks>,
    desk: Arc<dyn Desk>,
    clock: Arc<dyn Clock>,
    figures: Mutex<Figures>,
    reading: tokio::sync::Mutex<()>,
    hub: Hub,
}

/// Why a page could not be made: who must act differs.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// What was asked cannot be done; the words are for who asked.
    #[error("{0}")]
    Asked(String),
    /// There is no such page.
    #[error("there is no such page")]
    NotFound,
    /// The books did not answer.
    #[error(transparent)]
    Books(#[from] BooksError),
}

impl From<FormRefusal> for Failure {
    fn from(refusal: FormRefusal) -> Self {
        Self::Asked(refusal.to_string())
    }
}

type Answer = Result<Response<Body>, Failure>;

impl Console {
    /// A console; let [`Console::keep`] run beside it.
    pub fn new(books: Arc<dyn ConsoleBooks>, desk: Arc<dyn Desk>, clock: Arc<dyn Clock>) -> Self {
        let (figures, reading) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { books, desk, clock, figures, reading, hub: Hub::new(EVENTS) }
    }

    /// Style and scripts of the console.
    pub fn assets() -> Assets {
        Assets::new(SCRIPTS)
    }

    /// Follows the books and tells open pages, for ever.
    pub async fn keep(self: Arc<Self>) {
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match self.catch_up().await {
                Ok(true) => self.tell(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the console could not read the books"),
            }
        }
    }

    /// Ends open pages' live connections, so that a server can stop.
    pub fn close(&self) {
        self.hub.close();
    }

    /// Reads what is new in the journal; whether anything was.
    async fn catch_up(&self) -> Result<bool, BooksError> {
        // One reader at a time: no entry is summed twice.
        let _reading = self.reading.lock().await;
        let mut any = false;
        loop {
            let after = self.figures.lock().read_to;
            let read = self.books.moves(after, BATCH).await?;
            if read.read_to == after {
                return Ok(any);
            }
            any |= !read.moves.is_empty();
            self.sum_up(&read);
            tokio::task::yield_now().await;
        }
    }

    fn sum_up(&self, read: &Moves) {
        let mut figures = self.figures.lock();
        read.moves.iter().for_each(|step| figures.add(step));
        figures.read_to = read.read_to;
    }

    fn tell(&self) {
        let event = overview::event(&self.figures.lock(), self.clock.now());
        self.hub.publish("figures", &event);
    }

    async fn route(&self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if head.method == Method::POST {
            let form = Form::read(body).await?;
            return match path {
                "/agents" => agents::change(self, &form).await,
                _ => Err(Failure::NotFound),
            };
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            return Ok(reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET or POST"));
        }
        if path == "/live" {
            return Ok(self.hub.answer(&head.headers));
        }
        let form = Form::of_query(&head.uri)?;
        self.catch_up().await?;
        match path {
            "/" => overview::page(self, &form).await,
            "/revenue.csv" => Ok(overview::csv(self, &form)),
            "/series.csv" => Ok(overview::series_csv(self, &form)),
            "/figures.json" => Ok(overview::json(self)),
            "/agents" => agents::page(self, &form).await,
            "/agents.csv" => agents::csv(self).await,
            "/offers" => offers::page(self).await,
            "/offers.csv" => Ok(offers::csv(self).await),
            "/statements" => statements::page(self).await,
            "/statements.csv" => statements::csv(self).await,
            "/statement" => statements::lines_page(self, &form).await,
            "/statement.csv" => statements::lines_csv(self, &form).await,
            "/rules" => rules::page(self, &form),
            "/rules.csv" => Ok(rules::csv(self)),
            "/what-if" => what_if::page(self, &form).await,
            "/what-if.csv" => what_if::csv(self, &form).await,
            "/health" => health::page(self).await,
            "/health.csv" => Ok(health::csv(self).await),
            _ => Err(Failure::NotFound),
        }
    }
}

/// The console as what a server serves.
#[derive(Clone)]
pub struct ConsolePages(pub Arc<Console>);

impl Endpoint for ConsolePages {
    fn answer(&self, request: Request<Body>) -> Answering {
        let console = Arc::clone(&self.0);
        Box::pin(async move { console.route(request).await.unwrap_or_else(|failure| failure.page()) })
    }
}

impl Failure {
    fn page(&self) -> Response<Body> {
        let (status, title) = match self {
            Self::Asked(_) => (StatusCode::UNPROCESSABLE_ENTITY, "That cannot be done"),
            Self::NotFound => (StatusCode::NOT_FOUND, "No such page"),
            Self::Books(BooksError::Refused(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "The books say no"),
            Self::Books(_) => (StatusCode::SERVICE_UNAVAILABLE, "The books do not answer"),
        };
        let body = html! {
            (notice(Tone::Bad, &self.to_string()))
            p { a href="/" { "To the overview" } }
        };
        let mut response = reply::html(framed(title, "", "").render(&body));
        *response.status_mut() = status;
        response
    }
}

fn framed<'a>(title: &'a str, lede: &'a str, current: &'a str) -> Page<'a> {
    Page { product: "console", title, lede, nav: NAV, current, ..Page::default() }
}

/// The link under a table.
fn csv_link(path: &str) -> Markup {
    html! { p { a.small href=(path) download { "Download as CSV" } } }
}

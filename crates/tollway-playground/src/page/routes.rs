//! The page's addresses. Every change names its tab, and the tab has to be the session's own.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use tollway_http::body::Body;
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_pages::door::Session;
use tollway_pages::form::{FORM_MAX_BYTES, Form};
use tollway_pages::reply;
use tollway_protocol::Amount;

use super::tabs::{Tab, Tabs};
use super::{job, state, view};
use crate::agent::{Agent, Id};
use crate::gathered;
use crate::money::{cents, sum_in};
use crate::planner::{LlmOptions, Wish, grammar};

/// Steps that a fresh page shows.
const STEPS_SHOWN: usize = 60;
/// Pages of the browser scene, and what the trader may spend.
const SCENE_PAGES: u32 = 5;
const SCENE_CENTS: u128 = 5;
/// Most that may be paid without asking: a dollar.
const AUTOMATIC_MAX: u128 = 1_000_000;

/// Answers for the page.
#[derive(Clone)]
pub(super) struct Routes {
    agent: Arc<Agent>,
    tabs: Arc<Tabs>,
    llm: Option<LlmOptions>,
}

impl Routes {
    pub(super) fn new(agent: Arc<Agent>, tabs: Arc<Tabs>, llm: Option<LlmOptions>) -> Self {
        Self { agent, tabs, llm }
    }

    async fn route(self, request: Request<Body>) -> Response<Body> {
        let Some(session) = request.extensions().get::<Session>().map(|session| session.id) else {
            return reply::text(StatusCode::FORBIDDEN, "no session");
        };
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/") => self.page(session).await,
            (&Method::GET, "/step") => self.step(&Form::of_query(&head.uri).unwrap_or_default()),
            (&Method::GET, "/live") => match self.tab(session, &Form::of_query(&head.uri).unwrap_or_default()) {
                Some(tab) => tab.hub.answer(&head.headers),
                None => reply::text(StatusCode::NOT_FOUND, "no such tab"),
            },
            (&Method::POST, path) => {
                let body = gathered(body, FORM_MAX_BYTES).await.unwrap_or_default();
                let Ok(form) = Form::parse(&body) else {
                    return reply::text(StatusCode::BAD_REQUEST, "the form cannot be read");
                };
                match self.tab(session, &form) {
                    Some(tab) => self.change(path, &tab, &form).await,
                    None => reply::text(StatusCode::NOT_FOUND, "no such tab; load the page again"),
                }
            }
            _ => reply::text(StatusCode::NOT_FOUND, "there is no such page"),
        }
    }

    fn tab(&self, session: [u8; 16], form: &Form) -> Option<Arc<Tab>> {
        self.tabs.of(session, form.get("tab")?.parse::<Id>().ok()?)
    }

    async fn page(&self, session: [u8; 16]) -> Response<Body> {
        let tab = self.tabs.open(session);
        let wallet = match state::wallet(&self.agent).await {
            Ok(wallet) => wallet,
            Err(error) => return reply::text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        };
        let steps = self.agent.timeline().newest(STEPS_SHOWN);
        let model = self.llm.as_ref().map(|llm| llm.model.as_str());
        reply::html(view::page(&view::Shown { tab: tab.id, wallet: &wallet, agent: &self.agent, steps: &steps, model }))
    }

    /// One step, opened: as a part of the page, or as a page of its own.
    fn step(&self, form: &Form) -> Response<Body> {
        let event = form.get("id").and_then(|id| id.parse().ok()).and_then(|id| self.agent.timeline().event(id));
        let Some(event) = event else {
            return reply::text(StatusCode::NOT_FOUND, "this step is not remembered any more");
        };
        let opened = view::step(&event);
        if form.get("part").is_some() {
            return reply::html(opened.into_string());
        }
        reply::html(view::step_page(&event, &opened))
    }

    async fn change(&self, path: &str, tab: &Arc<Tab>, form: &Form) -> Response<Body> {
        match path {
            "/say" => self.say(tab, form.get("text").unwrap_or_default()),
            "/scene" => match scene(form.get("name").unwrap_or_default()) {
                Some(wish) => self.work(tab, wish),
                None => reply::text(StatusCode::BAD_REQUEST, "there is no such scene"),
            },
            "/close-day" => self.work(tab, Wish::CloseDay),
            "/decide" => self.decide(tab, form),
            "/automatic" => self.automatic(tab, form),
            "/faucet" => match self.agent.faucet().await {
                Ok(balance) => done(&format!("The faucet gave some: {}.", crate::money::dollars(balance))),
                Err(error) => reply::text(StatusCode::CONFLICT, &error.to_string()),
            },
            _ => reply::text(StatusCode::NOT_FOUND, "there is nothing to change here"),
        }
    }

    fn say(&self, tab: &Arc<Tab>, text: &str) -> Response<Body> {
        if text.is_empty() || text.len() > grammar::TEXT_MAX {
            return reply::text(StatusCode::BAD_REQUEST, "say something shorter");
        }
        let Some(busy) = tab.begin() else { return still_busy() };
        job::say(tab, "you", text, "");
        let (agent, tab, llm, text) = (Arc::clone(&self.agent), Arc::clone(tab), self.llm.clone(), text.to_owned());
        tokio::spawn(async move {
            job::hear(agent, tab, text, llm).await;
            drop(busy);
        });
        done("")
    }

    fn work(&self, tab: &Arc<Tab>, wish: Wish) -> Response<Body> {
        let Some(busy) = tab.begin() else { return still_busy() };
        let (agent, tab) = (Arc::clone(&self.agent), Arc::clone(tab));
        tokio::spawn(async move {
            job::perform(agent, tab, wish).await;
            drop(busy);
        });
        done("")
    }

    /// A card is decided by the tab that was asked, once.
    fn decide(&self, tab: &Tab, form: &Form) -> Response<Body> {
        let card = form.get("card").and_then(|card| card.parse::<Id>().ok());
        let yes = match form.get("yes") {
            Some("true") => true,
            Some("false") => false,
            _ => return reply::text(StatusCode::BAD_REQUEST, "yes is true or false"),
        };
        let decided = card.map(|card| self.agent.desk().decide(tab.id, card, yes));
        match decided {
            Some(Ok(())) => done(""),
            _ => reply::text(StatusCode::CONFLICT, "this payment is not to be decided here any more"),
        }
    }

    fn automatic(&self, tab: &Tab, form: &Form) -> Response<Body> {
        let Some(text) = form.filled("up_to") else {
            self.agent.desk().allow(tab.id, Amount::ZERO);
            return done("Every payment is asked about.");
        };
        match sum_in(text).filter(|sum| sum.get() <= AUTOMATIC_MAX) {
            Some(sum) => {
                self.agent.desk().allow(tab.id, sum);
                done(&format!("Payments up to {} in all are made without asking.", crate::money::dollars(sum)))
            }
            None => reply::text(StatusCode::BAD_REQUEST, "write a sum such as 0.05, of a dollar at most"),
        }
    }
}

impl Endpoint for Routes {
    fn answer(&self, request: Request<Body>) -> Answering {
        Box::pin(self.clone().route(request))
    }
}

/// The stories of the announcement, in one click.
fn scene(name: &str) -> Option<Wish> {
    match name {
        "sellers" => Some(Wish::Compare),
        "browser" => Some(Wish::Browse(SCENE_PAGES)),
        "trader" => Some(Wish::Watch(cents(SCENE_CENTS))),
        _ => None,
    }
}

fn done(text: &str) -> Response<Body> {
    reply::text(StatusCode::OK, text)
}

fn still_busy() -> Response<Body> {
    reply::text(StatusCode::CONFLICT, "the agent is still at work; decide the payment that waits, or let it finish")
}

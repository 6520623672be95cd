//! Asking on a local page: behind a door with a session, at an address that only this machine reaches. Its URL goes to
//! standard error, never to the agent, which could answer for its owner.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use maud::{Markup, html};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, oneshot};
use tollway_http::body::Body;
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_http::server::serve;
use tollway_mcp::buyer::{Confirm, Decision, Question};
use tollway_pages::assets::Assets;
use tollway_pages::door::Entrance;
use tollway_pages::form::Form;
use tollway_pages::frame::Page as Frame;
use tollway_pages::reply;

use crate::console;

/// Questions that wait at once.
const WAITING_MAX: usize = 64;
/// Seconds after which the page looks again.
const LOOK_AGAIN: HeaderValue = HeaderValue::from_static("2");

/// A page that begins to listen with the first question.
#[derive(Default)]
pub(super) struct Page {
    waiting: Arc<Waiting>,
    url: OnceCell<Option<String>>,
}

/// The questions without an answer.
#[derive(Default)]
struct Waiting(Mutex<BTreeMap<String, Asked>>);

struct Asked {
    question: Question,
    answer: oneshot::Sender<Decision>,
}

/// Takes a question from the page when nobody waits for it any more.
struct Shown<'a> {
    waiting: &'a Waiting,
    id: String,
}

#[async_trait]
impl Confirm for Page {
    async fn confirm(&self, question: Question) -> Decision {
        let Some(url) = self.url.get_or_init(|| listen(self.waiting.clone())).await else {
            return Decision::NobodyThere;
        };
        let Some((shown, answer)) = self.waiting.show(question) else { return Decision::NobodyThere };
        eprintln!("tollway: a payment waits for your word at {url}");
        let decision = answer.await.unwrap_or(Decision::Decline);
        drop(shown);
        decision
    }
}

impl Waiting {
    fn show(&self, question: Question) -> Option<(Shown<'_>, oneshot::Receiver<Decision>)> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (answer, decided) = oneshot::channel();
        let mut waiting = self.0.lock();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        waiting.insert(id.clone(), Asked { question, answer });
        Some((Shown { waiting: self, id }, decided))
    }

    fn decide(&self, id: &str, decision: Decision) -> bool {
        let asked = self.0.lock().remove(id);
        asked.is_some_and(|asked| asked.answer.send(decision).is_ok())
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.waiting.0.lock().remove(&self.id);
    }
}

/// Serves the page until the program ends; the URL to open.
async fn listen(waiting: Arc<Waiting>) -> Option<String> {
    let (listener, door) = match console::door(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &[]).await {
        Ok(bound) => bound,
        Err(error) => {
            eprintln!("tollway: no page to ask on: {error:#}");
            return None;
        }
    };
    let url = door.url();
    let entrance: Arc<dyn Endpoint> = Arc::new(Entrance::new(door, Assets::new(&[]), Arc::new(Questions(waiting))));
    tokio::spawn(serve(listener, entrance, console::options(), std::future::pending()));
    Some(url)
}

/// The page.
struct Questions(Arc<Waiting>);

impl Endpoint for Questions {
    fn answer(&self, request: Request<Body>) -> Answering {
        let waiting = Arc::clone(&self.0);
        Box::pin(async move {
            match (request.method(), request.uri().path()) {
                (&Method::GET | &Method::HEAD, "/") => page(&waiting),
                (&Method::POST, "/decide") => decided(&waiting, request.into_body()).await,
                _ => reply::text(StatusCode::NOT_FOUND, "no such page"),
            }
        })
    }
}

fn page(waiting: &Waiting) -> Response<Body> {
    let body = {
        let waiting = waiting.0.lock();
        html! {
            @if waiting.is_empty() { p { "Nothing waits to be paid." } }
            @for (id, asked) in waiting.iter() { (one(id, &asked.question)) }
        }
    };
    let lede = "An agent on this machine wants to pay for a tool. Nothing is signed before you say so.";
    let frame = Frame { product: "mcp pay", title: "Payments to confirm", lede, ..Frame::default() };
    let mut response = reply::html(frame.render(&body));
    response.headers_mut().insert(header::REFRESH, LOOK_AGAIN);
    response
}

fn one(id: &str, question: &Question) -> Markup {
    html! {
        section.card {
            p { (question) }
            form method="post" action="/decide" {
                input type="hidden" name="id" value=(id);
                button type="submit" name="decision" value="once" { "Pay once" }
                " "
                button type="submit" name="decision" value="always" { "Pay, and do not ask again for the same" }
                " "
                button type="submit" name="decision" value="decline" { "Do not pay" }
            }
        }
    }
}

async fn decided(waiting: &Waiting, body: Body) -> Response<Body> {
    let form = match Form::read(body).await {
        Ok(form) => form,
        Err(refusal) => return reply::text(StatusCode::BAD_REQUEST, &refusal.to_string()),
    };
    let decision = match form.get("decision") {
        Some("once") => Decision::Once,
        Some("always") => Decision::Always,
        Some("decline") => Decision::Decline,
        _ => return reply::text(StatusCode::BAD_REQUEST, "once, always or decline"),
    };
    if waiting.decide(form.get("id").unwrap_or_default(), decision) {
        return reply::see_other("/");
    }
    reply::text(StatusCode::GONE, "nobody waits for this answer any more")
}

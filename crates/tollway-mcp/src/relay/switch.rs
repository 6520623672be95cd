//! One session: two directions that do not wait for each other, and the requests that a hook has taken.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::Relay;
use super::hook::{Call, Hook, Lost};
use super::link::{FromServer, Inbound, Link, Outbound};
use super::message::{Id, Kind, Message};
use super::state::{Answered, Ask, Flight, State, Waiter};

/// Longest greeting of a client that is kept for hooks to read.
const GREETING_MAX: usize = 64 << 10;

/// A session.
pub(super) struct Switch {
    session: String,
    hook: Arc<dyn Hook>,
    in_flight: usize,
    to_client: mpsc::Sender<Outbound>,
    /// Gone once the client has left and nothing is under way.
    to_server: Mutex<Option<mpsc::Sender<Inbound>>>,
    state: Mutex<State>,
    /// Told whenever a request has ended.
    ended: Notify,
    client: OnceLock<Value>,
    version: Arc<OnceLock<String>>,
}

/// A client's side of a session.
pub(super) struct ClientSide {
    /// Names the session; ids of the relay's own requests begin with it.
    pub(super) session: String,
    pub(super) from: mpsc::Receiver<Inbound>,
    pub(super) to: mpsc::Sender<Outbound>,
    /// The version both sides agreed on, once they have.
    pub(super) version: Arc<OnceLock<String>>,
}

/// Runs a session until one side has left and what was under way is answered.
pub(super) async fn run(relay: &Relay, mut client: ClientSide, mut link: Link) {
    let switch = Arc::new(Switch {
        session: client.session,
        hook: Arc::clone(&relay.hook),
        in_flight: relay.limits.in_flight,
        to_client: client.to,
        to_server: Mutex::new(Some(link.to)),
        state: Mutex::default(),
        ended: Notify::new(),
        client: OnceLock::new(),
        version: client.version,
    });
    let inward = async {
        while let Some(inbound) = client.from.recv().await {
            switch.heard_client(inbound).await;
        }
        // The client has said all it wants to; what it asked is still answered.
        let _ = tokio::time::timeout(relay.limits.grace, switch.all_ended()).await;
        switch.to_server.lock().take();
    };
    let outward = async {
        while let Some(told) = link.from.recv().await {
            switch.heard_server(told).await;
        }
        switch.server_left().await;
        let _ = tokio::time::timeout(relay.limits.grace, switch.all_ended()).await;
    };
    // Inward ends by dropping the way to the server, which then leaves; a server that leaves ends the session.
    let mut outward = std::pin::pin!(outward);
    tokio::select! {
        () = inward => outward.await,
        () = &mut outward => {}
    }
    switch.hook.ended(&switch.session);
}

/// Ends when the request is cancelled; never if it is not.
pub(super) async fn cancelled(mut cancelled: watch::Receiver<bool>) {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Switch {
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    pub(super) fn client(&self) -> Option<Value> {
        self.client.get().cloned()
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.state.lock().flights.is_empty() {
                return;
            }
            ended.await;
        }
    }

    async fn heard_client(self: &Arc<Self>, inbound: Inbound) {
        match inbound.message.kind().clone() {
            Kind::Request { id, method } => self.asked(id, &method, inbound).await,
            Kind::Notification { method } if method == "notifications/cancelled" => self.cancelling(inbound).await,
            Kind::Notification { .. } => self.send(inbound).await,
            Kind::Response { id } => {
                let waiter = self.state.lock().asked_client.remove(&id);
                match waiter {
                    Some(ask) => drop(ask.waiter.send(Ok(inbound.message))),
                    None => self.send(inbound).await,
                }
            }
        }
    }

    async fn asked(self: &Arc<Self>, id: Id, method: &str, inbound: Inbound) {
        let params = inbound.message.params();
        if method == "initialize"
            && let Some(greeting) = inbound.message.fields().get("params").filter(|raw| raw.get().len() <= GREETING_MAX)
            && let Ok(greeting) = serde_json::from_str(greeting.get())
        {
            let _ = self.client.set(greeting);
        }
        let token = params.and_then(|params| params.object("_meta")).and_then(|meta| token(meta.get("progressToken")?));
        let held = self.hook.takes(&inbound.message);
        let (cancel, cancelled) = watch::channel(false);
        let flight = if held {
            Flight::Held { cancel, waiter: None, sent: false, token }
        } else {
            Flight::Passed { greets: method == "initialize", token }
        };
        if let Err((code, why)) = self.begin(&id, flight) {
            let message = Message::error(&id, code, why, None);
            return self.tell(Outbound::Message { message, about: Some(id) }).await;
        }
        if !held {
            return self.send(inbound).await;
        }
        let call = Call { switch: Arc::clone(self), request: inbound.message, headers: inbound.headers, cancelled };
        let switch = Arc::clone(self);
        tokio::spawn(async move {
            let hook = Arc::clone(&switch.hook);
            // In a task of its own: a panic in it is an answer here.
            let answer = tokio::spawn(async move { hook.handle(call).await }).await;
            let outbound = match answer {
                Ok(answer) => switch.outbound(&id, answer),
                Err(_) => {
                    let message = Message::error(&id, -32_603, "the relay failed over this request", None);
                    Outbound::Message { message, about: Some(id.clone()) }
                }
            };
            switch.state.lock().flights.remove(&id);
            switch.answer(outbound).await;
        });
    }

    fn begin(&self, id: &Id, flight: Flight) -> Result<(), (i64, &'static str)> {
        let mut state = self.state.lock();
        if state.left {
            return Err((-32_000, "the server has left"));
        }
        if state.flights.len() >= self.in_flight {
            return Err((-32_000, "too many requests are under way"));
        }
        if state.flights.contains_key(id) || id.json().contains(&self.session) {
            return Err((-32_600, "another request of this `id` is under way"));
        }
        state.flights.insert(id.clone(), flight);
        Ok(())
    }

    fn outbound(&self, id: &Id, answer: Result<Message, Lost>) -> Outbound {
        match answer {
            Ok(message) => {
                let message = if message.id() == Some(id) { message } else { message.answering(id) };
                Outbound::Message { message, about: Some(id.clone()) }
            }
            Err(Lost::Cancelled) => Outbound::Over { id: id.clone() },
            Err(Lost::Turned(turned)) => Outbound::Turned { id: id.clone(), turned: *turned },
            Err(lost) => {
                let message = Message::error(id, -32_000, &lost.to_string(), None);
                Outbound::Message { message, about: Some(id.clone()) }
            }
        }
    }

    async fn cancelling(&self, inbound: Inbound) {
        let id = inbound.message.params().and_then(|params| token(params.get("requestId")?));
        let (pass, over) = id.as_ref().map_or((true, false), |id| self.state.lock().cancel(id));
        if pass {
            self.send(inbound).await;
        }
        if let Some(id) = id.filter(|_| over) {
            self.tell(Outbound::Over { id }).await;
            self.ended.notify_waiters();
        }
    }

    async fn heard_server(&self, told: FromServer) {
        match told {
            FromServer::Turned { id, turned } => {
                let answered = self.state.lock().answered(&id);
                match answered {
                    Answered::Wanted(waiter) => drop(waiter.send(Err(Lost::Turned(Box::new(turned))))),
                    Answered::Pass { .. } => self.answer(Outbound::Turned { id, turned }).await,
                    Answered::Nobody => {}
                }
            }
            FromServer::Message { message, about } => match message.kind() {
                Kind::Response { id: Id::Null } => self.tell(Outbound::Message { message, about }).await,
                Kind::Response { id } => {
                    let (id, answered) = (id.clone(), self.state.lock().answered(id));
                    match answered {
                        Answered::Wanted(waiter) => drop(waiter.send(Ok(message))),
                        Answered::Pass { greets } => {
                            if greets
                                && let Some(version) = message.result_fields().and_then(|r| r.text("protocolVersion"))
                            {
                                let _ = self.version.set(version);
                            }
                            self.answer(Outbound::Message { message, about: Some(id) }).await;
                        }
                        Answered::Nobody => tracing::debug!("the server answered what nobody asks"),
                    }
                }
                Kind::Request { .. } | Kind::Notification { .. } => {
                    let progress = (message.method() == Some("notifications/progress"))
                        .then(|| token(message.params()?.get("progressToken")?))
                        .flatten();
                    let about = self.state.lock().about(about, progress.as_ref());
                    self.tell(Outbound::Message { message, about }).await;
                }
            },
        }
    }

    async fn server_left(&self) {
        self.to_server.lock().take();
        let over = self.state.lock().leave();
        for id in over {
            let message = Message::error(&id, -32_000, "the server has left; whether it acted is not known", None);
            self.tell(Outbound::Message { message, about: Some(id) }).await;
        }
        self.ended.notify_waiters();
    }

    async fn answer(&self, outbound: Outbound) {
        self.tell(outbound).await;
        self.ended.notify_waiters();
    }

    async fn tell(&self, outbound: Outbound) {
        // A client that has left is told nothing.
        let _ = self.to_client.send(outbound).await;
    }

    async fn send(&self, inbound: Inbound) {
        let to = self.to_server.lock().clone();
        if let Some(to) = to {
            // A server that has left is noticed where it is read.
            let _ = to.send(inbound).await;
        }
    }

    pub(super) async fn tell_client(&self, about: &Id, message: Message) {
        self.tell(Outbound::Message { message, about: Some(about.clone()) }).await;
    }

    pub(super) async fn forward(
        &self,
        message: Message,
        headers: HeaderMap,
        cancel: watch::Receiver<bool>,
    ) -> Result<Message, Lost> {
        let (waiter, answer) = oneshot::channel();
        let id = message.id().expect("only requests are taken").clone();
        self.sent_on(&id, waiter)?;
        self.send(Inbound { message, headers }).await;
        tokio::select! {
            answer = answer => answer.unwrap_or(Err(Lost::Left)),
            () = cancelled(cancel) => Err(Lost::Cancelled),
        }
    }

    fn sent_on(&self, id: &Id, wait: Waiter) -> Result<(), Lost> {
        let mut state = self.state.lock();
        if state.left {
            return Err(Lost::Left);
        }
        match state.flights.get_mut(id) {
            Some(Flight::Held { waiter, sent, cancel, .. }) if !*sent => {
                if *cancel.borrow() {
                    return Err(Lost::Cancelled);
                }
                *waiter = Some(wait);
                *sent = true;
                Ok(())
            }
            _ => Err(Lost::Left),
        }
    }

    pub(super) async fn ask_server(
        &self,
        about: &Id,
        method: &str,
        params: &Value,
        headers: HeaderMap,
        cancel: watch::Receiver<bool>,
    ) -> Result<Message, Lost> {
        let (id, answer) = self.ask(about, |state| &mut state.asked_server)?;
        let message = Message::request(&id, method, params);
        self.send(Inbound { message, headers: headers.clone() }).await;
        tokio::select! {
            answer = answer => answer.unwrap_or(Err(Lost::Left)),
            () = cancelled(cancel) => {
                self.state.lock().asked_server.remove(&id);
                let params = serde_json::json!({ "requestId": id.value() });
                self.send(Inbound { message: Message::notification("notifications/cancelled", &params), headers }).await;
                Err(Lost::Cancelled)
            }
        }
    }

    pub(super) async fn ask_client(
        &self,
        about: &Id,
        method: &str,
        params: &Value,
        cancel: watch::Receiver<bool>,
    ) -> Result<Message, Lost> {
        let (id, answer) = self.ask(about, |state| &mut state.asked_client)?;
        let forget = Forget { switch: self, id: &id };
        self.tell_client(about, Message::request(&id, method, params)).await;
        let answer = tokio::select! {
            answer = answer => answer.unwrap_or(Err(Lost::Left)),
            () = cancelled(cancel) => Err(Lost::Cancelled),
            () = self.to_client.closed() => Err(Lost::Left),
        };
        drop(forget);
        answer
    }

    fn ask(
        &self,
        about: &Id,
        which: impl FnOnce(&mut State) -> &mut std::collections::HashMap<Id, Ask>,
    ) -> Result<(Id, oneshot::Receiver<Result<Message, Lost>>), Lost> {
        let (waiter, answer) = oneshot::channel();
        let mut state = self.state.lock();
        if state.left {
            return Err(Lost::Left);
        }
        state.asked += 1;
        let id = Id::Text(format!("{}-{}", self.session, state.asked));
        let asks = which(&mut state);
        if asks.len() >= self.in_flight {
            return Err(Lost::TooMany);
        }
        asks.insert(id.clone(), Ask { waiter, about: about.clone() });
        Ok((id, answer))
    }
}

/// A question to the client that nobody waits for any more is forgotten.
struct Forget<'a> {
    switch: &'a Switch,
    id: &'a Id,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.switch.state.lock().asked_client.remove(self.id);
    }
}

/// A progress token or the id of a request, as a member holds it.
fn token(raw: &serde_json::value::RawValue) -> Option<Id> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok().map(Id::Text),
        b'-' | b'0'..=b'9' => Some(Id::Number(text.to_owned())),
        _ => None,
    }
}

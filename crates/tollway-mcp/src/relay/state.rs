//! What a relay remembers of one session: requests under way, and who waits for their answers.

use std::collections::HashMap;

use tokio::sync::{oneshot, watch};

use super::hook::Lost;
use super::message::{Id, Message};

/// Who gets an answer.
pub(super) type Waiter = oneshot::Sender<Result<Message, Lost>>;

/// A request of the client.
pub(super) enum Flight {
    /// It was passed on: so is its answer.
    Passed {
        /// Whether it opens the session.
        greets: bool,
        /// The token its progress is told under.
        token: Option<Id>,
    },
    /// A hook has taken it.
    Held {
        /// Tells the hook that it was cancelled.
        cancel: watch::Sender<bool>,
        /// Waits for the server's answer.
        waiter: Option<Waiter>,
        /// Whether the server has been sent it.
        sent: bool,
        /// The token its progress is told under.
        token: Option<Id>,
    },
}

/// A request of the relay's own.
pub(super) struct Ask {
    /// Waits for the answer.
    pub(super) waiter: Waiter,
    /// The client's request for whose sake it is asked.
    pub(super) about: Id,
}

/// Everything under way in a session.
#[derive(Default)]
pub(super) struct State {
    pub(super) flights: HashMap<Id, Flight>,
    pub(super) asked_server: HashMap<Id, Ask>,
    pub(super) asked_client: HashMap<Id, Ask>,
    pub(super) asked: u64,
    /// The server has left.
    pub(super) left: bool,
}

/// What is done with an answer of the server.
pub(super) enum Answered {
    /// It goes to the client.
    Pass {
        /// Whether it greets.
        greets: bool,
    },
    /// Somebody here waits for it.
    Wanted(Waiter),
    /// Nobody waits for it.
    Nobody,
}

impl State {
    /// The server has answered a request.
    pub(super) fn answered(&mut self, id: &Id) -> Answered {
        if let Some(ask) = self.asked_server.remove(id) {
            return Answered::Wanted(ask.waiter);
        }
        match self.flights.get_mut(id) {
            Some(Flight::Held { waiter, .. }) => waiter.take().map_or(Answered::Nobody, Answered::Wanted),
            Some(Flight::Passed { greets, .. }) => {
                let greets = *greets;
                self.flights.remove(id);
                Answered::Pass { greets }
            }
            None => Answered::Nobody,
        }
    }

    /// The client's request that a message of the server belongs to: that of whose stream it came in, that of whose
    /// progress it tells.
    pub(super) fn about(&self, stream: Option<Id>, progress: Option<&Id>) -> Option<Id> {
        if let Some(id) = stream {
            return Some(self.asked_server.get(&id).map_or(id, |ask| ask.about.clone()));
        }
        let told = progress?;
        let token = |flight: &Flight| match flight {
            Flight::Passed { token, .. } | Flight::Held { token, .. } => token.as_ref() == Some(told),
        };
        self.flights.iter().find(|(_, flight)| token(flight)).map(|(id, _)| id.clone())
    }

    /// The client cancels a request. Whether the server has to hear of it, and whether the request is over with that.
    pub(super) fn cancel(&mut self, id: &Id) -> (bool, bool) {
        match self.flights.get_mut(id) {
            Some(Flight::Held { cancel, sent, .. }) => {
                cancel.send_replace(true);
                (*sent, false)
            }
            Some(Flight::Passed { .. }) => {
                self.flights.remove(id);
                (true, true)
            }
            None => (true, false),
        }
    }

    /// The server has left: those who wait here are told, and the requests that were passed on are handed out.
    pub(super) fn leave(&mut self) -> Vec<Id> {
        self.left = true;
        let asks = self.asked_server.drain().map(|(_, ask)| ask.waiter);
        let held = self.flights.values_mut().filter_map(|flight| match flight {
            Flight::Held { waiter, .. } => waiter.take(),
            Flight::Passed { .. } => None,
        });
        for waiter in asks.chain(held) {
            let _ = waiter.send(Err(Lost::Left));
        }
        let passed = |flight: &Flight| matches!(flight, Flight::Passed { .. });
        let over: Vec<Id> = self.flights.iter().filter(|(_, f)| passed(f)).map(|(id, _)| id.clone()).collect();
        self.flights.retain(|_, flight| !passed(flight));
        over
    }
}

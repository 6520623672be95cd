//! A stage with an agent whose questions are answered by a rule.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tollway_playground::agent::{Agent, Card, Id, Told};
use tollway_playground::stage::Stage;
use tollway_playground::trace::Timeline;

/// How questions are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    Yes,
    No,
}

pub(crate) struct Rig {
    pub(crate) agent: Arc<Agent>,
    pub(crate) timeline: Timeline,
    pub(crate) tab: Id,
    pub(crate) cards: Arc<Mutex<Vec<Card>>>,
}

impl Rig {
    pub(crate) async fn new(person: Person) -> Self {
        let timeline = Timeline::new(Arc::new(|| 1));
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tollway/site");
        let stage = Arc::new(Stage::start(&site, &timeline).await.unwrap());
        let cards = Arc::new(Mutex::new(Vec::new()));
        let cell: Arc<OnceLock<Arc<Agent>>> = Arc::default();
        let (asked, answering) = (Arc::clone(&cards), Arc::clone(&cell));
        let voice = Arc::new(move |tab: Id, told: Told| {
            let Told::Card(card) = told else { return };
            let id = card.id;
            asked.lock().push(card);
            // A limit may have decided already.
            let _ = answering.get().unwrap().desk().decide(tab, id, person == Person::Yes);
        });
        let agent = Arc::new(Agent::new(stage, timeline.clone(), voice, Duration::from_secs(20)).unwrap());
        assert!(cell.set(Arc::clone(&agent)).is_ok());
        Self { agent, timeline, tab: Id::random(), cards }
    }

    /// How many payments a person was asked about, or a limit decided.
    pub(crate) fn asked(&self) -> usize {
        self.cards.lock().len()
    }

    pub(crate) async fn balance(&self) -> u128 {
        self.agent.balance().await.unwrap().get()
    }

    pub(crate) async fn owed(&self) -> u128 {
        self.agent.owed().await.unwrap().get()
    }
}

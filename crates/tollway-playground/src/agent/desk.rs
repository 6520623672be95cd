//! The desk where payments wait for a yes. Each card belongs to one browser tab, is decided once, and is a no when its
//! time is over. A tab may say beforehand up to which sum a yes is meant.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::oneshot;
use tollway_protocol::Amount;

use super::Id;
use crate::trace::Scheme;

/// Cards that wait at once, in all tabs.
const WAITING_MAX: usize = 64;

/// What a person decides about: a copy, which nobody can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its name.
    pub id: Id,
    /// What is bought.
    pub resource: String,
    /// From whom.
    pub seller: String,
    /// How much at most.
    pub amount: String,
    /// Whether it is a ceiling for many payments, and of how much each; `None` for one payment.
    pub each: Option<String>,
    /// How.
    pub scheme: Scheme,
    /// Where it settles.
    pub network: String,
    /// Whom it pays, as the network writes it.
    pub pay_to: String,
    /// What would be left of the budget afterwards.
    pub budget_left: String,
    /// Seconds until it is a no.
    pub seconds: u64,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is bought.
    pub resource: String,
    /// From whom.
    pub seller: String,
    /// How much at most, in micro-dollars.
    pub amount: Amount,
    /// Of how much each, where it is a ceiling for many payments.
    pub each: Option<Amount>,
    /// How.
    pub scheme: Scheme,
    /// Where it settles.
    pub network: String,
    /// Whom it pays.
    pub pay_to: String,
    /// What would be left of the budget afterwards, in micro-dollars.
    pub budget_left: Amount,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A person said yes.
    Confirmed,
    /// It is within what a person has allowed beforehand.
    Automatic,
    /// A person said no.
    Declined,
    /// Nobody said anything in time.
    TimedOut,
    /// The budget does not hold it: nobody was asked.
    OverBudget,
}

impl Decision {
    /// Whether it may be paid.
    pub fn is_yes(self) -> bool {
        matches!(self, Self::Confirmed | Self::Automatic)
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Automatic => "paid automatically, within the limit",
            Self::Declined => "User declined payment",
            Self::TimedOut => "nobody confirmed in time",
            Self::OverBudget => "over the budget",
        }
    }
}

/// There is no such card for this tab: it was decided, its time is over, or it is another tab's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such payment to decide here")]
pub struct NoSuchCard;

/// What a tab is told.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Told {
    /// A card to decide.
    Card(Card),
    /// A card was decided.
    Decided {
        /// Which.
        id: Id,
        /// How.
        decision: Decision,
        /// What is left of the automatic limit, where there is one.
        automatic_left: Option<String>,
    },
}

/// Tells tabs.
pub type Voice = Arc<dyn Fn(Id, Told) + Send + Sync>;

/// Payments that wait.
pub struct Desk {
    state: Mutex<State>,
    voice: Voice,
    wait: Duration,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Id, Waiting>,
    automatic: HashMap<Id, Amount>,
}

struct Waiting {
    tab: Id,
    answer: oneshot::Sender<bool>,
}

impl Desk {
    /// A desk that waits so long for a yes.
    pub fn new(voice: Voice, wait: Duration) -> Self {
        Self { state: Mutex::default(), voice, wait }
    }

    /// Asks a tab, unless it has allowed as much beforehand.
    pub async fn ask(&self, tab: Id, question: &Question) -> Decision {
        let id = Id::random();
        if let Some(left) = self.take_automatic(tab, question.amount) {
            (self.voice)(tab, Told::Card(self.card(id, question)));
            return self.told(tab, id, Decision::Automatic, Some(left));
        }
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.waiting.len() >= WAITING_MAX {
                return Decision::TimedOut;
            }
            state.waiting.insert(id, Waiting { tab, answer });
        }
        // Whoever asks may go away: the card goes with it.
        let _gone = Remove { desk: self, id };
        (self.voice)(tab, Told::Card(self.card(id, question)));
        let decision = match tokio::time::timeout(self.wait, answered).await {
            Ok(Ok(true)) => Decision::Confirmed,
            Ok(Ok(false)) => Decision::Declined,
            Ok(Err(_)) | Err(_) => Decision::TimedOut,
        };
        self.told(tab, id, decision, None)
    }

    /// A person decides. Only the tab that was asked can, and only once.
    ///
    /// # Errors
    /// [`NoSuchCard`].
    pub fn decide(&self, tab: Id, card: Id, yes: bool) -> Result<(), NoSuchCard> {
        let mut state = self.state.lock();
        if state.waiting.get(&card).is_none_or(|waiting| waiting.tab != tab) {
            return Err(NoSuchCard);
        }
        let waiting = state.waiting.remove(&card).ok_or(NoSuchCard)?;
        waiting.answer.send(yes).map_err(|_| NoSuchCard)
    }

    /// From now on this tab's payments are made without asking until they come to `up_to`; zero asks every time.
    pub fn allow(&self, tab: Id, up_to: Amount) {
        let mut state = self.state.lock();
        if up_to == Amount::ZERO {
            state.automatic.remove(&tab);
        } else {
            state.automatic.insert(tab, up_to);
        }
    }

    /// A tab is gone: its limit and its cards are, too.
    pub fn forget(&self, tab: Id) {
        let mut state = self.state.lock();
        state.automatic.remove(&tab);
        state.waiting.retain(|_, waiting| waiting.tab != tab);
    }

    /// Takes a sum off the automatic limit, whole or not at all.
    fn take_automatic(&self, tab: Id, amount: Amount) -> Option<Amount> {
        let mut state = self.state.lock();
        let left = state.automatic.get_mut(&tab)?;
        *left = left.checked_sub(amount)?;
        Some(*left)
    }

    fn told(&self, tab: Id, id: Id, decision: Decision, left: Option<Amount>) -> Decision {
        let automatic_left = left.map(crate::money::dollars);
        (self.voice)(tab, Told::Decided { id, decision, automatic_left });
        decision
    }

    fn card(&self, id: Id, question: &Question) -> Card {
        Card {
            id,
            resource: question.resource.clone(),
            seller: question.seller.clone(),
            amount: crate::money::dollars(question.amount),
            each: question.each.map(crate::money::dollars),
            scheme: question.scheme,
            network: question.network.clone(),
            pay_to: question.pay_to.clone(),
            budget_left: crate::money::dollars(question.budget_left),
            seconds: self.wait.as_secs(),
        }
    }
}

/// Takes a card off the desk when nobody waits for it any more.
struct Remove<'a> {
    desk: &'a Desk,
    id: Id,
}

impl Drop for Remove<'_> {
    fn drop(&mut self) {
        self.desk.state.lock().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(micro: u128) -> Question {
        Question {
            resource: "GET /a".into(),
            seller: "shop".into(),
            amount: Amount::new(micro),
            each: None,
            scheme: Scheme::Exact,
            network: "eip155:84532".into(),
            pay_to: "0x00".into(),
            budget_left: Amount::new(1),
        }
    }

    type Heard = Mutex<Vec<(Id, Told)>>;

    /// A desk whose cards land in a list.
    fn desk(wait: Duration) -> (Arc<Desk>, Arc<Heard>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&told);
        let voice: Voice = Arc::new(move |tab, what| ears.lock().push((tab, what)));
        (Arc::new(Desk::new(voice, wait)), told)
    }

    fn first_card(told: &Heard) -> Option<Id> {
        told.lock().iter().find_map(|(_, told)| match told {
            Told::Card(card) => Some(card.id),
            Told::Decided { .. } => None,
        })
    }

    async fn asked(desk: &Arc<Desk>, told: &Heard, tab: Id) -> (tokio::task::JoinHandle<Decision>, Id) {
        let asking = Arc::clone(desk);
        let task = tokio::spawn(async move { asking.ask(tab, &question(5)).await });
        let card = loop {
            if let Some(card) = first_card(told) {
                break card;
            }
            tokio::task::yield_now().await;
        };
        (task, card)
    }

    #[tokio::test]
    async fn a_card_is_decided_once_and_by_its_own_tab() {
        let (desk, told) = desk(Duration::from_secs(60));
        let (tab, other) = (Id::random(), Id::random());
        let (task, card) = asked(&desk, &told, tab).await;
        assert_eq!(desk.decide(other, card, true), Err(NoSuchCard), "another tab");
        assert_eq!(desk.decide(tab, Id::random(), true), Err(NoSuchCard), "another card");
        assert_eq!(desk.decide(tab, card, true), Ok(()));
        assert_eq!(desk.decide(tab, card, true), Err(NoSuchCard), "twice");
        assert_eq!(task.await.unwrap(), Decision::Confirmed);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_answer_in_time_has_said_no() {
        let (desk, told) = desk(Duration::from_secs(60));
        let tab = Id::random();
        assert_eq!(desk.ask(tab, &question(5)).await, Decision::TimedOut);
        let card = first_card(&told).unwrap();
        assert_eq!(desk.decide(tab, card, true), Err(NoSuchCard));
    }

    #[tokio::test(start_paused = true)]
    async fn automatic_payments_end_at_the_limit() {
        let (desk, _) = desk(Duration::from_secs(1));
        let tab = Id::random();
        desk.allow(tab, Amount::new(12));
        let yes = [desk.ask(tab, &question(5)).await, desk.ask(tab, &question(5)).await];
        assert_eq!(yes, [Decision::Automatic; 2]);
        assert_eq!(desk.ask(tab, &question(5)).await, Decision::TimedOut, "asked, as only 2 are left");
        assert_eq!(desk.ask(Id::random(), &question(1)).await, Decision::TimedOut, "the limit is this tab's");
        desk.allow(tab, Amount::ZERO);
        assert_eq!(desk.ask(tab, &question(1)).await, Decision::TimedOut);
    }
}

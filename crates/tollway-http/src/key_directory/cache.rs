//! What is remembered of agents: the last good directory of each, and the last failure since. A
//! failure evicts nothing, a good directory without a key evicts the key, and the whole is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{AgentUrl, Directory, PublicKey, Thumbprint};

use super::fetch::Fetched;

/// Between two fetches because of a key the directory did not hold. It bounds what invented thumbprints can cause.
const MISSING_KEY_PAUSE: u64 = 60;
/// After a directory could not be reached.
const UNREACHABLE_PAUSE: u64 = 10;
/// After a directory was reached and was wrong.
const WRONG_PAUSE: u64 = 60;

/// The bounded memory.
#[derive(Debug)]
pub(super) struct Cache {
    agents: HashMap<AgentUrl, Entry>,
    weight: usize,
    weight_max: usize,
    stale_max: u64,
}

/// What the memory says about one key.
#[derive(Debug)]
pub(super) enum Judgement {
    /// This is the answer.
    Settled(Result<PublicKey, Refusal>),
    /// The directory has to be asked.
    Due {
        /// The answer until then, or if it cannot be asked.
        held: Option<Result<PublicKey, Refusal>>,
        /// Whether keys of this agent are held.
        known: bool,
        /// Whether the last fetch failed.
        retried: bool,
    },
}

/// How a fetch ended, for all who waited for it: the keys held now, and what went wrong.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    keys: Option<Arc<AgentKeys>>,
    refusal: Option<Refusal>,
}

/// The last good directory of an agent.
#[derive(Debug)]
struct AgentKeys {
    directory: Directory,
    fetched_at: u64,
    fresh_until: u64,
}

#[derive(Debug, Default)]
struct Entry {
    keys: Option<Arc<AgentKeys>>,
    failed: Option<Failed>,
    used: u64,
}

/// A fetch after the last good one.
#[derive(Debug)]
struct Failed {
    refusal: Refusal,
    retry_at: u64,
}

impl Cache {
    /// Room for `weight_max` keys; keys are used for `stale_max` seconds after the last good fetch.
    pub(super) fn new(weight_max: usize, stale_max: u64) -> Self {
        Self { agents: HashMap::new(), weight: 0, weight_max, stale_max }
    }

    /// What is known of the agent's key at `now`.
    pub(super) fn judge(&mut self, agent: &AgentUrl, keyid: &Thumbprint, now: u64) -> Judgement {
        let Some(entry) = self.agents.get_mut(agent) else {
            return Judgement::Due { held: None, known: false, retried: false };
        };
        entry.used = now;
        entry.judge(keyid, now, self.stale_max)
    }

    /// Remembers how a fetch ended at `now`.
    pub(super) fn settle(&mut self, agent: &AgentUrl, fetched: Result<Fetched, Refusal>, now: u64) -> Outcome {
        let before = self.agents.remove(agent);
        self.weight -= before.as_ref().map_or(0, Entry::weight);
        let mut entry = before.unwrap_or_default();
        entry.used = now;
        entry.settle(fetched, now, self.stale_max);
        let outcome =
            Outcome { keys: entry.keys.clone(), refusal: entry.failed.as_ref().map(|failed| failed.refusal.clone()) };
        self.make_room(entry.weight());
        self.weight += entry.weight();
        self.agents.insert(agent.clone(), entry);
        outcome
    }

    /// Forgets agents without keys first, then those nobody asked for longest. The scan is rare:
    /// only a fetch gets here, and new agents are few a second.
    fn make_room(&mut self, weight: usize) {
        while self.weight + weight > self.weight_max {
            let rank = |entry: &Entry| (entry.keys.is_some(), entry.used);
            let Some((agent, _)) = self.agents.iter().min_by_key(|(_, entry)| rank(entry)) else {
                return;
            };
            let agent = agent.clone();
            self.weight -= self.agents.remove(&agent).map_or(0, |entry| entry.weight());
        }
    }
}

impl Entry {
    fn judge(&self, keyid: &Thumbprint, now: u64, stale_max: u64) -> Judgement {
        let keys = self.keys.as_deref().filter(|keys| keys.usable(now, stale_max));
        let held = keys.and_then(|keys| keys.find(keyid, now));
        let pausing = self.failed.as_ref().filter(|failed| now < failed.retry_at);
        let fresh = keys.is_some_and(|keys| now < keys.fresh_until);
        match (held, pausing) {
            (Some(held), _) if fresh => Judgement::Settled(held),
            (Some(held), Some(_)) => Judgement::Settled(held),
            (None, Some(failed)) => Judgement::Settled(Err(failed.refusal.clone())),
            (None, None) if fresh && keys.is_some_and(|keys| keys.asked_lately(now)) => {
                Judgement::Settled(Err(Reason::KeyNotFound.into()))
            }
            (held, None) => Judgement::Due { held, known: keys.is_some(), retried: self.failed.is_some() },
        }
    }

    fn settle(&mut self, fetched: Result<Fetched, Refusal>, now: u64, stale_max: u64) {
        match fetched {
            Ok(Fetched { directory, fresh_for }) => {
                let fresh_until = now.saturating_add(fresh_for);
                self.keys = Some(Arc::new(AgentKeys { directory, fetched_at: now, fresh_until }));
                self.failed = None;
            }
            Err(refusal) => {
                self.keys.take_if(|keys| !keys.usable(now, stale_max));
                let retry_at = now.saturating_add(pause_after(refusal.reason));
                self.failed = Some(Failed { refusal, retry_at });
            }
        }
    }

    fn weight(&self) -> usize {
        self.keys.as_ref().map_or(0, |keys| keys.directory.thumbprints().count()).max(1)
    }
}

impl AgentKeys {
    /// What the directory says about the key; `None` if it does not hold it.
    fn find(&self, keyid: &Thumbprint, now: u64) -> Option<Result<PublicKey, Refusal>> {
        match self.directory.find(keyid, now.saturating_mul(1000)) {
            Err(refusal) if refusal.reason == Reason::KeyNotFound => None,
            answer => Some(answer),
        }
    }

    fn usable(&self, now: u64, stale_max: u64) -> bool {
        now < self.fresh_until.max(self.fetched_at.saturating_add(stale_max))
    }

    fn asked_lately(&self, now: u64) -> bool {
        now < self.fetched_at.saturating_add(MISSING_KEY_PAUSE)
    }
}

impl Outcome {
    /// The key, or why there is none.
    pub(super) fn answer(&self, keyid: &Thumbprint, now: u64) -> Result<PublicKey, Refusal> {
        if let Some(answer) = self.keys.as_ref().and_then(|keys| keys.find(keyid, now)) {
            return answer;
        }
        Err(self.refusal.clone().unwrap_or_else(|| Reason::KeyNotFound.into()))
    }
}

fn pause_after(reason: Reason) -> u64 {
    match reason {
        Reason::DirectoryUnreachable | Reason::DirectoryTimeout => UNREACHABLE_PAUSE,
        _ => WRONG_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use tollway_signatures::{AgentPolicy, PrivateKey, directory};

    use super::*;

    fn agent(index: usize) -> AgentUrl {
        AgentUrl::parse(&format!("https://a{index}.example"), AgentPolicy::default()).unwrap()
    }

    fn key(seed: u8) -> PublicKey {
        PrivateKey::from_seed([seed; 32]).public()
    }

    fn good(keys: &[PublicKey]) -> Result<Fetched, Refusal> {
        let directory = Directory::parse(directory::to_json(keys).as_bytes())?;
        Ok(Fetched { directory, fresh_for: 300 })
    }

    fn holds(cache: &Cache, index: usize) -> bool {
        cache.agents.contains_key(&agent(index))
    }

    #[test]
    fn threat_93_memory_is_bounded_by_keys() {
        let mut cache = Cache::new(100, 86_400);
        for index in 0..1000 {
            let keys: Vec<_> = (0..u8::try_from(index % 5).unwrap()).map(key).collect();
            cache.settle(&agent(index), good(&keys), 7);
            let weight: usize = cache.agents.values().map(Entry::weight).sum();
            assert_eq!(cache.weight, weight);
            assert!(weight <= 100 && holds(&cache, index));
        }
        assert!(cache.weight > 90, "room is used: {}", cache.weight);
    }

    #[test]
    fn failures_make_room_first_then_those_nobody_asked_for_longest() {
        let mut cache = Cache::new(3, 86_400);
        cache.settle(&agent(0), good(&[key(1)]), 10);
        cache.settle(&agent(1), good(&[key(1)]), 11);
        cache.settle(&agent(2), Err(Reason::DirectoryTimeout.into()), 12);
        cache.settle(&agent(3), good(&[key(1)]), 13);
        assert_eq!([0, 1, 2, 3].map(|index| holds(&cache, index)), [true, true, false, true]);
        assert!(matches!(cache.judge(&agent(0), key(1).thumbprint(), 14), Judgement::Settled(Ok(_))));
        cache.settle(&agent(4), good(&[key(1)]), 15);
        assert_eq!([0, 1, 3, 4].map(|index| holds(&cache, index)), [true, false, true, true]);
    }

    #[test]
    fn an_agent_that_is_settled_again_does_not_push_others_out() {
        let mut cache = Cache::new(2, 86_400);
        cache.settle(&agent(0), good(&[key(1)]), 1);
        for now in 2..20 {
            cache.settle(&agent(1), good(&[key(1)]), now);
        }
        assert!(holds(&cache, 0) && cache.weight == 2);
    }

    #[test]
    fn a_failure_after_the_last_usable_day_drops_the_keys() {
        let mut cache = Cache::new(9, 1000);
        cache.settle(&agent(0), good(&[key(1), key(2)]), 0);
        let outcome = cache.settle(&agent(0), Err(Reason::DirectoryStatus.into()), 999);
        assert!(outcome.answer(key(1).thumbprint(), 999).is_ok());
        let outcome = cache.settle(&agent(0), Err(Reason::DirectoryStatus.into()), 1000);
        let refusal = outcome.answer(key(1).thumbprint(), 1000).unwrap_err();
        assert_eq!((refusal.reason, cache.weight), (Reason::DirectoryStatus, 1));
    }
}

//! The memory of what happened: the newest events, and whoever wants to hear of new ones.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::event::{Event, Kind, Part, Scheme};

/// Events that are remembered.
pub const EVENTS_MAX: usize = 2_000;

/// Hears of each event, in order.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
/// Tells the time in milliseconds since 1970.
pub type Millis = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The newest events. Cheap to clone; all clones are one timeline.
#[derive(Clone)]
pub struct Timeline {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    now: Millis,
}

#[derive(Default)]
struct State {
    next: u64,
    events: VecDeque<Arc<Event>>,
    listener: Option<Listener>,
    /// What people call an origin.
    names: Vec<(String, &'static str)>,
}

impl Timeline {
    /// A timeline without events; `now` tells the time in milliseconds since 1970.
    pub fn new(now: Millis) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default(), now }) }
    }

    /// From now on this one hears of each event, and nobody else.
    pub fn listen(&self, listener: Listener) {
        self.shared.state.lock().listener = Some(listener);
    }

    /// From now on addresses of this origin are shown under a name.
    pub fn call(&self, origin: &str, name: &'static str) {
        self.shared.state.lock().names.push((origin.to_owned(), name));
    }

    /// An address as it is shown.
    pub(super) fn named(&self, url: &str) -> String {
        let state = self.shared.state.lock();
        let found = state.names.iter().find_map(|(origin, name)| Some((name, url.strip_prefix(origin.as_str())?)));
        found.map_or_else(|| url.to_owned(), |(name, rest)| format!("{name}{rest}"))
    }

    /// Adds a step.
    pub fn add(&self, kind: Kind, scheme: Scheme, title: impl Into<String>, parts: Vec<Part>) {
        self.add_with(kind, scheme, title.into(), parts, None);
    }

    /// Adds a step that can be repeated by a command line.
    pub(crate) fn add_with(&self, kind: Kind, scheme: Scheme, title: String, parts: Vec<Part>, curl: Option<String>) {
        let at = (self.shared.now)();
        let mut state = self.shared.state.lock();
        state.next += 1;
        let event = Arc::new(Event { id: state.next, at, kind, scheme, title, parts, curl });
        if state.events.len() == EVENTS_MAX {
            state.events.pop_front();
        }
        state.events.push_back(Arc::clone(&event));
        // Under the lock, so that listeners hear in order; a listener only puts it into a queue.
        if let Some(listener) = &state.listener {
            listener(&event);
        }
    }

    /// An event that is still remembered.
    pub fn event(&self, id: u64) -> Option<Arc<Event>> {
        let state = self.shared.state.lock();
        let first = state.events.front()?.id;
        state.events.get(usize::try_from(id.checked_sub(first)?).ok()?).cloned()
    }

    /// The newest events, oldest first.
    pub fn newest(&self, count: usize) -> Vec<Arc<Event>> {
        let state = self.shared.state.lock();
        let skip = state.events.len().saturating_sub(count);
        state.events.iter().skip(skip).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_found_by_number() {
        let timeline = Timeline::new(Arc::new(|| 7));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        timeline.listen(Arc::new(move |event| ears.lock().push(event.id)));
        let count = EVENTS_MAX as u64 + 10;
        for number in 1..=count {
            timeline.add(Kind::Answer, Scheme::Free, format!("number {number}"), vec![]);
        }
        assert_eq!(heard.lock().len() as u64, count);
        assert!(timeline.event(10).is_none(), "forgotten");
        assert_eq!(timeline.event(11).unwrap().title, "number 11");
        assert_eq!(timeline.event(count).unwrap().id, count);
        assert!(timeline.event(count + 1).is_none());
        let newest = timeline.newest(3);
        assert_eq!(newest.iter().map(|event| event.id).collect::<Vec<_>>(), [count - 2, count - 1, count]);
    }
}

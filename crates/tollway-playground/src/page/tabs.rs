//! Browser tabs: each has a name that cannot be guessed, belongs to one session, and hears what concerns it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tollway_pages::live::Hub;

use crate::agent::{Id, Told, Voice};
use crate::planner::Llm;

/// Tabs at once; one more ends the oldest.
const TABS_MAX: usize = 24;
/// Events that a tab that lost its connection can catch up with.
const KEPT: usize = 1_024;

/// One tab.
pub(super) struct Tab {
    pub(super) id: Id,
    session: [u8; 16],
    pub(super) hub: Hub,
    busy: AtomicBool,
    /// The conversation with a language model.
    pub(super) llm: tokio::sync::Mutex<Option<Llm>>,
}

/// All tabs, oldest first.
#[derive(Default)]
pub(super) struct Tabs {
    tabs: RwLock<VecDeque<Arc<Tab>>>,
    gone: Mutex<Vec<Id>>,
}

/// Held while a tab's agent works; one job at a time.
pub(super) struct Busy(Arc<Tab>);

impl Tabs {
    /// A new tab of a session.
    pub(super) fn open(&self, session: [u8; 16]) -> Arc<Tab> {
        let tab = Arc::new(Tab {
            id: Id::random(),
            session,
            hub: Hub::new(KEPT),
            busy: AtomicBool::new(false),
            llm: tokio::sync::Mutex::default(),
        });
        let mut tabs = self.tabs.write();
        if tabs.len() == TABS_MAX
            && let Some(oldest) = tabs.pop_front()
        {
            oldest.hub.close();
            self.gone.lock().push(oldest.id);
        }
        tabs.push_back(Arc::clone(&tab));
        tab
    }

    /// Tabs that were ended since this was asked last.
    pub(super) fn take_gone(&self) -> Vec<Id> {
        std::mem::take(&mut *self.gone.lock())
    }

    /// A tab, for its own session only.
    pub(super) fn of(&self, session: [u8; 16], id: Id) -> Option<Arc<Tab>> {
        self.tabs.read().iter().find(|tab| tab.id == id && tab.session == session).cloned()
    }

    /// Tells every tab.
    pub(super) fn tell_all(&self, kind: &'static str, data: &impl Serialize) {
        for tab in self.tabs.read().iter() {
            tab.hub.publish(kind, data);
        }
    }

    /// Ends every live answer.
    pub(super) fn close(&self) {
        for tab in self.tabs.read().iter() {
            tab.hub.close();
        }
    }

    /// How the desk speaks to tabs.
    pub(super) fn voice(self: &Arc<Self>) -> Voice {
        let tabs = Arc::clone(self);
        Arc::new(move |id, told: Told| {
            let tab = tabs.tabs.read().iter().find(|tab| tab.id == id).cloned();
            let Some(tab) = tab else { return };
            match told {
                Told::Card(card) => tab.hub.publish("card", &card),
                decided @ Told::Decided { .. } => tab.hub.publish("decided", &decided),
            };
        })
    }
}

impl Tab {
    /// Begins a job; `None` while another is under way.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Busy> {
        if self.busy.swap(true, Ordering::SeqCst) {
            return None;
        }
        self.hub.publish("busy", &true);
        Some(Busy(Arc::clone(self)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::SeqCst);
        self.0.hub.publish("busy", &false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_is_its_own_session_s_and_works_on_one_thing() {
        let tabs = Tabs::default();
        let tab = tabs.open([1; 16]);
        assert!(tabs.of([1; 16], tab.id).is_some());
        assert!(tabs.of([2; 16], tab.id).is_none(), "another session");
        assert!(tabs.of([1; 16], Id::random()).is_none());
        let busy = tab.begin().unwrap();
        assert!(tab.begin().is_none());
        drop(busy);
        assert!(tab.begin().is_some());
    }

    #[test]
    fn tabs_are_bounded() {
        let tabs = Tabs::default();
        let first = tabs.open([1; 16]).id;
        for _ in 0..TABS_MAX {
            tabs.open([1; 16]);
        }
        assert!(tabs.of([1; 16], first).is_none());
        assert_eq!(tabs.take_gone(), [first]);
    }
}

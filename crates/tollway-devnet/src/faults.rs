//! Faults on demand: how a node misbehaves on the next request for a method, so that tests see what their code makes
//! of it.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

/// How many faults may wait for one method; what comes after is dropped.
pub const FAULTS_MAX: usize = 1_024;

/// How the node misbehaves, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers an error, and does nothing else.
    Error {
        /// JSON-RPC's code, such as -32603 or -32005.
        code: i64,
        /// The words.
        message: String,
    },
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    DropConnection,
    /// Answers what is not JSON.
    Garbage,
    /// Answers with this HTTP status and a page instead of JSON.
    Status(u16),
    /// Does what it was asked for, and answers an error all the same.
    DoThenError {
        /// JSON-RPC's code.
        code: i64,
        /// The words.
        message: String,
    },
    /// Does what it was asked for, and closes the connection.
    DoThenDrop,
    /// Does what it was asked for, and never answers.
    DoThenHang,
    /// Does what it was asked for, and makes a block before it answers: what it says is of the block before.
    DoThenMine,
}

/// The faults that wait, by method.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<HashMap<String, VecDeque<Fault>>>,
}

impl Faults {
    pub(crate) fn add(&self, method: &str, fault: Fault) {
        let mut waiting = self.waiting.lock();
        let queue = waiting.entry(method.to_owned()).or_default();
        if queue.len() < FAULTS_MAX {
            queue.push_back(fault);
        }
    }

    pub(crate) fn clear(&self) {
        self.waiting.lock().clear();
    }

    /// The fault for this request, used up.
    pub(crate) fn take(&self, method: &str) -> Option<Fault> {
        let mut waiting = self.waiting.lock();
        let queue = waiting.get_mut(method)?;
        let fault = queue.pop_front();
        if queue.is_empty() {
            waiting.remove(method);
        }
        fault
    }
}

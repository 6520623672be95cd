//! Code at addresses, asked for by concurrent verifications in one JSON-RPC batch.
//!
//! A caller that is alone asks at once. While questions are under way, further ones gather and leave
//! together; the same address is asked for once.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{ChainError, Rpc, answer};

/// Most addresses in one batch: nodes take a hundred.
const BATCH_MAX: usize = 64;
/// Most batches under way at once.
const AT_ONCE: usize = 4;

type Code = Result<Bytes, ChainError>;

/// Who waits for the code at which address.
#[derive(Debug, Default)]
pub(super) struct Codes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Address, Vec<oneshot::Sender<Code>>>,
    under_way: usize,
}

impl Rpc {
    /// The code at an address, asked for together with others if there are any.
    pub(super) async fn gathered_code(&self, address: Address) -> Code {
        let (reply, answer) = oneshot::channel();
        if self.0.codes.enter(address, reply) {
            // In a task of its own: whoever was first may leave, and the others still get their answer.
            tokio::spawn(self.clone().ask_codes());
        }
        let gone = || ChainError::Unreachable { detail: "the question was given up".to_owned() };
        answer.await.map_err(|_| gone())?
    }

    async fn ask_codes(self) {
        while let Some(batch) = self.0.codes.take() {
            let addresses: Vec<Address> = batch.keys().copied().collect();
            let codes = self.codes(&addresses).await;
            for ((_, waiting), code) in batch.into_iter().zip(codes) {
                for reply in waiting {
                    // Who asked may have left.
                    let _ = reply.send(code.clone());
                }
            }
        }
    }

    async fn codes(&self, addresses: &[Address]) -> Vec<Code> {
        let params = addresses.iter().map(|address| json!([address, "latest"])).collect();
        let read = |value: Result<Value, ChainError>| value.and_then(answer::from_value);
        self.requests_of("eth_getCode", params).await.into_iter().map(read).collect()
    }
}

impl Codes {
    /// Whether somebody has to go and ask.
    fn enter(&self, address: Address, reply: oneshot::Sender<Code>) -> bool {
        let mut state = self.0.lock();
        state.waiting.entry(address).or_default().push(reply);
        let goes = state.under_way < AT_ONCE;
        state.under_way += usize::from(goes);
        goes
    }

    /// What is to be asked next; `None` ends whoever asks.
    fn take(&self) -> Option<BTreeMap<Address, Vec<oneshot::Sender<Code>>>> {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.under_way -= 1;
            return None;
        }
        if state.waiting.len() <= BATCH_MAX {
            return Some(std::mem::take(&mut state.waiting));
        }
        let rest = state.waiting.keys().nth(BATCH_MAX).copied()?;
        let later = state.waiting.split_off(&rest);
        Some(std::mem::replace(&mut state.waiting, later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_questions_are_under_way_leaves_together_and_once() {
        let codes = Codes::default();
        let mut answers = Vec::new();
        let mut enter = |byte: u8| {
            let (reply, answer) = oneshot::channel();
            answers.push(answer);
            codes.enter(Address::repeat_byte(byte), reply)
        };
        assert!((0..AT_ONCE).all(|_| enter(1)), "nobody waits for company");
        assert!(!enter(2) && !enter(2) && !enter(3));
        let batch = codes.take().unwrap();
        assert_eq!(batch.values().map(Vec::len).collect::<Vec<_>>(), [AT_ONCE, 2, 1]);
        for byte in 10..=255 {
            assert!(!enter(byte));
        }
        let taken: Vec<usize> = std::iter::from_fn(|| codes.take().map(|batch| batch.len())).collect();
        assert_eq!((taken.iter().sum::<usize>(), taken.iter().max()), (246, Some(&BATCH_MAX)));
        assert!((1..AT_ONCE).all(|_| codes.take().is_none()), "each of those who ask ends once");
        assert!(enter(1), "and the next one goes again");
    }
}

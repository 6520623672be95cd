//! Calls of concurrent verifications, gathered into one `eth_call`.
//!
//! A caller that is alone is never delayed. What shares a call cannot spoil it for the others: if a
//! result might be somebody else's doing (no gas left, an answer too long), each caller's calls are
//! made again by themselves.

use std::mem::take;

use alloy_primitives::{Bytes, U64};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Notify, OnceCell, oneshot};

use super::multicall;
use super::{Call, CallOutcome, ChainError, Rpc, answer};
use crate::abi::MULTICALL3;

/// Most calls in one `eth_call`.
const CALLS_MAX: usize = 256;

type Outcomes = Result<Vec<CallOutcome>, ChainError>;

#[derive(Debug, Default)]
pub(super) struct Gathering {
    state: Mutex<State>,
    /// Told when no call is under way any more.
    idle: Notify,
    multicall: OnceCell<bool>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    under_way: usize,
    /// Counts up with each batch that was taken, so that a late timer takes no later one.
    batch: u64,
}

#[derive(Debug)]
struct Waiting {
    calls: Vec<Call>,
    reply: oneshot::Sender<Outcomes>,
}

/// What is to be done with calls that have just come in.
enum Turn {
    /// Nobody else is under way.
    Alone(Vec<Call>),
    /// Somebody gathers: the answer comes from there.
    Joined(oneshot::Receiver<Outcomes>),
    /// The first of a new batch.
    Leads(oneshot::Receiver<Outcomes>, u64),
}

/// Counts a call as under way for as long as it lives.
struct UnderWay<'a>(&'a Gathering);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.under_way -= 1;
        if state.under_way == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Rpc {
    /// Makes calls, together with those of others if there are any.
    pub(super) async fn gathered(&self, calls: Vec<Call>) -> Outcomes {
        if calls.is_empty() {
            return Ok(vec![]);
        }
        if calls.len() > CALLS_MAX {
            return Err(ChainError::Malformed { detail: format!("more than {CALLS_MAX} calls at once") });
        }
        let gone = || ChainError::Unreachable { detail: "the calls were given up".to_owned() };
        match self.0.gathering.enter(calls) {
            Turn::Alone(calls) => {
                let _under_way = UnderWay(&self.0.gathering);
                self.together(&calls).await
            }
            Turn::Joined(answer) => answer.await.map_err(|_| gone())?,
            Turn::Leads(answer, batch) => {
                // In a task of its own: who leads may leave, and the others still get their answer.
                let rpc = self.clone();
                tokio::spawn(async move { rpc.lead(batch).await });
                answer.await.map_err(|_| gone())?
            }
        }
    }

    async fn lead(self, batch: u64) {
        let gathering = &self.0.gathering;
        let idle = gathering.idle.notified();
        tokio::select! {
            () = idle => {}
            () = tokio::time::sleep(self.0.config.gather) => {}
        }
        let waiting = gathering.take_batch(batch);
        if !waiting.is_empty() {
            let _under_way = UnderWay(gathering);
            self.answer(waiting).await;
        }
    }

    async fn answer(&self, waiting: Vec<Waiting>) {
        let all: Vec<Call> = waiting.iter().flat_map(|waiting| waiting.calls.iter().cloned()).collect();
        let shared = waiting.len() > 1;
        let mut outcomes = self.together(&all).await.map(Vec::into_iter);
        let again = waiting.into_iter().map(|waiting| {
            let count = waiting.calls.len();
            let part = outcomes.as_mut().map(|all| all.by_ref().take(count).collect::<Vec<_>>());
            let part = part.map_err(|error| error.clone());
            async move {
                let answer = if shared && may_be_spoilt(&part) { self.together(&waiting.calls).await } else { part };
                // Who asked may have left.
                let _ = waiting.reply.send(answer);
            }
        });
        join_all(again.collect::<Vec<_>>()).await;
    }

    /// One `eth_call` for all, or one each where there is no Multicall3.
    async fn together(&self, calls: &[Call]) -> Outcomes {
        if let [call] = calls {
            return Ok(vec![self.single(call, "latest").await?]);
        }
        if !self.has_multicall().await? {
            return self.one_by_one(calls).await;
        }
        let call = Call {
            to: MULTICALL3,
            data: multicall::encode(calls.iter().map(|call| (call.to, &call.data))),
            gas: multicall::gas(calls, self.0.config.call_gas),
        };
        match self.single(&call, "latest").await? {
            CallOutcome::Returned(bytes) => multicall::decode(&bytes, calls.len()),
            // Not one of the calls but all together: no gas was left.
            CallOutcome::Reverted(_) => self.one_by_one(calls).await,
        }
    }

    /// One after the other at one block.
    async fn one_by_one(&self, calls: &[Call]) -> Outcomes {
        let block: U64 = answer::from_value(self.request("eth_blockNumber", json!([])).await?)?;
        let block = format!("{block:#x}");
        let singles = calls.iter().map(|call| self.single(call, &block));
        join_all(singles).await.into_iter().collect()
    }

    async fn single(&self, call: &Call, block: &str) -> Result<CallOutcome, ChainError> {
        let gas = U64::from(call.gas.min(self.0.config.call_gas));
        let params = json!([{"to": call.to, "data": call.data, "gas": gas}, block]);
        match self.request("eth_call", params).await {
            Ok(value) => Ok(CallOutcome::Returned(answer::from_value(value)?)),
            Err(ChainError::Rejected { data: Some(data), .. }) => Ok(CallOutcome::Reverted(data)),
            Err(error @ ChainError::Rejected { .. }) if super::is_verdict(&error) => {
                Ok(CallOutcome::Reverted(Bytes::new()))
            }
            Err(error) => Err(error),
        }
    }

    async fn has_multicall(&self) -> Result<bool, ChainError> {
        let ask = || async {
            let code: Value = self.request("eth_getCode", json!([MULTICALL3, "latest"])).await?;
            Ok(!answer::from_value::<Bytes>(code)?.is_empty())
        };
        self.0.gathering.multicall.get_or_try_init(ask).await.copied()
    }
}

impl Gathering {
    fn enter(&self, calls: Vec<Call>) -> Turn {
        let mut state = self.state.lock();
        if state.under_way == 0 && state.waiting.is_empty() {
            state.under_way += 1;
            return Turn::Alone(calls);
        }
        let waiting: usize = state.waiting.iter().map(|waiting| waiting.calls.len()).sum();
        let full = waiting + calls.len() > CALLS_MAX;
        let (reply, answer) = oneshot::channel();
        if full {
            // The batch that waits is large enough.
            state.under_way += 1;
            drop(state);
            return Turn::Alone(calls);
        }
        let leads = state.waiting.is_empty();
        if leads {
            state.batch += 1;
        }
        state.waiting.push(Waiting { calls, reply });
        if leads { Turn::Leads(answer, state.batch) } else { Turn::Joined(answer) }
    }

    fn take_batch(&self, batch: u64) -> Vec<Waiting> {
        let mut state = self.state.lock();
        if state.batch != batch || state.waiting.is_empty() {
            return vec![];
        }
        state.under_way += 1;
        take(&mut state.waiting)
    }
}

/// Whether the outcome may be the doing of another caller's calls.
fn may_be_spoilt(outcomes: &Outcomes) -> bool {
    match outcomes {
        Ok(outcomes) => outcomes.iter().any(|outcome| *outcome == CallOutcome::Reverted(Bytes::new())),
        Err(ChainError::Malformed { .. } | ChainError::Rejected { .. } | ChainError::Timeout) => true,
        Err(ChainError::Unreachable { .. }) => false,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn calls(count: usize) -> Vec<Call> {
        vec![Call { to: Address::ZERO, data: Bytes::new(), gas: 1 }; count]
    }

    #[test]
    fn a_lone_caller_goes_at_once_and_those_beside_it_gather() {
        let gathering = Gathering::default();
        assert!(matches!(gathering.enter(calls(2)), Turn::Alone(_)));
        let Turn::Leads(_first, batch) = gathering.enter(calls(100)) else { panic!("nobody leads") };
        let Turn::Joined(_second) = gathering.enter(calls(100)) else { panic!("not gathered") };
        // Too many for one call: by itself.
        assert!(matches!(gathering.enter(calls(100)), Turn::Alone(_)));
        assert_eq!(gathering.take_batch(batch).len(), 2);
        assert!(gathering.take_batch(batch).is_empty());
        drop(UnderWay(&gathering));
        drop(UnderWay(&gathering));
        drop(UnderWay(&gathering));
        assert!(matches!(gathering.enter(calls(1)), Turn::Alone(_)));
    }

    #[test]
    fn threat_58_what_a_neighbour_may_have_spoilt_is_asked_again() {
        assert!(may_be_spoilt(&Ok(vec![CallOutcome::Reverted(Bytes::new())])));
        assert!(may_be_spoilt(&Err(ChainError::Malformed { detail: "too long".into() })));
        assert!(!may_be_spoilt(&Ok(vec![CallOutcome::Reverted(vec![1].into())])));
    }
}

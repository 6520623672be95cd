//! A chain of one token, one proxy and one wallet, in memory: it answers by selector, counts what it
//! is asked and fails when told to.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use async_trait::async_trait;
use parking_lot::Mutex;
use tollway_evm::chain::{Call, CallOutcome, ChainError, ChainReader};

/// What the chain is like.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) code: HashMap<Address, Bytes>,
    pub(crate) balance: U256,
    pub(crate) allowance: U256,
    pub(crate) permits: Option<U256>,
    pub(crate) used: Option<bool>,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) proxy: bool,
    /// What the wallet answers to a question for its signature.
    pub(crate) wallet: Bytes,
    /// How a settlement ends.
    pub(crate) settlement: CallOutcome,
    /// What Multicall3 answers.
    pub(crate) multicall: CallOutcome,
    /// The question that gets no answer, by number.
    pub(crate) fails_at: Option<usize>,
}

pub(crate) struct Fake {
    state: Mutex<State>,
    questions: Mutex<Vec<String>>,
}

pub(crate) fn returned(bytes: &[u8]) -> CallOutcome {
    CallOutcome::Returned(bytes.to_vec().into())
}

pub(crate) fn magic() -> Bytes {
    let mut word = B256::ZERO;
    word[..4].copy_from_slice(&hex!("1626ba7e"));
    word.to_vec().into()
}

impl Fake {
    pub(crate) fn new(token: Address) -> Self {
        let state = State {
            code: HashMap::from([(token, Bytes::from_static(&[0x60]))]),
            balance: U256::from(1_000_000),
            allowance: U256::MAX,
            permits: Some(U256::from(4)),
            used: Some(false),
            name: "USDC",
            version: "2",
            proxy: true,
            wallet: Bytes::new(),
            settlement: returned(&[]),
            multicall: CallOutcome::Reverted(Bytes::new()),
            fails_at: None,
        };
        Self { state: Mutex::new(state), questions: Mutex::default() }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
    }

    /// What was asked since the last time.
    pub(crate) fn questions(&self) -> Vec<String> {
        std::mem::take(&mut *self.questions.lock())
    }

    fn ask(&self, question: String) -> Result<(), ChainError> {
        let mut questions = self.questions.lock();
        questions.push(question);
        let fails = self.state.lock().fails_at == Some(questions.len() - 1);
        if fails { Err(ChainError::Timeout) } else { Ok(()) }
    }

    fn answer(&self, call: &Call) -> CallOutcome {
        let state = self.state.lock();
        let word = |number: U256| returned(&number.to_be_bytes::<32>());
        let text = |text: &str| {
            let mut bytes = [U256::from(32).to_be_bytes::<32>(), U256::from(text.len()).to_be_bytes()].concat();
            bytes.extend(text.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(32), 0);
            returned(&bytes)
        };
        let number = |number: Option<U256>| number.map_or(CallOutcome::Reverted(Bytes::new()), word);
        match hex::encode(&call.data[..4]).as_str() {
            "70a08231" => word(state.balance),
            "dd62ed3e" => word(state.allowance),
            "7ecebe00" => number(state.permits),
            "e94a0102" => number(state.used.map(U256::from)),
            "06fdde03" => text(state.name),
            "54fd4d50" => text(state.version),
            "6afdd850" if state.proxy => word(U256::from(1)),
            "3644e515" => word(U256::from(1)),
            "6afdd850" => returned(&[]),
            "1626ba7e" => CallOutcome::Returned(state.wallet.clone()),
            "82ad56cb" => state.multicall.clone(),
            "e3ee160e" | "cf092995" => state.settlement.clone(),
            _ if call.to == tollway_evm::EXACT_PROXY => state.settlement.clone(),
            other => panic!("nobody asks {other}"),
        }
    }
}

#[async_trait]
impl ChainReader for Fake {
    async fn calls(&self, calls: Vec<Call>) -> Result<Vec<CallOutcome>, ChainError> {
        let selectors: Vec<_> = calls.iter().map(|call| hex::encode(&call.data[..4])).collect();
        self.ask(selectors.join("+"))?;
        assert!(calls.iter().all(|call| call.gas > 0 && call.gas <= 3_000_000), "every call has a bound");
        Ok(calls.iter().map(|call| self.answer(call)).collect())
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.ask("code".to_owned())?;
        Ok(self.state.lock().code.get(&address).cloned().unwrap_or_default())
    }
}

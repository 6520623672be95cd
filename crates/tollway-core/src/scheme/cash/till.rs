//! The till: accounts, used notes, and a facilitator that can be told to misbehave.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tollway_ledger::{Hash, PaymentId};
use tollway_protocol::{
    Attachments, FacilitatorRequest, Network, SettleFailure, SettleResponse, Settlement, SupportedKind,
    SupportedResponse, VerifyResponse,
};

use super::{Note, cash_network};
use crate::clock::Clock;
use crate::facilitator::{Facilitator, FacilitatorError, PaymentState, PaymentStatus};
use crate::scheme::exact::EXACT;

/// What the till does with the answer to a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Says what is so.
    Honest,
    /// Cannot be reached at all.
    Away,
    /// Verifies, then takes the money and loses its answer.
    Mute,
    /// Verifies, then loses the question.
    Deaf,
    /// Takes the money and answers nonsense.
    Garbled,
    /// Takes the money and says that it is not seen yet.
    Pending,
    /// Takes no money and says yes without a transaction.
    Empty,
    /// Says yes on another network.
    Elsewhere,
    /// Says yes of another payer.
    SomebodyElse,
    /// Says no.
    Refusing,
}

/// A till with accounts.
#[derive(Clone)]
pub struct Till {
    shared: Arc<Shared>,
}

struct Shared {
    network: Network,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    verifies: AtomicUsize,
    settles: AtomicUsize,
}

struct State {
    mood: Mood,
    accounts: HashMap<String, (String, u128)>,
    used: HashMap<Hash, String>,
    record: HashMap<String, PaymentStatus>,
}

impl Till {
    /// An empty, honest till.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::on(cash_network(), clock)
    }

    /// The same on another network.
    pub fn on(network: Network, clock: Arc<dyn Clock>) -> Self {
        let (accounts, used, record) = (HashMap::new(), HashMap::new(), HashMap::new());
        let state = Mutex::new(State { mood: Mood::Honest, accounts, used, record });
        let counts = || AtomicUsize::new(0);
        Self { shared: Arc::new(Shared { network, clock, state, verifies: counts(), settles: counts() }) }
    }

    /// Opens an account.
    pub fn open(&self, payer: &str, secret: &str, money: u128) {
        self.shared.state.lock().accounts.insert(payer.to_owned(), (secret.to_owned(), money));
    }

    /// From now on it answers so.
    pub fn set_mood(&self, mood: Mood) {
        self.shared.state.lock().mood = mood;
    }

    /// What an account holds.
    pub fn money(&self, payer: &str) -> u128 {
        self.shared.state.lock().accounts.get(payer).map_or(0, |(_, money)| *money)
    }

    /// Notes that were paid out.
    pub fn paid(&self) -> usize {
        self.shared.state.lock().used.len()
    }

    /// How often it was asked to verify.
    pub fn verifies(&self) -> usize {
        self.shared.verifies.load(Ordering::SeqCst)
    }

    /// How often it was asked to settle.
    pub fn settles(&self) -> usize {
        self.shared.settles.load(Ordering::SeqCst)
    }

    fn check(&self, request: &FacilitatorRequest, state: &State) -> Result<Note, (&'static str, Option<String>)> {
        let note = Note::read(&request.payment_payload.payload).map_err(|_| ("invalid_payload", None))?;
        let (ours, payer) = (&request.payment_requirements, Some(note.payer.clone()));
        let Some((secret, money)) = state.accounts.get(&note.payer) else { return Err(("invalid_payload", payer)) };
        let no = if note.seal != note.sealed_with(secret) {
            "invalid_exact_cash_signature"
        } else if note.pay_to != ours.pay_to {
            "invalid_exact_cash_recipient_mismatch"
        } else if note.amount != ours.amount {
            "invalid_exact_cash_value_mismatch"
        } else if state.used.contains_key(&note.nonce) {
            "nonce_already_used"
        } else if note.until <= self.shared.clock.now() {
            "payment_expired"
        } else if *money < note.amount.get() {
            "insufficient_funds"
        } else {
            return Ok(note);
        };
        Err((no, payer))
    }
}

#[async_trait]
impl Facilitator for Till {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        let kind = SupportedKind {
            x402_version: 2,
            scheme: EXACT.to_owned(),
            network: self.shared.network.to_string(),
            extra: None,
            rest: serde_json::Map::new(),
        };
        Ok(SupportedResponse {
            kinds: vec![kind],
            extensions: vec![],
            signers: serde_json::Map::new(),
            rest: serde_json::Map::new(),
        })
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        self.shared.verifies.fetch_add(1, Ordering::SeqCst);
        let state = self.shared.state.lock();
        if state.mood == Mood::Away {
            return Err(FacilitatorError::Unreachable { detail: "the till is closed".to_owned() });
        }
        Ok(match self.check(request, &state) {
            Ok(note) => VerifyResponse::Valid { payer: Some(note.payer), attachments: Attachments::default() },
            Err((code, payer)) => VerifyResponse::Invalid {
                reason: Some(code.to_owned()),
                message: None,
                payer,
                attachments: Attachments::default(),
            },
        })
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        self.shared.settles.fetch_add(1, Ordering::SeqCst);
        let mut state = self.shared.state.lock();
        let mood = state.mood;
        match mood {
            Mood::Away => return Err(FacilitatorError::Unreachable { detail: "the till is closed".to_owned() }),
            Mood::Deaf => return Err(FacilitatorError::NoAnswer { detail: "the question was lost".to_owned() }),
            Mood::Refusing => return Ok(self.failed("invalid_exact_cash_refused", None)),
            Mood::Empty => return Ok(self.settled("", None)),
            _ => {}
        }
        let transaction = match self.take(request, &mut state) {
            Ok(transaction) => transaction,
            Err(code) => return Ok(self.failed(code, None)),
        };
        match mood {
            Mood::Mute => Err(FacilitatorError::NoAnswer { detail: "the answer was lost".to_owned() }),
            Mood::Garbled => Err(FacilitatorError::Malformed { detail: "{\"success\":tr".to_owned() }),
            Mood::Pending => Ok(self.failed("settlement_pending", Some(transaction))),
            Mood::Elsewhere => match self.settled(&transaction, None) {
                SettleResponse::Settled(yes) => {
                    Ok(SettleResponse::Settled(Settlement { network: Network::tollway(), ..yes }))
                }
                no @ SettleResponse::Failed(_) => Ok(no),
            },
            Mood::SomebodyElse => Ok(self.settled(&transaction, Some("mallory"))),
            _ => Ok(self.settled(&transaction, None)),
        }
    }

    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        let state = self.shared.state.lock();
        if !matches!(state.mood, Mood::Honest | Mood::Refusing) {
            return Err(FacilitatorError::NoAnswer { detail: "the till is not well".to_owned() });
        }
        Ok(state.record.get(payment).cloned())
    }
}

impl Till {
    /// Pays a note out, or finds that it was paid out before; what became of it is written down.
    fn take(&self, request: &FacilitatorRequest, state: &mut State) -> Result<String, &'static str> {
        let taken = self.pay_out(request, state);
        if let Ok(note) = Note::read(&request.payment_payload.payload) {
            let asset = &request.payment_requirements.asset;
            let id = PaymentId::derive(&self.shared.network, asset, &note.payer, note.nonce.as_bytes()).to_string();
            let (settled, reason) = (taken.is_ok(), taken.as_ref().err().map(|code| (*code).to_owned()));
            let status = PaymentStatus {
                payment: id.clone(),
                state: if settled { PaymentState::Settled } else { PaymentState::Failed },
                network: self.shared.network.clone(),
                payer: note.payer,
                amount: note.amount,
                transaction: taken.clone().ok(),
                reason,
                gas: None,
            };
            state.record.insert(id, status);
        }
        taken
    }

    fn pay_out(&self, request: &FacilitatorRequest, state: &mut State) -> Result<String, &'static str> {
        let nonce = Note::read(&request.payment_payload.payload).map(|note| note.nonce);
        if let Some(transaction) = nonce.ok().and_then(|nonce| state.used.get(&nonce)) {
            return Ok(transaction.clone());
        }
        let note = self.check(request, state).map_err(|(code, _)| code)?;
        let account = state.accounts.get_mut(&note.payer).ok_or("invalid_payload")?;
        account.1 = account.1.checked_sub(note.amount.get()).ok_or("insufficient_funds")?;
        let transaction = format!("slip-{}", state.used.len() + 1);
        state.used.insert(note.nonce, transaction.clone());
        Ok(transaction)
    }

    fn settled(&self, transaction: &str, payer: Option<&str>) -> SettleResponse {
        SettleResponse::Settled(Settlement {
            transaction: transaction.to_owned(),
            network: self.shared.network.clone(),
            payer: payer.map(str::to_owned),
            amount: None,
            attachments: Attachments::default(),
        })
    }

    fn failed(&self, code: &str, transaction: Option<String>) -> SettleResponse {
        SettleResponse::Failed(SettleFailure {
            reason: Some(code.to_owned()),
            message: None,
            transaction,
            network: Some(self.shared.network.clone()),
            payer: None,
            amount: None,
            attachments: Attachments::default(),
        })
    }
}

//! Sells calls: match, verify, reserve, run, settle, answer. It knows no transport: a server made with an SDK and a
//! relay of raw messages ask it the same two questions, whether a call may run and what its caller gets.

mod arguments;
mod deferred;
mod demands;
mod exact;
mod open;
mod prices;
mod receipts;
mod results;
mod running;

pub use arguments::{ArgumentTest, Test};
pub use open::{KnownKeys, OpenError, Opening};
pub use prices::{Entry, PriceList, PriceListError, PricedCall, When};
pub use results::{Results, ResultsError, SaleId};
pub use running::Running;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Map, Value};
use tollway_core::scheme::deferred::{BATCH_SETTLEMENT, arguments_hash};
use tollway_core::scheme::exact::{EXACT, ExactPayment};
use tollway_core::seller::{Resolved, Seller};
use tollway_ledger::Hash;
use tollway_protocol::{PaymentRequired, Reason, Refusal};

use crate::kind::Kind;
use crate::wire::{Payment, payment_in};

/// A call, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What is called.
    pub kind: Kind,
    /// Its name, or for a resource its URI.
    pub name: &'a str,
    /// The arguments.
    pub arguments: Option<&'a Map<String, Value>>,
    /// `_meta` of the request's params.
    pub meta: Option<&'a Map<String, Value>>,
    /// The HTTP headers around the message, where there are any.
    pub headers: Option<&'a HeaderMap>,
}

impl<'a> Call<'a> {
    /// The call in a JSON-RPC request; `None` for a method that is never priced, and for params that name nothing or whose
    /// arguments are no object: such a request is no call, and is answered, not passed on.
    #[must_use]
    pub fn of_request(method: &str, params: &'a Map<String, Value>, headers: Option<&'a HeaderMap>) -> Option<Self> {
        let kind = Kind::of_method(method)?;
        let object = |key: &str| params.get(key).and_then(Value::as_object);
        let name = params.get(kind.named_by())?.as_str()?;
        let arguments = object("arguments");
        if arguments.is_none() && params.get("arguments").is_some_and(|other| !other.is_null()) {
            return None;
        }
        Some(Self { kind, name, arguments, meta: object(crate::wire::names::META), headers })
    }
}

/// What a request is answered: the members of a result, or of a JSON-RPC error.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `result`.
    Result(Map<String, Value>),
    /// `error`.
    Error(Map<String, Value>),
}

/// What becomes of a call.
pub enum Step {
    /// It costs nothing: pass it on as it came.
    Pass,
    /// It is answered already: refused, or sold before.
    Answer(Answer),
    /// It may run, once; its payment is held.
    Run(Box<Running>),
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct SellOptions {
    /// How long copies of a call wait for the first.
    pub copies_wait: Duration,
    /// How long a call may run; then its payment is given back.
    pub run_window: Duration,
}

impl Default for SellOptions {
    fn default() -> Self {
        Self { copies_wait: Duration::from_secs(30), run_window: Duration::from_secs(240) }
    }
}

/// Sells calls by a price list. All clones are one seller.
#[derive(Clone)]
pub struct ToolSeller {
    shared: Arc<Shared>,
}

struct Shared {
    seller: Seller,
    prices: PriceList,
    results: Results,
    options: SellOptions,
}

/// A call that some entry prices.
#[derive(Clone)]
struct Order {
    entry: Arc<Entry>,
    name: String,
    url: String,
    arguments: Hash,
    /// The buyer speaks version 1.
    v1: bool,
}

impl ToolSeller {
    /// Sells by this list; the engine's rules are those of the list ([`PriceList::rules`]).
    ///
    /// # Errors
    /// When the engine was made with other rules.
    pub fn new(
        seller: Seller,
        prices: PriceList,
        results: Results,
        options: SellOptions,
    ) -> Result<Self, PriceListError> {
        for entry in prices.entries() {
            let id = &entry.rule().id;
            if !seller.rules().rules().iter().any(|rule| rule.id == *id) {
                return Err(PriceListError::Foreign(id.clone()));
            }
        }
        Ok(Self { shared: Arc::new(Shared { seller, prices, results, options }) })
    }

    /// The engine.
    #[must_use]
    pub fn seller(&self) -> &Seller {
        &self.shared.seller
    }

    /// The price list.
    #[must_use]
    pub fn prices(&self) -> &PriceList {
        &self.shared.prices
    }

    /// Whether a call may run. Everything that can be refused without running it is refused here.
    pub async fn admit(&self, call: &Call<'_>) -> Step {
        let entry = match self.shared.prices.decide(call.kind, call.name, call.arguments) {
            Ok(None) => return Step::Pass,
            Ok(Some(entry)) => Arc::clone(entry),
            Err(refusal) => return Step::Answer(demands::plainly_refused(call.kind, &refusal)),
        };
        match self.buy(call, &entry).await {
            Ok(step) => step,
            Err(refusal) => Step::Answer(demands::refused(&self.shared.seller, &entry, call.name, &refusal)),
        }
    }

    /// What an unpaid call would be asked for; `None` where it is free.
    ///
    /// # Errors
    /// As [`PriceList::decide`].
    pub fn quote(&self, call: &Call<'_>) -> Result<Option<PaymentRequired>, Refusal> {
        let entry = self.shared.prices.decide(call.kind, call.name, call.arguments)?;
        Ok(entry.and_then(|entry| demands::demand(&self.shared.seller, entry, call.name, None)))
    }

    /// Puts prices into the result of a list request (`tools/list`, `resources/list`, `prompts/list`). What costs
    /// nothing stays as it is; where prices differ by argument the dearest is shown.
    pub fn annotate_list(&self, kind: Kind, result: &mut Map<String, Value>) {
        let Some(listed) = result.get_mut(kind.listed()).and_then(Value::as_array_mut) else { return };
        for thing in listed.iter_mut().filter_map(Value::as_object_mut) {
            let Some(name) = thing.get(kind.named_by()).and_then(Value::as_str).map(str::to_owned) else { continue };
            if let Some(entry) = self.shared.prices.dearest(kind, &name) {
                demands::annotate(&self.shared.seller, entry, &name, thing);
            }
        }
    }

    /// Asks about payments of which it is not known whether they settled, and drops the results of those that did not.
    ///
    /// # Errors
    /// The books' reason; what was done until then stands.
    pub async fn resolve(&self) -> Result<Resolved, Refusal> {
        let resolved = self.shared.seller.resolve_exact().await?;
        for id in &resolved.ended {
            self.shared.results.forget(SaleId::Payment(*id)).await;
        }
        Ok(resolved)
    }

    async fn buy(&self, call: &Call<'_>, entry: &Arc<Entry>) -> Result<Step, Refusal> {
        let Some(payment) = payment_in(call.meta, call.headers)? else {
            return Err(Reason::PaymentRequired.into());
        };
        let order = Order {
            entry: Arc::clone(entry),
            name: call.name.to_owned(),
            url: call.kind.url(call.name),
            arguments: arguments_hash(call.arguments)?,
            v1: matches!(payment, Payment::V1(_)),
        };
        match payment {
            Payment::V1(payment) if payment.scheme == EXACT => {
                self.buy_at_once(order, ExactPayment::of_v1(payment.network, payment.payload)).await
            }
            Payment::V2(payment) if payment.accepted.scheme == EXACT => {
                self.buy_at_once(order, ExactPayment::of_v2(*payment)?).await
            }
            Payment::V2(payment) if payment.accepted.scheme == BATCH_SETTLEMENT => {
                self.buy_later(order, &payment).await
            }
            Payment::V1(_) | Payment::V2(_) => {
                let detail = "only `exact` and `batch-settlement` are taken here";
                Err(Refusal::new(Reason::UnsupportedScheme, detail))
            }
        }
    }
}

impl Order {
    fn kind(&self) -> Kind {
        self.entry.call().kind
    }

    /// By what the books bind a payment to its arguments.
    fn digest(&self) -> String {
        tollway_signatures::digest::of_sha256(self.arguments.as_bytes())
    }
}

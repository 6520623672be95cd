//! Paying by promise: one yes for an allowance, then a signed request for each page or tick, within it.

use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;
use tollway_core::buyer::{Budget, Buyer, Held, Shelf};
use tollway_core::clock::Clock;
use tollway_core::offer::Offer;
use tollway_http::payer::{Answer, Order, Payer, PayerParts};
use tollway_protocol::{Amount, Dress, Network, Reason, Refusal};
use url::Url;

use super::{Agent, AgentError, BODY_MAX, Id, Question, Spent, entropy};
use crate::stage::Shop;
use crate::trace::Scheme;

/// Payments that one allowance holds money for at most.
const PAYMENTS_MAX: u128 = 2_000;

/// What a person has allowed: so many payments of at most so much each, to one seller.
pub(super) struct Allowance {
    payer: Payer,
    agent: Arc<Agent>,
    seller: &'static str,
    /// Money of the agent's budget, one piece for each payment.
    held: Mutex<Vec<Held>>,
}

impl Agent {
    /// What a page costs, as a signed offer; `None` where it is free.
    pub(super) async fn quote(&self, url: &Url) -> Result<Option<Arc<Offer>>, AgentError> {
        self.shop_at(url)?;
        Ok(self.asker().quote(url).await?)
    }

    /// Asks for one payment under an offer.
    pub(super) async fn allow_one(
        self: &Arc<Self>,
        tab: Id,
        url: &Url,
        offer: Arc<Offer>,
    ) -> Result<Allowance, AgentError> {
        let amount = offer.document().amount;
        self.allow(tab, url.path(), offer, amount).await
    }

    /// Asks for as many payments under an offer as `total` has room for. What is allowed is what can be signed: the
    /// payer behind the allowance has no more, and pays no higher price.
    pub(super) async fn allow(
        self: &Arc<Self>,
        tab: Id,
        resource: &str,
        offer: Arc<Offer>,
        total: Amount,
    ) -> Result<Allowance, AgentError> {
        let each = offer.document().amount;
        let count = total.get().checked_div(each.get()).unwrap_or(0).min(PAYMENTS_MAX);
        if count == 0 {
            let detail =
                format!("one costs {} and {} is allowed", crate::money::dollars(each), crate::money::dollars(total));
            return Err(Refusal::new(Reason::BudgetExhausted, detail).into());
        }
        let held = (0..count).map(|_| self.budget.hold(each)).collect::<Result<Vec<_>, _>>()?;
        let total = Amount::new(each.get() * count);
        let shop = self.shop_at(&Url::parse(&offer.document().seller).map_err(|_| no_seller())?)?;
        let (seller, question) = (shop.name, self.question(shop, resource, total, each));
        let decision = self.ask(tab, question).await;
        if !decision.is_yes() {
            return Err(AgentError::NotConfirmed(decision));
        }
        let shelf = Shelf::default();
        shelf.put(offer);
        let payer = self.payer(Budget::new(total, each), shelf);
        Ok(Allowance { payer, agent: Arc::clone(self), seller, held: Mutex::new(held) })
    }

    fn question(&self, shop: &Shop, resource: &str, amount: Amount, each: Amount) -> Question {
        Question {
            resource: resource.to_owned(),
            seller: shop.name.to_owned(),
            amount,
            each: (each != amount).then_some(each),
            scheme: Scheme::Deferred,
            network: Network::tollway().to_string(),
            pay_to: shop.origin.clone(),
            budget_left: self.left(),
        }
    }

    /// A payer that cannot spend: it only asks.
    pub(super) fn asker(&self) -> Payer {
        self.payer(Budget::new(Amount::ZERO, Amount::ZERO), Shelf::default())
    }

    fn payer(&self, budget: Budget, shelf: Shelf) -> Payer {
        Payer::new(PayerParts {
            transport: self.transport(Scheme::Deferred),
            buyer: Buyer {
                budget,
                journal: Arc::clone(&self.journal),
                shelf,
                clock: Arc::clone(self.stage.clock()) as Arc<dyn Clock>,
                dress: Dress::X402,
                network: Network::tollway(),
            },
            key: Arc::clone(self.stage.agent_key()),
            agent: self.stage.agent.clone(),
            entropy: entropy(),
            body_max: BODY_MAX,
        })
    }
}

impl Allowance {
    /// Buys one resource within it; free ones cost nothing of it.
    pub(super) async fn get(&self, url: &Url) -> Result<Answer, AgentError> {
        let answer = match self.payer.buy_order(&Order::get(url.clone())).await {
            Ok(answer) => answer,
            Err(failure) => {
                if let Some(charged) = failure.charged {
                    self.charged(url, charged.amount, charged.id.to_string());
                }
                return Err(AgentError::Failure(Box::new(failure)));
            }
        };
        if let Some(charged) = answer.charged {
            self.charged(url, charged.amount, charged.id.to_string());
        }
        Ok(answer)
    }

    /// Whether another payment fits.
    pub(super) fn has_room(&self) -> bool {
        !self.held.lock().is_empty()
    }

    fn charged(&self, url: &Url, amount: Amount, reference: String) {
        if let Some(held) = self.held.lock().pop() {
            held.spend();
        }
        self.agent.spent.add(Spent {
            at: self.agent.now(),
            resource: url.path().to_owned(),
            seller: self.seller.to_owned(),
            amount,
            scheme: Scheme::Deferred,
            reference,
        });
    }
}

impl Drop for Allowance {
    /// What was promised and not answered stays held; the rest goes back.
    fn drop(&mut self) {
        let open = self.payer.buyer().budget.view().held.get();
        let mut held = std::mem::take(self.held.get_mut());
        let each = held.first().map_or(1, |held| held.amount().get().max(1));
        let keep = usize::try_from(open.div_ceil(each)).unwrap_or(usize::MAX);
        for _ in 0..keep {
            if let Some(held) = held.pop() {
                held.keep();
            }
        }
    }
}

/// Whether there is something to read.
pub(super) fn is_served(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
}

fn no_seller() -> AgentError {
    AgentError::NotFound("the offer names no seller".to_owned())
}

//! The payer of tools: it answers a demand within its limits and with consent, writes each payment down before it is
//! sent, and pays for one call once.

use std::sync::Arc;

use serde_json::{Map, Value};
use tollway_core::buyer::exact::{Ceilings, PurseLine, PurseLog, Signed, SigningOrder, Spending};
use tollway_core::buyer::{Budget, BudgetView};
use tollway_core::clock::Clock;
use tollway_core::scheme::deferred::{Called, arguments_hash};
use tollway_ledger::{Fingerprint, PaymentId};
use tollway_protocol::{Reason, Refusal};

use super::allow::AllowList;
use super::choice::{Chosen, Kind, Means, Preference, choose};
use super::confirm::{Confirm, Consent, Decision, Question};
use super::deliver::{Delivery, End};
use super::flights::{Flights, Seat};
use super::lingering::Lingering;
use super::listing::Listing;
use super::message;
use super::pin::{Approvals, Pin};
use super::said::demand;
use super::server::{CallAnswer, Lost, ToolServer};
use super::target::Target;
use super::words;
use crate::wire::{Demand, PaymentForm, names};

/// Fills a buffer with unpredictable bytes.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Who pays a server's tools, and within which limits. There is none without limits.
#[derive(Clone)]
pub struct ToolPayerParts {
    /// The server, by a name that this side gave it, such as its origin: limits per server count by it.
    pub server: String,
    /// By which means it pays.
    pub means: Means,
    /// What it pays at most for one call, to one server in a day, to all in a day, and in which assets.
    pub ceilings: Ceilings,
    /// What it pays at most in this session; payers that share it share one session.
    pub session: Budget,
    /// What it has signed.
    pub purse: Arc<dyn PurseLog>,
    /// Which tools may be paid for.
    pub allowed: AllowList,
    /// Whose consent a payment needs.
    pub consent: Consent,
    /// What it takes first.
    pub preference: Preference,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for nonces.
    pub entropy: Entropy,
}

/// Pays for the tools of one server.
pub struct ToolPayer {
    pub(super) parts: ToolPayerParts,
    pub(super) lingering: Lingering,
    listing: Listing,
    approvals: Approvals,
    flights: Flights,
    /// One question at a time: whoever is asked sees what the earlier answers have left.
    asking: tokio::sync::Mutex<()>,
}

/// An answer, and what was paid for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The server's answer, as it came; or why nothing was paid, in our words.
    pub answer: CallAnswer,
    /// The payment behind it, where there was one and its receipt holds.
    pub paid: Option<PaidCall>,
}

/// A payment with a receipt that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidCall {
    /// What was signed.
    pub signed: Signed,
    /// The transfer on the network, or the commitment's id.
    pub transaction: String,
}

/// One call, on its way.
pub(super) struct Order<'a> {
    pub(super) target: &'a Target,
    pub(super) params: &'a Map<String, Value>,
    pub(super) server: &'a dyn ToolServer,
    confirm: Option<&'a dyn Confirm>,
}

/// What a call would cost.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolQuote {
    /// Nothing: it was run, and this is its answer.
    Free(CallAnswer),
    /// This, which is within the limits, though nobody was asked yet.
    Priced(Box<Question>),
    /// It costs, and would not be paid.
    Refused(Refusal),
}

/// What is left of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolSpending {
    /// The session.
    pub session: BudgetView,
    /// The UTC day, everyone.
    pub today: Spending,
    /// The UTC day, this server.
    pub server_today: Spending,
}

impl ToolPayer {
    /// A payer for one server.
    #[must_use]
    pub fn new(parts: ToolPayerParts) -> Self {
        Self {
            parts,
            lingering: Lingering::default(),
            listing: Listing::default(),
            approvals: Approvals::default(),
            flights: Flights::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Who it is made of.
    #[must_use]
    pub fn parts(&self) -> &ToolPayerParts {
        &self.parts
    }

    /// Sends a request, paying for it where it costs money, the limits allow it and consent was given. A call whose
    /// outcome an earlier one left open is gone on with: it is not paid a second time.
    ///
    /// A refusal of our own is an answer: what the model is told.
    ///
    /// # Errors
    /// When no answer came to a call that was not paid.
    pub async fn call(
        &self,
        method: &str,
        params: &Map<String, Value>,
        server: &dyn ToolServer,
    ) -> Result<Answered, Lost> {
        self.call_asking(method, params, server, None).await
    }

    /// The same, asking `confirm` for this call where somebody has to be asked.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub async fn call_asking(
        &self,
        method: &str,
        params: &Map<String, Value>,
        server: &dyn ToolServer,
        confirm: Option<&dyn Confirm>,
    ) -> Result<Answered, Lost> {
        let target = Target::read(method, params);
        let Some(target) = target.filter(|_| !carries_payment(params)) else {
            return Ok(free(server.request(method, params).await?));
        };
        let seat = match self.flights.enter(target.key(&self.parts.server)) {
            Ok(seat) => seat,
            Err(refusal) => return Ok(free(words::refused(&target, &refusal))),
        };
        let order = Order { target: &target, params, server, confirm };
        match self.go_on(&order, &seat).await {
            Ok(Some(answered)) => return Ok(answered),
            Ok(None) => {}
            Err(refusal) => return Ok(free(words::refused(&target, &refusal))),
        }
        let answer = server.request(method, params).await?;
        let asked = match demand(&answer) {
            Ok(None) => return Ok(free(answer)),
            Ok(Some(asked)) => asked,
            Err(refusal) => return Ok(free(words::refused(&target, &refusal))),
        };
        let bought = self.buy(&order, &seat, &asked).await;
        Ok(bought.unwrap_or_else(|refusal| free(words::refused(&target, &refusal))))
    }

    /// What a call would cost. A call that costs nothing is run: its server knows no other way to say so.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn quote(
        &self,
        method: &str,
        params: &Map<String, Value>,
        server: &dyn ToolServer,
    ) -> Result<ToolQuote, Lost> {
        let answer = server.request(method, params).await?;
        let asked = match demand(&answer) {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(ToolQuote::Free(answer)),
            Err(refusal) => return Ok(ToolQuote::Refused(refusal)),
        };
        let Some(target) = Target::read(method, params) else { return Ok(ToolQuote::Free(answer)) };
        Ok(match self.approve(&target, &asked).await {
            Ok(chosen) => ToolQuote::Priced(Box::new(self.question(&target, &chosen))),
            Err(refusal) => ToolQuote::Refused(refusal),
        })
    }

    /// Learns a `tools/list` result and tells in each paid tool's description what a call costs.
    pub fn list(&self, result: &mut Map<String, Value>) {
        self.listing.learn(result);
    }

    /// Whether the server listed a tool as one that costs; `None` where it did not list it.
    #[must_use]
    pub fn is_listed_as_paid(&self, tool: &str) -> Option<bool> {
        self.listing.is_paid(tool)
    }

    /// What was spent.
    ///
    /// # Errors
    /// `journal_unavailable`.
    pub async fn spending(&self) -> Result<ToolSpending, Refusal> {
        let now = self.now();
        self.lingering.sweep(now);
        Ok(ToolSpending {
            session: self.parts.session.view(),
            today: self.parts.purse.spending(None, now).await?,
            server_today: self.parts.purse.spending(Some(&self.parts.server), now).await?,
        })
    }

    pub(super) fn now(&self) -> u64 {
        self.parts.clock.now()
    }

    /// An earlier call of the same kind was paid and its answer lost: the same payment is sent again.
    async fn go_on(&self, order: &Order<'_>, seat: &Seat) -> Result<Option<Answered>, Refusal> {
        let Some(signed) = self.parts.purse.open_payment(&seat.purchase()).await? else { return Ok(None) };
        let held = self.lingering.take(&signed.payment);
        let (target, delivery) = (order.target, Delivery { order, form: PaymentForm::Object });
        let was_over = !signed.is_usable(self.now());
        match self.deliver(delivery, signed.clone(), held).await? {
            End::Answered(answered) => Ok(Some(*answered)),
            End::NotTaken(reason) if !was_over => Ok(Some(free(words::not_taken(target, &reason)))),
            // It can move nothing any more: what its network says of it ends the matter.
            End::NotTaken(_) => {
                let used = self.was_used(&signed).await;
                let at = self.now();
                self.parts.purse.record(PurseLine::Closed { at, payment: signed.payment, used }).await?;
                Ok((used == Some(true)).then(|| free(words::paid_before(target, &signed.payment.to_string()))))
            }
        }
    }

    async fn was_used(&self, signed: &Signed) -> Option<bool> {
        match (&self.parts.means.wallet, signed.commitment) {
            (Some(wallet), None) => wallet.was_used(signed).await,
            // The seller said that it did not take the promise, and it has ended.
            (_, Some(_)) => Some(false),
            (None, None) => None,
        }
    }

    async fn buy(&self, order: &Order<'_>, seat: &Seat, asked: &Demand) -> Result<Answered, Refusal> {
        let target = order.target;
        let chosen = self.approve(target, asked).await?;
        self.agree(order, &chosen).await?;
        // While somebody was asked, other calls may have spent: the same one way is checked again.
        self.check(target, asked, &chosen).await?;
        let held = self.parts.session.hold(chosen.price())?;
        let signed = self.sign(order, asked, &chosen, seat.purchase()).await?;
        let delivery = Delivery { order, form: asked.form };
        match self.deliver(delivery, signed, Some(held.promise())).await? {
            End::Answered(answered) => Ok(*answered),
            End::NotTaken(reason) => Ok(free(words::not_taken(target, &reason))),
        }
    }

    /// Chooses the one way to pay and checks it.
    async fn approve(&self, target: &Target, asked: &Demand) -> Result<Chosen, Refusal> {
        let parts = &self.parts;
        parts.allowed.check(&parts.server, &target.name)?;
        let chosen = choose(&asked.accepts, &parts.means, &parts.ceilings, &parts.preference)?;
        self.check(target, asked, &chosen).await?;
        Ok(chosen)
    }

    /// Whether exactly this way is within every limit now.
    async fn check(&self, target: &Target, asked: &Demand, chosen: &Chosen) -> Result<(), Refusal> {
        let (parts, now) = (&self.parts, self.now());
        target.is_named_by(&asked.resource.url)?;
        if target.is_tool() {
            self.listing.check_price(&target.name, chosen.price())?;
        }
        self.lingering.sweep(now);
        // Taken and given back at once: whether the session has room.
        parts.session.hold(chosen.price())?.give_back();
        parts.purse.allows(&parts.ceilings, &parts.server, chosen.price(), now).await
    }

    /// Asks whoever has to be asked.
    async fn agree(&self, order: &Order<'_>, chosen: &Chosen) -> Result<(), Refusal> {
        let (target, consent) = (order.target, &self.parts.consent);
        let Some(confirm) = order.confirm.or(consent.confirm.as_deref()) else { return Ok(()) };
        if chosen.price() <= consent.unasked {
            return Ok(());
        }
        let asked = async {
            let _one_at_a_time = self.asking.lock().await;
            let pin = self.pin(target, chosen);
            if self.approvals.holds(&target.url(), &pin) {
                return Ok(pin);
            }
            match confirm.confirm(self.question(target, chosen)).await {
                Decision::Once => Ok(pin),
                Decision::Always => {
                    self.approvals.add(&target.url(), pin);
                    Ok(pin)
                }
                Decision::Decline => Err(Refusal::new(Reason::Declined, words::DECLINED)),
                Decision::NobodyThere => Err(Refusal::new(Reason::Declined, words::NOBODY)),
            }
        };
        let late = |_| Refusal::new(Reason::Declined, words::LATE);
        let pin = tokio::time::timeout(consent.within, asked).await.map_err(late)??;
        if pin == self.pin(target, chosen) {
            return Ok(());
        }
        Err(Refusal::new(Reason::Declined, "the tool changed while its payment was being confirmed; call again"))
    }

    fn pin(&self, target: &Target, chosen: &Chosen) -> Pin {
        let definition = self.listing.definition(&target.name).filter(|_| target.is_tool());
        Pin::of(&target.url(), definition, chosen)
    }

    fn question(&self, target: &Target, chosen: &Chosen) -> Question {
        let way = chosen.requirements();
        let asset = self.parts.ceilings.asset(&way.network, &way.asset);
        let symbol = asset.map_or("", |asset| asset.symbol.as_str());
        let changed =
            self.approvals.knows(&target.url()) && !self.approvals.holds(&target.url(), &self.pin(target, chosen));
        Question::about(&self.parts.server, &target.name, chosen, symbol, changed)
    }

    /// Signs and writes down. Nothing of it was sent when it fails.
    async fn sign(
        &self,
        order: &Order<'_>,
        asked: &Demand,
        chosen: &Chosen,
        purchase: Fingerprint,
    ) -> Result<Signed, Refusal> {
        let (parts, target, now) = (&self.parts, order.target, self.now());
        let mut nonce = [0; 32];
        (parts.entropy)(&mut nonce);
        let way = chosen.requirements();
        let url = target.url();
        let signed = |payment, payer, expires, header, commitment| Signed {
            at: now,
            payment,
            purchase,
            host: parts.server.clone(),
            method: target.method().to_owned(),
            url: url.clone(),
            network: way.network.clone(),
            asset: way.asset.clone(),
            amount: way.amount,
            price: chosen.price(),
            pay_to: way.pay_to.clone(),
            payer,
            expires,
            version: asked.version,
            header,
            commitment,
        };
        let missing = || Refusal::new(Reason::UnsupportedScheme, "there is nothing to pay with by this scheme");
        match chosen.kind() {
            Kind::Exact => {
                let wallet = parts.means.wallet.as_ref().ok_or_else(missing)?;
                let extensions = asked.extensions.as_ref();
                let asked_for = SigningOrder { requirements: way, extensions, version: asked.version, now, nonce };
                let payment = wallet.sign(asked_for).await?;
                let (id, expires) = (payment.id, payment.expires);
                let header = message::exact(asked, chosen, payment, &nonce)?;
                let signed = signed(id, wallet.payer(), expires, header, None);
                parts.purse.commit(&parts.ceilings, signed.clone(), now).await?;
                Ok(signed)
            }
            Kind::Deferred => {
                let promiser = parts.means.promiser.as_ref().ok_or_else(missing)?;
                let arguments = arguments_hash(order.params.get("arguments").and_then(Value::as_object))?;
                let called = Called { resource: &url, arguments };
                let promised = promiser.sign(way, called, now, &nonce)?;
                let header = message::deferred(asked, chosen, promised.payload.clone())?;
                let agent = promiser.agent().to_owned();
                let id = PaymentId::derive(&way.network, &way.asset, &agent, &nonce);
                let signed = signed(id, agent, promised.expires, header, Some(promised.id));
                parts.purse.commit(&parts.ceilings, signed.clone(), now).await?;
                promiser.write(&promised, way, (target.method(), &url), now).await?;
                Ok(signed)
            }
        }
    }
}

/// The caller pays by itself: its payment is its own business.
fn carries_payment(params: &Map<String, Value>) -> bool {
    params.get(names::META).is_some_and(|meta| meta.get(names::PAYMENT).is_some())
}

fn free(answer: CallAnswer) -> Answered {
    Answered { answer, paid: None }
}

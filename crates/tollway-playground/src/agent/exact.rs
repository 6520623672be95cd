//! Paying at once from the wallet: the agent asks, a person decides, one authorization is signed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use tollway_core::buyer::Held;
use tollway_core::buyer::exact::{Ceilings, Choice, PayableAsset};
use tollway_core::clock::Clock;
use tollway_evm::client::EvmWallet;
use tollway_http::payer::Order;
use tollway_http::payer::exact::{Confirm, ExactPayer, ExactPayerParts, Paid, PurseFile};
use tollway_protocol::Amount;

use super::{Agent, AgentError, BODY_MAX, Decision, Id, Question, Spent, entropy};
use crate::trace::{Kind, Part, Scheme};

/// What came of a purchase.
pub(super) struct Bought {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// In micro-dollars; nothing where it was free.
    pub(super) cost: Amount,
    /// The transaction, or the commitment.
    pub(super) reference: Option<String>,
}

/// Whether a payment counts against the budget: the bill of a day was counted promise by promise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    InBudget,
    Already,
}

impl Agent {
    /// Buys with the wallet, if the tab says yes.
    pub(super) async fn buy_exact(
        self: &Arc<Self>,
        tab: Id,
        order: Order,
        counts: Counts,
    ) -> Result<Bought, AgentError> {
        let seller = self.shop_at(order.url())?.name;
        let resource = order.url().path().to_owned();
        let state = Mutex::default();
        let asker = Arc::new(Asker { agent: Arc::clone(self), tab, resource: resource.clone(), seller, counts, state });
        let payer = self.exact_payer(Arc::clone(&asker) as Arc<dyn Confirm>)?;
        let bought = payer.buy(&order).await;
        let Asked { held, decision } = std::mem::take(&mut *asker.state.lock());
        match bought {
            Ok(answer) => {
                let Some(paid) = &answer.paid else {
                    // Free, or signed for and not taken: then only the end of the authorization gives the money back.
                    held.into_iter().for_each(Held::keep);
                    return Ok(Bought {
                        headers: answer.headers,
                        body: answer.body,
                        cost: Amount::ZERO,
                        reference: None,
                    });
                };
                held.into_iter().for_each(Held::spend);
                self.remember(paid, &resource, seller);
                let (cost, reference) = (paid.signed.price, Some(paid.transaction.clone()));
                Ok(Bought { headers: answer.headers, body: answer.body, cost, reference })
            }
            Err(error) => match decision {
                Some(decision) if !decision.is_yes() => Err(AgentError::NotConfirmed(decision)),
                _ => {
                    held.into_iter().for_each(Held::keep);
                    Err(error.into())
                }
            },
        }
    }

    /// The wallet's key, which signs and never shows itself.
    pub(super) fn wallet(&self) -> EvmWallet {
        let chain = &self.stage.chain;
        EvmWallet::new(Arc::clone(chain.wallet())).asking(chain.chain_id(), chain.reader())
    }

    /// The budget decides what is spent in all; bills come on top of what was promised within it.
    pub(super) fn ceilings(&self) -> Ceilings {
        let usdc = self.stage.chain.usdc();
        let asset = PayableAsset {
            network: self.stage.chain.network().clone(),
            asset: usdc.asset(),
            scale: usdc.scale,
            symbol: usdc.symbol.to_string(),
        };
        let (total, all) = (self.budget.view().total, Amount::LARGEST);
        Ceilings { per_payment: total, per_host: all, per_day: all, assets: vec![asset] }
    }

    fn exact_payer(&self, confirm: Arc<dyn Confirm>) -> Result<ExactPayer, AgentError> {
        Ok(ExactPayer::new(ExactPayerParts {
            transport: self.transport(Scheme::Exact),
            wallet: Arc::new(self.wallet()),
            ceilings: self.ceilings(),
            purse: PurseFile::open(&self.stage.file("purse.jsonl"))?,
            confirm: Some(confirm),
            again: false,
            clock: Arc::clone(self.stage.clock()) as Arc<dyn Clock>,
            entropy: entropy(),
            body_max: BODY_MAX,
        }))
    }

    /// Asks a tab, and tells the timeline of question and decision.
    pub(super) async fn ask(&self, tab: Id, question: Question) -> Decision {
        let price = crate::money::dollars(question.amount);
        let scheme = question.scheme;
        let title = format!("{price} for {} of {}", question.resource, question.seller);
        let facts = format!(
            "resource     {}\nseller       {}\namount       {price}\nscheme       {}\nnetwork      {}\npay to       {}\nbudget left  {}",
            question.resource,
            question.seller,
            scheme.as_str(),
            question.network,
            question.pay_to,
            crate::money::dollars(question.budget_left)
        );
        self.timeline.add(Kind::Asked, scheme, title, vec![Part::new("What the decision sees", facts)]);
        let decision = self.desk.ask(tab, &question).await;
        let signed = if decision.is_yes() { "" } else { "; nothing was signed" };
        self.timeline.add(Kind::Decided, scheme, format!("{}{signed}", decision.words()), vec![]);
        decision
    }

    fn remember(&self, paid: &Paid, resource: &str, seller: &str) {
        self.spent.add(Spent {
            at: self.now(),
            resource: resource.to_owned(),
            seller: seller.to_owned(),
            amount: paid.signed.price,
            scheme: Scheme::Exact,
            reference: paid.transaction.clone(),
        });
    }
}

/// Asks a tab about one purchase, with the money held.
struct Asker {
    agent: Arc<Agent>,
    tab: Id,
    resource: String,
    seller: &'static str,
    counts: Counts,
    state: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    held: Option<Held>,
    decision: Option<Decision>,
}

#[async_trait]
impl Confirm for Asker {
    /// Holds the money, then asks. What is confirmed is exactly what is signed.
    async fn confirm(&self, _: &str, choice: &Choice) -> bool {
        let mut held = None;
        if self.counts == Counts::InBudget {
            match self.agent.budget.hold(choice.price) {
                Ok(hold) => held = Some(hold),
                Err(refusal) => {
                    let part = Part::new("Refusal", refusal.to_string());
                    let title = "over the budget: nobody was asked, nothing was signed";
                    self.agent.timeline.add(Kind::Refused, Scheme::Exact, title, vec![part]);
                    self.state.lock().decision = Some(Decision::OverBudget);
                    return false;
                }
            }
        }
        let question = Question {
            resource: self.resource.clone(),
            seller: self.seller.to_owned(),
            amount: choice.price,
            each: None,
            scheme: Scheme::Exact,
            network: choice.requirements.network.to_string(),
            pay_to: choice.requirements.pay_to.clone(),
            budget_left: self.agent.left(),
        };
        let decision = self.agent.ask(self.tab, question).await;
        if !decision.is_yes() {
            held.take().into_iter().for_each(Held::give_back);
        }
        *self.state.lock() = Asked { held, decision: Some(decision) };
        decision.is_yes()
    }
}

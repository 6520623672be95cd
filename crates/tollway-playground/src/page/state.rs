//! What the wallet looks like now, and telling all tabs when it changes.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tollway_core::clock::Clock as _;
use tollway_ledger::Period;

use super::tabs::Tabs;
use crate::agent::{Agent, AgentError, Spent};
use crate::money::dollars;
use crate::trace::{Event, Scheme};

/// Shortest time between two looks at the wallet.
const PACE: Duration = Duration::from_millis(200);
/// Payments in the history that the page shows.
pub(super) const HISTORY: usize = 12;

/// The wallet, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct WalletView {
    /// What it has on the chain.
    pub(super) balance: String,
    /// What is promised and not billed or paid.
    pub(super) owed: String,
    /// What is left of the budget.
    pub(super) left: String,
    /// What was spent of it.
    pub(super) spent: String,
    /// How many promises or transfers there were.
    pub(super) block: String,
    /// The day by the stage's clock.
    pub(super) day: String,
    /// Newest payments.
    pub(super) history: Vec<Row>,
}

/// A payment of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    pub(super) resource: String,
    pub(super) seller: String,
    pub(super) amount: String,
    pub(super) scheme: Scheme,
    pub(super) reference: String,
}

/// A step, without its parts.
#[derive(Debug, Serialize)]
pub(super) struct StepView<'a> {
    id: u64,
    at: u64,
    label: &'static str,
    scheme: &'static str,
    title: &'a str,
}

impl<'a> StepView<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        let Event { id, at, kind, scheme, title, .. } = event;
        Self { id: *id, at: *at, label: kind.label(), scheme: scheme.as_str(), title }
    }
}

/// The wallet now.
pub(super) async fn wallet(agent: &Agent) -> Result<WalletView, AgentError> {
    let view = agent.budget();
    Ok(WalletView {
        balance: dollars(agent.balance().await?),
        owed: dollars(agent.owed().await?),
        left: dollars(agent.left()),
        spent: dollars(view.spent),
        block: agent.stage().chain.block().to_string(),
        day: Period::day_of(agent.stage().clock().now()).to_string(),
        history: agent.spent().newest(HISTORY).into_iter().map(Row::of).collect(),
    })
}

impl Row {
    fn of(spent: Spent) -> Self {
        let Spent { resource, seller, amount, scheme, reference, .. } = spent;
        Self { resource, seller, amount: dollars(amount), scheme, reference }
    }
}

/// Tells all tabs of each step, and of the wallet soon after.
pub(super) async fn keep_telling(agent: Arc<Agent>, tabs: Arc<Tabs>) {
    let changed = Arc::new(Notify::new());
    let (waking, telling) = (Arc::clone(&changed), Arc::clone(&tabs));
    agent.timeline().listen(Arc::new(move |event| {
        telling.tell_all("step", &StepView::of(event));
        waking.notify_one();
    }));
    let mut last = None;
    loop {
        for gone in tabs.take_gone() {
            agent.desk().forget(gone);
        }
        match wallet(&agent).await {
            Ok(view) if last.as_ref() != Some(&view) => {
                tabs.tell_all("wallet", &view);
                last = Some(view);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the wallet cannot be looked at"),
        }
        // Often enough for the eye; what is told after the last step is told once more.
        tokio::time::sleep(PACE).await;
        changed.notified().await;
    }
}

//! Gathers orders into transactions and hands them to the signer with the least to do.
//!
//! An order that is alone goes at once. While others are under way, or no signer has room, orders
//! gather: up to a time, a number and an amount of gas.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tollway_ledger::PaymentId;

use super::approvals::Approvals;
use super::flights::Phase;
use super::{Context, transaction};

/// Orders for one transaction.
pub(super) type Load = Vec<PaymentId>;

pub(super) async fn run(
    context: Arc<Context>,
    mut queue: mpsc::Receiver<PaymentId>,
    lanes: Vec<mpsc::Sender<Load>>,
    approvals: Approvals,
) {
    let mut dispatch = Dispatch { context, lanes, approvals, gathered: VecDeque::new(), gas: 0 };
    while let Some(id) = queue.recv().await {
        dispatch.take(id).await;
        if dispatch.gathered.is_empty() {
            continue;
        }
        let deadline = Instant::now() + dispatch.context.config.gather;
        while dispatch.may_gather() {
            match tokio::time::timeout_at(deadline, queue.recv()).await {
                Ok(Some(id)) => dispatch.take(id).await,
                Ok(None) | Err(_) => break,
            }
        }
        // What is there already costs no time.
        while dispatch.has_room()
            && let Ok(id) = queue.try_recv()
        {
            dispatch.take(id).await;
        }
        dispatch.send_gathered().await;
    }
}

struct Dispatch {
    context: Arc<Context>,
    lanes: Vec<mpsc::Sender<Load>>,
    approvals: Approvals,
    gathered: VecDeque<PaymentId>,
    gas: u64,
}

impl Dispatch {
    /// An order that may share is gathered, any other goes by itself.
    async fn take(&mut self, id: PaymentId) {
        let Some(order) = self.context.flights.order(&id) else {
            return;
        };
        match self.context.flights.phase(&id) {
            Phase::Approving => return self.approvals.start(order),
            Phase::Giving(_) => return self.hand_over(vec![id]).await,
            Phase::Ready => {}
        }
        if !self.context.flights.may_share(&id) {
            self.hand_over(vec![id]).await;
            return;
        }
        let gas = transaction::gas_in_batch(&order);
        if self.gas.saturating_add(gas) > self.context.config.batch_gas && !self.gathered.is_empty() {
            self.send_gathered().await;
        }
        self.gas = self.gas.saturating_add(gas);
        self.gathered.push_back(id);
    }

    fn has_room(&self) -> bool {
        self.gathered.len() < self.context.config.batch && self.gas < self.context.config.batch_gas
    }

    /// Whether company is to be expected: something else is under way.
    fn may_gather(&self) -> bool {
        self.has_room() && !self.gathered.is_empty() && self.context.flights.len() > self.gathered.len()
    }

    async fn send_gathered(&mut self) {
        self.gas = 0;
        let load: Load = self.gathered.drain(..).collect();
        if !load.is_empty() {
            self.hand_over(load).await;
        }
    }

    /// Waits until a signer has room, then hands over.
    async fn hand_over(&self, load: Load) {
        loop {
            let room = self.context.room.notified();
            if let Some(lane) = self.freest() {
                self.context.lanes[lane].load.fetch_add(1, Ordering::Relaxed);
                // A lane stops only with everything else.
                let _ = self.lanes[lane].send(load).await;
                return;
            }
            room.await;
        }
    }

    fn freest(&self) -> Option<usize> {
        let lanes = self.context.lanes.iter().enumerate();
        lanes
            .filter(|(_, lane)| !lane.dry.load(Ordering::Relaxed))
            .map(|(index, lane)| (lane.load.load(Ordering::Relaxed), index))
            .filter(|(load, _)| *load < self.context.config.in_flight)
            .min()
            .map(|(_, index)| index)
    }
}

//! Looking after transactions that are not decided: sent again, replaced by dearer ones, gaps filled.

use std::sync::atomic::Ordering;

use alloy_primitives::U256;

use super::super::fees::Quote;
use super::super::heads::Tip;
use super::super::transaction::Content;
use super::{Lane, Trouble};

impl Lane {
    /// Looks at the chain's end: decides what it has taken, looks after what it has not.
    pub(super) async fn look(&mut self, tip: Tip) {
        let reorged = tip.reorgs != self.tip.reorgs;
        let reorgs_before = self.tip.reorgs;
        self.tip = tip;
        if let Err(error) = self.look_after(reorged).await {
            // The reorganisation counts as not seen: what it concerns is looked at again.
            self.tip.reorgs = reorgs_before;
            tracing::warn!(signer = %self.key.address(), %error, "what was sent cannot be looked after now");
        }
        if self.still_dry().await {
            self.hand_backlog_back();
        } else {
            self.send_backlog().await;
        }
    }

    async fn look_after(&mut self, reorged: bool) -> Result<(), Trouble> {
        if self.slots.is_empty() {
            return Ok(());
        }
        let count = self.context.rpc.transaction_count(self.key.address()).await?;
        self.next = self.next.max(count);
        let nonces: Vec<u64> = self.slots.keys().copied().collect();
        for nonce in nonces {
            let Some(slot) = self.slots.get(&nonce) else { continue };
            match slot.decided {
                Some(decision) => {
                    let depth = (self.tip.number + 1).saturating_sub(decision.block);
                    if reorged || depth >= self.context.config.finality {
                        self.look_again(nonce, decision).await?;
                    }
                }
                None if nonce < count => self.resolve(nonce).await?,
                None if slot.vacant => {}
                None => self.nudge(nonce, nonce == count).await,
            }
        }
        self.fill_gaps(count).await;
        Ok(())
    }

    /// A transaction that no block has taken: only the lowest holds up others.
    async fn nudge(&mut self, nonce: u64, lowest: bool) {
        let Some(slot) = self.slots.get(&nonce) else { return };
        let stuck = lowest && slot.made.elapsed() >= self.context.config.bump;
        let again = slot.given.elapsed() >= self.context.config.resend;
        let dearer = (stuck || slot.underpriced) && self.replace(nonce).await;
        if dearer || again {
            self.give(nonce).await;
        }
    }

    /// Writes down a dearer attempt of a slot. False, if the cap or the books forbid it.
    async fn replace(&mut self, nonce: u64) -> bool {
        let now = self.market().await.ok().and_then(Result::ok).map(|market| market.quote);
        let Some(last) = self.slots.get(&nonce).and_then(|slot| slot.attempts.last()) else {
            return false;
        };
        let old = Quote { max_fee: last.max_fee, tip: last.tip };
        let Some(fees) = self.context.config.fees.bumped(old, now) else {
            return false;
        };
        let time = self.context.now();
        let holds = |id| self.context.flights.order(id).is_some_and(|order| order.valid_before > time);
        let (content, claims) = match Content::of_raw(&last.raw) {
            Some(content) if last.claims.iter().any(holds) => (content, last.claims.clone()),
            // Nothing in it can be paid any more: only the nonce has to be used up.
            _ => (Content::empty(self.key.address()), vec![]),
        };
        match self.attempt(nonce, &content, fees, claims).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "no dearer transaction can be made now");
                false
            }
        }
    }

    /// Uses up account nonces that keep later ones from being taken.
    async fn fill_gaps(&mut self, count: u64) {
        let taken: Vec<u64> = self.vacated.range(..count).copied().collect();
        for nonce in taken {
            self.vacated.remove(&nonce);
        }
        let waiting = self.slots.iter().rev().find(|(_, slot)| !slot.vacant && slot.decided.is_none());
        let Some((&last, _)) = waiting else { return };
        let gaps: Vec<u64> = self.vacated.range(..last).copied().collect();
        for nonce in gaps {
            let Ok(Ok(market)) = self.market().await else { return };
            let old = self.slots.get(&nonce).and_then(|slot| slot.attempts.last());
            let dearer = old.map(|old| Quote { max_fee: old.max_fee, tip: old.tip });
            let policy = &self.context.config.fees;
            let fees = dearer.and_then(|old| policy.bumped(old, Some(market.quote))).unwrap_or(market.quote);
            let content = Content::empty(self.key.address());
            if self.attempt(nonce, &content, fees, vec![]).await.is_err() {
                return;
            }
            self.vacated.remove(&nonce);
            self.state().load.fetch_add(1, Ordering::Relaxed);
            self.give(nonce).await;
        }
    }

    /// Whether the signer still cannot pay: asked as long as it could not.
    async fn still_dry(&self) -> bool {
        if !self.state().dry.load(Ordering::Relaxed) {
            return false;
        }
        let needed = self.market.map_or(0, |market| market.quote.max_fee.saturating_mul(1_000_000));
        let enough = self.context.rpc.balance(self.key.address()).await.is_ok_and(|owned| owned > U256::from(needed));
        if enough {
            self.state().dry.store(false, Ordering::Relaxed);
            self.context.room.notify_one();
        }
        !enough
    }

    /// Another signer may be able to.
    fn hand_backlog_back(&mut self) {
        for load in std::mem::take(&mut self.backlog) {
            for order in load.iter().filter_map(|id| self.context.flights.order(id)) {
                self.requeue(&order);
            }
            self.lighten();
        }
    }
}

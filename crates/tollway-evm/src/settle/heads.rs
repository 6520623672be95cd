//! New blocks, by polling: quick after something was sent, slower while nothing comes, not at all
//! while nobody waits.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::{Notify, watch};

use super::Context;
use crate::chain::ChainError;
use crate::chain::rpc::Head;

/// What lanes see of the chain's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tip {
    /// Height of the newest block.
    pub(super) number: u64,
    /// Its hash.
    pub(super) hash: B256,
    /// Counts up when a block that we saw has left the chain.
    pub(super) reorgs: u64,
    /// Counts every look at the chain, so that a look without news is news too.
    pub(super) looks: u64,
}

/// Looks at the chain for as long as lanes have something under way.
pub(super) async fn run(context: Arc<Context>, tips: watch::Sender<Tip>, wake: Arc<Notify>) {
    let mut wait = context.config.poll_least;
    loop {
        if context.is_idle() {
            wake.notified().await;
            wait = context.config.poll_least;
        }
        match context.rpc.head().await {
            Ok(head) => {
                let before = *tips.borrow();
                let news = head.hash != before.hash;
                let reorged = news && before.looks > 0 && has_left(&context, &before, &head).await.unwrap_or(true);
                tips.send_replace(Tip {
                    number: head.number,
                    hash: head.hash,
                    reorgs: before.reorgs + u64::from(reorged),
                    looks: before.looks + 1,
                });
                wait = if news { context.config.poll_least } else { longer(wait, context.config.poll_most) };
            }
            Err(error) => {
                tracing::warn!(network = %context.network, %error, "the chain's newest block cannot be read");
                wait = longer(wait, context.config.poll_most);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = wake.notified() => wait = context.config.poll_least,
        }
    }
}

/// Whether the block seen last is no longer part of the chain.
async fn has_left(context: &Context, before: &Tip, head: &Head) -> Result<bool, ChainError> {
    if head.number == before.number + 1 {
        return Ok(head.parent != before.hash);
    }
    if head.number <= before.number {
        return Ok(true);
    }
    Ok(context.rpc.block_hash(before.number).await? != Some(before.hash))
}

fn longer(wait: Duration, most: Duration) -> Duration {
    (wait + wait / 2).min(most)
}

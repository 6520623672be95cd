//! From a wish to what is done about it.

use std::sync::Arc;

use tollway_protocol::Amount;

use super::{Agent, AgentError, Done, Id};
use crate::money::dollars;
use crate::planner::Wish;

impl Agent {
    /// Does what was asked for, on behalf of a tab.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn perform(self: &Arc<Self>, tab: Id, wish: &Wish) -> Result<Done, AgentError> {
        match wish {
            Wish::Read(about) => self.read(tab, about).await,
            Wish::Crawl(total) => self.crawl(tab, *total).await,
            Wish::Compare => self.compare(tab).await,
            Wish::Watch(total) => self.watch(tab, *total).await,
            Wish::Browse(pages) => self.browse(tab, *pages).await,
            Wish::Tool { name, arguments } => self.call_tool(tab, name, arguments).await,
            Wish::CloseDay => self.close_day(tab).await,
            Wish::Prices => Ok(self.prices()),
        }
    }

    /// Gives the wallet more test money; what it has then, in micro-dollars.
    ///
    /// # Errors
    /// When it has enough, or the chain does not answer.
    pub async fn faucet(&self) -> Result<Amount, AgentError> {
        let balance = self.stage.chain.faucet().await?;
        self.timeline.add(
            crate::trace::Kind::Settle,
            crate::trace::Scheme::Free,
            format!("the faucet minted test USDC; the wallet has {}", dollars(balance)),
            vec![],
        );
        Ok(balance)
    }

    fn prices(&self) -> Done {
        let lines = self.stage.shops().flat_map(|shop| {
            let line = |price: &crate::stage::ShopPrice| {
                let slash = if price.path.starts_with('/') { "" } else { "/" };
                let ways = if price.schemes.is_empty() { "free".to_owned() } else { price.schemes.join(" or ") };
                format!("{}{slash}{}: {} ({ways})", shop.name, price.path, dollars(price.amount))
            };
            shop.prices.iter().map(line).collect::<Vec<_>>()
        });
        Done { text: lines.collect::<Vec<_>>().join("\n"), cost: Amount::ZERO }
    }
}

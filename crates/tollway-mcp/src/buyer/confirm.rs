//! Asking whoever owns the money. The one asked sees a copy of what is going to be paid, and can say yes or no to it:
//! nothing that is paid can be changed from there.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use tollway_protocol::{Amount, Asset, Network};

use super::choice::Chosen;
use super::listing::dollars;

/// Key of `extra` under which terms are found.
const TERMS: &str = "termsUrl";
/// Characters of a server's word that are shown.
const SHOWN_MAX: usize = 200;

/// What is going to be paid, as it is shown to whoever decides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The server, by the name that this side gave it.
    pub server: String,
    /// What is called: a tool's name, a resource's URI.
    pub tool: String,
    /// What it costs, in micro-dollars.
    pub price: Amount,
    /// The same in the asset's atomic units.
    pub amount: Amount,
    /// In what.
    pub asset: Asset,
    /// What people call the asset.
    pub symbol: String,
    /// By which scheme.
    pub scheme: String,
    /// Where it settles.
    pub network: Network,
    /// To whom; the server's word, made fit to show.
    pub pay_to: String,
    /// Where the terms of sale can be read, if the server says so; made fit to show.
    pub terms: Option<String>,
    /// The tool was approved before, and since then its definition, its terms or its price have changed.
    pub changed: bool,
}

/// What the one asked said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Pay this once.
    Once,
    /// Pay this, and the same again without asking for as long as this program runs: the same tool, defined by the same
    /// bytes, under the same terms, at the same price.
    Always,
    /// Do not pay.
    Decline,
    /// Nobody is there who could be asked.
    NobodyThere,
}

/// Asks somebody.
#[async_trait]
pub trait Confirm: Send + Sync {
    /// Whether to pay. Whoever takes longer than [`Consent::within`] has said no.
    async fn confirm(&self, question: Question) -> Decision;
}

/// Whose consent a payment needs, beside the limits.
#[derive(Clone)]
pub struct Consent {
    /// Who is asked; `None` pays within the limits without asking.
    pub confirm: Option<std::sync::Arc<dyn Confirm>>,
    /// What costs no more than this, in micro-dollars, is paid without asking.
    pub unasked: Amount,
    /// How long an answer may take.
    pub within: Duration,
}

impl Consent {
    /// Within the limits nobody is asked.
    #[must_use]
    pub fn automatic() -> Self {
        Self { confirm: None, unasked: Amount::ZERO, within: Duration::ZERO }
    }

    /// Asks for every payment, and gives two minutes to answer.
    #[must_use]
    pub fn asking(confirm: std::sync::Arc<dyn Confirm>) -> Self {
        Self { confirm: Some(confirm), unasked: Amount::ZERO, within: Duration::from_secs(120) }
    }
}

impl Question {
    pub(super) fn about(server: &str, tool: &str, chosen: &Chosen, symbol: &str, changed: bool) -> Self {
        let way = chosen.requirements();
        Self {
            server: server.to_owned(),
            tool: shown(tool),
            price: chosen.price(),
            amount: way.amount,
            asset: way.asset.clone(),
            symbol: symbol.to_owned(),
            scheme: way.scheme.clone(),
            network: way.network.clone(),
            pay_to: shown(&way.pay_to),
            terms: way.extra(TERMS).and_then(|terms| terms.as_str()).map(shown),
            changed,
        }
    }
}

impl fmt::Display for Question {
    /// The question in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, tool, price, amount, symbol, asset, scheme, network, pay_to, .. } = self;
        let unit = if symbol.is_empty() { shown(asset.as_str()) } else { symbol.clone() };
        let price = dollars(*price);
        write!(
            f,
            "Pay {price} for `{tool}` of {server}? ({amount} atomic units of {unit} on {network}, by {scheme}, to {pay_to}"
        )?;
        if let Some(terms) = &self.terms {
            write!(f, ", terms at {terms}")?;
        }
        f.write_str(")")?;
        if self.changed {
            f.write_str(" It was approved before, and its definition, terms or price have changed since.")?;
        }
        Ok(())
    }
}

/// A word of somebody else's on one line: no control characters, none that turn the writing around, not too long.
pub(super) fn shown(text: &str) -> String {
    let harmless = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut short: String = text.chars().filter(harmless).take(SHOWN_MAX).collect();
    if text.chars().count() > SHOWN_MAX {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_28_a_stranger_s_word_is_shown_on_one_line() {
        assert_eq!(shown("pay\n\u{202e}me\u{1b}[2J now"), "payme[2J now");
        assert_eq!(shown(&"x".repeat(300)).chars().count(), SHOWN_MAX + 1);
    }
}

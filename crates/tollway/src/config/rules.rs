//! Price rules as they are written.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::offer::LIFETIME_MAX;
use tollway_core::rules::{Action, Audience, Charge, Methods, Pattern, Profile, Rule, TermsRef};
use tollway_protocol::Dress;

use super::ConfigPrice;
use super::exact::RuleExact;

/// One `[[rules]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleConfig {
    /// Its name.
    pub(crate) id: String,
    /// Path pattern; `*` is any run of characters.
    path: String,
    /// Methods; all unless given.
    methods: Option<Vec<String>>,
    /// For whom.
    audience: AudienceConfig,
    /// What it does.
    action: ActionConfig,
    /// What a request costs.
    price: Option<ConfigPrice>,
    /// How long an offer is honoured, in seconds.
    lifetime: Option<u64>,
    /// In which dresses the deferred way is offered.
    dresses: Option<Vec<Dress>>,
    /// Content that changes with every request.
    #[serde(default)]
    live: bool,
    /// How often an identical request is served again.
    re_serves: Option<u8>,
    /// Signature profile.
    #[serde(default)]
    profile: ProfileConfig,
    /// How it is paid at once, where it is.
    pub(crate) exact: Option<RuleExact>,
    /// File with the terms of sale.
    pub(crate) terms: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AudienceConfig {
    Everyone,
    Signed,
    Bots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionConfig {
    Charge,
    Allow,
    Block,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ProfileConfig {
    #[default]
    Strict,
    Published,
}

impl RuleConfig {
    /// The rule; `terms` are the ones its file holds.
    pub(crate) fn rule(&self, terms: Option<TermsRef>) -> anyhow::Result<Rule> {
        self.parsed(terms).with_context(|| format!("rule `{}`", self.id))
    }

    fn parsed(&self, terms: Option<TermsRef>) -> anyhow::Result<Rule> {
        if self.id.is_empty()
            || self.id.len() > 64
            || !self.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            bail!("an id is up to 64 letters, digits, `-`, `_` and `.`");
        }
        let pattern: Pattern = self.path.parse()?;
        let audience = match self.audience {
            AudienceConfig::Everyone => Audience::Everyone,
            AudienceConfig::Signed => Audience::Signed,
            AudienceConfig::Bots => Audience::Bots,
        };
        Ok(Rule { id: self.id.clone(), pattern, methods: self.methods()?, audience, action: self.action(terms)? })
    }

    fn methods(&self) -> anyhow::Result<Methods> {
        let Some(methods) = &self.methods else { return Ok(Methods::Any) };
        let fine = |method: &String| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if methods.is_empty() || !methods.iter().all(fine) {
            bail!("`methods` are upper-case names, such as [\"GET\"]");
        }
        Ok(Methods::Only(methods.clone()))
    }

    fn action(&self, terms: Option<TermsRef>) -> anyhow::Result<Action> {
        match (self.action, &self.price) {
            (ActionConfig::Allow, None) => Ok(Action::Allow),
            (ActionConfig::Block, None) => Ok(Action::Block),
            (ActionConfig::Allow | ActionConfig::Block, Some(_)) => bail!("only a rule that charges has a `price`"),
            (ActionConfig::Charge, None) => bail!("a rule that charges has a `price`"),
            (ActionConfig::Charge, Some(price)) => self.charge(price, terms).map(Action::Charge),
        }
    }

    fn charge(&self, price: &ConfigPrice, terms: Option<TermsRef>) -> anyhow::Result<Charge> {
        let mut charge = Charge::at(price.0.clone());
        if price.0.amount.is_zero() {
            bail!("a `price` of nothing is `action = \"allow\"`");
        }
        if let Some(lifetime) = self.lifetime {
            if !(60..=LIFETIME_MAX).contains(&lifetime) {
                bail!("`lifetime` is 60 to {LIFETIME_MAX} seconds");
            }
            charge.lifetime = lifetime;
        }
        if let Some(dresses) = &self.dresses {
            if dresses.is_empty() && self.exact.is_none() {
                bail!("`dresses` names at least one of x402, deferred, crawl, unless `exact` is taken");
            }
            charge.dresses.clone_from(dresses);
        }
        if let Some(re_serves) = self.re_serves {
            charge.re_serves = re_serves;
        }
        charge.live = self.live;
        charge.profile = match self.profile {
            ProfileConfig::Strict => Profile::Strict,
            ProfileConfig::Published => Profile::Published,
        };
        charge.terms = terms;
        Ok(charge)
    }
}

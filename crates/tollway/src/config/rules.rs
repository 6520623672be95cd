//! Price rules as they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::offer::LIFETIME_MAX;
use tollway_core::rules::{
    Action, Audience, Charge, Conditions, Methods, PassTerms, Pattern, PriceClass, Profile, Purpose, Rule, TermsRef,
};
use tollway_ledger::pass::REQUESTS_MAX;
use tollway_protocol::{Dress, Price};

use super::exact::RuleExact;
use super::who::{ClassConfig, WhoConfig};
use super::{ConfigPrice, RulePrice};

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
    /// Paths it does not speak of although `path` fits them.
    #[serde(default)]
    except: Vec<String>,
    /// Signature agents: origins, hosts, or `*.` and a domain.
    agents: Option<Vec<String>>,
    /// Operators, as `[[operators]]` names them.
    operator: Option<Vec<String>>,
    /// Purposes; `unknown` stands for requesters of whom none is proved.
    purpose: Option<Vec<String>>,
    /// What it does.
    action: ActionConfig,
    /// What a request costs: a price, or its name under `[prices]`.
    price: Option<RulePrice>,
    /// What some pay instead; the first that fits decides.
    #[serde(default)]
    prices: Vec<ClassConfig>,
    /// Nothing is charged or blocked; what would have been is counted.
    #[serde(default)]
    dry_run: bool,
    /// Requests to change to another protocol, such as WebSocket, are forwarded.
    #[serde(default)]
    upgrade: bool,
    /// How long an offer is honoured, in seconds.
    lifetime: Option<u64>,
    /// In which dresses the deferred way is offered.
    dresses: Option<Vec<Dress>>,
    /// Content that changes with every request.
    #[serde(default)]
    live: bool,
    /// How often an identical request is served again.
    re_serves: Option<u8>,
    /// One payment opens more than one request.
    pass: Option<PassConfig>,
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

/// What one payment opens: so many requests, for so long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PassConfig {
    /// How many requests, the one that is paid included.
    requests: u32,
    /// For how many seconds after the payment.
    seconds: u32,
}

impl PassConfig {
    fn terms(&self) -> anyhow::Result<PassTerms> {
        let Self { requests, seconds } = *self;
        if !(2..=REQUESTS_MAX).contains(&requests) || !(1..=PassTerms::SECONDS_MAX).contains(&seconds) {
            bail!("a `pass` is for 2 to {REQUESTS_MAX} requests within 1 to {} seconds", PassTerms::SECONDS_MAX);
        }
        Ok(PassTerms { requests, seconds })
    }
}

impl RuleConfig {
    /// The rule; `terms` are the ones its file holds, `named` the prices of `[prices]`.
    pub(crate) fn rule(&self, terms: Option<TermsRef>, named: &BTreeMap<String, ConfigPrice>) -> anyhow::Result<Rule> {
        self.parsed(terms, named).with_context(|| format!("rule `{}`", self.id))
    }

    fn parsed(&self, terms: Option<TermsRef>, named: &BTreeMap<String, ConfigPrice>) -> anyhow::Result<Rule> {
        if self.id.is_empty()
            || self.id.len() > 64
            || !self.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            bail!("an id is up to 64 letters, digits, `-`, `_` and `.`");
        }
        let pattern: Pattern = self.path.parse()?;
        let price = self.price.as_ref().map(|price| price.among(named)).transpose()?;
        let mut rule = Rule::new(self.id.clone(), pattern, self.action(price, terms)?);
        rule.methods = self.methods()?;
        rule.audience = match self.audience {
            AudienceConfig::Everyone => Audience::Everyone,
            AudienceConfig::Signed => Audience::Signed,
            AudienceConfig::Bots => Audience::Bots,
        };
        rule.conditions = self.conditions()?;
        rule.conditions.classes = self.classes(&rule, named)?;
        Ok(rule)
    }

    fn conditions(&self) -> anyhow::Result<Conditions> {
        let who = WhoConfig { agents: &self.agents, operators: &self.operator, purposes: &self.purpose }.selectors()?;
        let allows = self.action == ActionConfig::Allow;
        if allows && self.dry_run {
            bail!("`dry_run` is for rules that charge or block");
        }
        if allows && who.purposes.iter().any(|purpose| purpose.as_str() == Purpose::UNKNOWN) {
            bail!("an `unknown` purpose is no reason to allow anything");
        }
        let except = self.except.iter().map(|text| text.parse().with_context(|| format!("`except` path `{text}`")));
        Ok(Conditions {
            except: except.collect::<anyhow::Result<_>>()?,
            who,
            classes: Vec::new(),
            profile: self.profile(),
            dry_run: self.dry_run,
            upgrade: self.upgrade,
        })
    }

    /// The price classes: each the rule once more, under a name and a price of its own.
    fn classes(&self, rule: &Rule, named: &BTreeMap<String, ConfigPrice>) -> anyhow::Result<Vec<PriceClass>> {
        let mut classes: Vec<PriceClass> = Vec::new();
        for (index, class) in self.prices.iter().enumerate() {
            let Action::Charge(charge) = &rule.action else { bail!("only a rule that charges has `prices`") };
            let name = class.name(index)?;
            let id = format!("{}:{name}", rule.id);
            if classes.iter().any(|other| other.rule.id == id) {
                bail!("two of its `prices` are called `{name}`");
            }
            let price = class.price.among(named)?;
            if price.amount.is_zero() {
                bail!("a price of nothing is a rule of its own, with `action = \"allow\"`");
            }
            let mut own = rule.clone();
            own.id = id;
            own.action = Action::Charge(Charge { price, ..charge.clone() });
            classes.push(PriceClass { who: class.selectors()?, rule: Arc::new(own) });
        }
        Ok(classes)
    }

    fn profile(&self) -> Profile {
        match self.profile {
            ProfileConfig::Strict => Profile::Strict,
            ProfileConfig::Published => Profile::Published,
        }
    }

    fn methods(&self) -> anyhow::Result<Methods> {
        let Some(methods) = &self.methods else { return Ok(Methods::Any) };
        let fine = |method: &String| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if methods.is_empty() || !methods.iter().all(fine) {
            bail!("`methods` are upper-case names, such as [\"GET\"]");
        }
        Ok(Methods::Only(methods.clone()))
    }

    fn action(&self, price: Option<Price>, terms: Option<TermsRef>) -> anyhow::Result<Action> {
        match (self.action, price) {
            (ActionConfig::Allow, None) => Ok(Action::Allow),
            (ActionConfig::Block, None) => Ok(Action::Block),
            (ActionConfig::Allow | ActionConfig::Block, Some(_)) => bail!("only a rule that charges has a `price`"),
            (ActionConfig::Charge, None) => bail!("a rule that charges has a `price`"),
            (ActionConfig::Charge, Some(price)) => self.charge(price, terms).map(Action::Charge),
        }
    }

    fn charge(&self, price: Price, terms: Option<TermsRef>) -> anyhow::Result<Charge> {
        let mut charge = Charge::at(price);
        if charge.price.amount.is_zero() {
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
                bail!("`dresses` names at least one of x402, deferred, crawl, cloudflare, unless `exact` is taken");
            }
            charge.dresses.clone_from(dresses);
        }
        if let Some(re_serves) = self.re_serves {
            charge.re_serves = re_serves;
        }
        charge.live = self.live;
        charge.pass = self.pass.as_ref().map(PassConfig::terms).transpose()?;
        charge.profile = self.profile();
        charge.terms = terms;
        Ok(charge)
    }
}

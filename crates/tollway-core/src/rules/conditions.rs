//! What a rule asks of a request beside path, method and audience, and the price classes within it.

use std::sync::Arc;

use super::agents::AgentPattern;
use super::asker::{Asker, Fit, Purpose};
use super::{Pattern, Profile, Rule};

/// Whom a rule or a price class speaks of. Lists that are empty ask for nothing; of each other
/// list one entry has to fit.
#[derive(Debug, Clone, Default)]
pub struct Selectors {
    /// Signature agents.
    pub agents: Vec<AgentPattern>,
    /// Operators.
    pub operators: Vec<String>,
    /// Purposes; `unknown` stands for requesters of whom none is proved.
    pub purposes: Vec<Purpose>,
}

/// Conditions of a rule that most rules do not have.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// Paths that the rule does not speak of although its pattern fits them.
    pub except: Vec<Pattern>,
    /// Whom it speaks of.
    pub who: Selectors,
    /// What some pay instead of the rule's own price; the first that fits decides.
    pub classes: Vec<PriceClass>,
    /// What a signature must cover to prove who asks, where the rule does not charge.
    pub profile: Profile,
    /// Nothing is asked or refused: what would have been is counted.
    pub dry_run: bool,
    /// Requests that would leave HTTP (`Upgrade`) are forwarded.
    pub upgrade: bool,
}

/// Another price for some.
#[derive(Debug, Clone)]
pub struct PriceClass {
    /// For whom.
    pub who: Selectors,
    /// The rule as it is for them: its own id, and its own price.
    pub rule: Arc<Rule>,
}

impl Selectors {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.operators.is_empty() && self.purposes.is_empty()
    }

    /// How far it fits.
    pub fn fit(&self, asker: &Asker) -> Fit {
        if self.is_empty() {
            return Fit::Proved;
        }
        self.agent_fit(asker).min(self.operator_fit(asker)).min(self.purpose_fit(asker))
    }

    pub(super) fn agent_fit(&self, asker: &Asker) -> Fit {
        let fits = |pattern: &AgentPattern| asker.fit(|known| known.agents.iter().any(|agent| pattern.matches(agent)));
        one_of(&self.agents, fits)
    }

    pub(super) fn operator_fit(&self, asker: &Asker) -> Fit {
        one_of(&self.operators, |name| {
            asker.fit(|known| known.operators.iter().any(|own| own.eq_ignore_ascii_case(name)))
        })
    }

    pub(super) fn purpose_fit(&self, asker: &Asker) -> Fit {
        one_of(&self.purposes, |purpose| {
            if purpose.is_unknown() {
                // Whoever proves nothing is unknown: that is no merit.
                return if asker.purpose_is_unknown() { Fit::Claimed } else { Fit::No };
            }
            asker.fit(|known| known.purposes.contains(purpose))
        })
    }
}

fn one_of<T>(list: &[T], fits: impl Fn(&T) -> Fit) -> Fit {
    if list.is_empty() { Fit::Proved } else { list.iter().map(fits).max().unwrap_or(Fit::No) }
}

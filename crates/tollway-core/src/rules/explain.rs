//! Which rule decides, and why none of the others did: for those who write rules.

use tollway_protocol::Refusal;

use super::asker::{Asker, Fit};
use super::{Decision, Readings, Rule, RuleSet, Ruling};

/// What happened to a request on its way through the rules.
#[derive(Debug)]
pub struct Explanation {
    /// The path under every reading, the plain one first.
    pub readings: Vec<String>,
    /// The pattern of the free list that fits, if one does: then no rule is asked.
    pub free: Option<String>,
    /// Each rule in order, up to the one that decides.
    pub steps: Vec<Step>,
    /// What was decided, and whether a proof could change it.
    pub decision: Result<Decision, Refusal>,
}

/// One rule's part.
#[derive(Debug)]
pub struct Step {
    /// The rule's name.
    pub rule: String,
    /// Why it did not decide; `None` where it did.
    pub passed_over: Option<PassedOver>,
}

/// Why a rule does not decide a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver {
    /// Its pattern does not fit the path.
    Path,
    /// The path is one of its exemptions.
    Exempt,
    /// It does not speak of the method.
    Method,
    /// The requester is not of its audience.
    Audience,
    /// It speaks of other agents.
    Agent,
    /// It speaks of other operators.
    Operator,
    /// It speaks of other purposes.
    Purpose,
    /// What it asks for is claimed only, and it would be in the requester's favour.
    Unproved,
}

impl PassedOver {
    /// The reason in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Exempt => "exemption",
            Self::Method => "method",
            Self::Audience => "audience",
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Purpose => "purpose",
            Self::Unproved => "proof",
        }
    }
}

impl RuleSet {
    /// Explains what [`RuleSet::decide_for`] decides.
    pub fn explain(&self, path: &Readings, method: &str, asker: &Asker) -> Explanation {
        let free = self.free.iter().find(|pattern| pattern.matches(path.plain())).map(ToString::to_string);
        let steps = if free.is_none() { self.steps(path.plain(), method, asker) } else { Vec::new() };
        Explanation {
            readings: path.iter().map(str::to_owned).collect(),
            free,
            steps,
            decision: self.decide_for(path, method, asker),
        }
    }

    fn steps(&self, path: &str, method: &str, asker: &Asker) -> Vec<Step> {
        let ruling = self.first(method, asker, |rule| rule.covers(path)).ruling;
        let deciding = match &ruling {
            Ruling::Charge(rule) | Ruling::Block(rule) | Ruling::Trial(rule) => Some(rule.id.as_str()),
            Ruling::Pass | Ruling::Allow => None,
        };
        let mut steps = Vec::new();
        for rule in &self.rules {
            let why = why_not(rule, path, method, asker);
            let fit = rule.concerns(method, asker);
            let own = |id| rule.id == id || rule.conditions.classes.iter().any(|class| class.rule.id == id);
            let decides = why.is_none() && deciding.map_or(fit == Fit::Proved || matches!(ruling, Ruling::Allow), own);
            let passed_over = if decides { None } else { why.or(Some(PassedOver::Unproved)) };
            steps.push(Step { rule: rule.id.clone(), passed_over });
            if decides {
                break;
            }
        }
        steps
    }
}

fn why_not(rule: &Rule, path: &str, method: &str, asker: &Asker) -> Option<PassedOver> {
    let who = &rule.conditions.who;
    let checks = [
        (rule.pattern.matches(path), PassedOver::Path),
        (rule.covers(path), PassedOver::Exempt),
        (rule.methods.include(method), PassedOver::Method),
        (rule.audience.fit(asker) > Fit::No, PassedOver::Audience),
        (who.agent_fit(asker) > Fit::No, PassedOver::Agent),
        (who.operator_fit(asker) > Fit::No, PassedOver::Operator),
        (who.purpose_fit(asker) > Fit::No, PassedOver::Purpose),
    ];
    checks.into_iter().find(|(fits, _)| !fits).map(|(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Audience, Requester};

    #[test]
    fn each_rule_says_why_it_kept_silent() {
        let rules = RuleSet::new(
            vec!["/press/*".parse().unwrap()],
            vec![
                Rule::block("drafts", "/drafts/*"),
                Rule::charge("posts", "/a/*", "$0.01").for_methods(&["POST"]),
                Rule::charge("bots", "/a/*", "$0.01").for_audience(Audience::Signed),
                Rule::allow("rest", "*"),
                Rule::block("never", "*"),
            ],
        );
        let explain = |path| rules.explain(&Readings::of(path).unwrap(), "GET", &Requester::default().into());
        let told = explain("/a/b");
        let steps: Vec<_> = told.steps.iter().map(|step| (step.rule.as_str(), step.passed_over)).collect();
        let expected = [
            ("drafts", Some(PassedOver::Path)),
            ("posts", Some(PassedOver::Method)),
            ("bots", Some(PassedOver::Audience)),
            ("rest", None),
        ];
        assert_eq!(steps, expected);
        assert_eq!(explain("/press/kit").free.as_deref(), Some("/press/*"));
        assert!(matches!(explain("/drafts/x").decision.unwrap().ruling, Ruling::Block(_)));
        assert!(explain("//drafts/x").decision.is_err());
    }
}

//! Which rule decides, and why none of the others did: for those who write rules.

use tollway_protocol::Refusal;

use super::{Readings, Requester, Rule, RuleSet, Ruling};

/// What happened to a request on its way through the rules.
#[derive(Debug)]
pub struct Explanation {
    /// The path under every reading, the plain one first.
    pub readings: Vec<String>,
    /// The pattern of the free list that fits, if one does: then no rule is asked.
    pub free: Option<String>,
    /// Each rule in order, up to the one that decides.
    pub steps: Vec<Step>,
    /// What was decided.
    pub ruling: Result<Ruling, Refusal>,
}

/// One rule's part.
#[derive(Debug)]
pub struct Step {
    /// The rule's name.
    pub rule: String,
    /// Why it did not speak of the request; `None` where it decided.
    pub passed_over: Option<PassedOver>,
}

/// Why a rule does not speak of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver {
    /// Its pattern does not fit the path.
    Path,
    /// It does not speak of the method.
    Method,
    /// The requester is not of its audience.
    Audience,
}

impl PassedOver {
    /// The reason in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Audience => "audience",
        }
    }
}

impl RuleSet {
    /// Explains what [`RuleSet::decide`] decides.
    pub fn explain(&self, path: &Readings, method: &str, who: Requester) -> Explanation {
        let free = self.free.iter().find(|pattern| pattern.matches(path.plain())).map(ToString::to_string);
        let mut steps = Vec::new();
        if free.is_none() {
            for rule in &self.rules {
                let passed_over = passed_over(rule, path.plain(), method, who);
                let decides = passed_over.is_none();
                steps.push(Step { rule: rule.id.clone(), passed_over });
                if decides {
                    break;
                }
            }
        }
        Explanation {
            readings: path.iter().map(str::to_owned).collect(),
            free,
            steps,
            ruling: self.decide(path, method, who),
        }
    }
}

fn passed_over(rule: &Rule, path: &str, method: &str, who: Requester) -> Option<PassedOver> {
    if !rule.pattern.matches(path) {
        Some(PassedOver::Path)
    } else if !rule.methods.include(method) {
        Some(PassedOver::Method)
    } else if !rule.audience.includes(who) {
        Some(PassedOver::Audience)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Audience;

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
        let explain = |path| rules.explain(&Readings::of(path).unwrap(), "GET", Requester::default());
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
        assert!(matches!(explain("/drafts/x").ruling, Ok(Ruling::Block(_))));
        assert!(explain("//drafts/x").ruling.is_err());
    }
}

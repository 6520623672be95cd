//! Price rules: which requests cost what. The first rule in file order whose path, method and
//! requester all fit decides; before all rules stands the free list, after them the request passes.
//! A claim that nobody has proved never makes a request cheaper: see [`Fit`].

mod agents;
mod asker;
mod bots;
mod conditions;
mod decide;
mod explain;
mod pass;
mod pattern;
mod reading;
mod rule;

pub use agents::{AgentPattern, Operator, ParseAgentPatternError};
pub use asker::{Asker, Fit, Identity, ParsePurposeError, Purpose, Requester};
pub use bots::{claimed_by, is_ai_crawler};
pub use conditions::{Conditions, PriceClass, Selectors};
pub use decide::Decision;
pub use explain::{Explanation, PassedOver, Step};
pub use pass::PassTerms;
pub use pattern::{ParsePatternError, Pattern, fold_case};
pub use reading::{PATH_MAX, Readings};
pub use rule::{Action, Audience, Charge, Methods, Profile, Rule, TermsRef};

use std::sync::Arc;

use tollway_protocol::{Reason, Refusal};
use tollway_signatures::AgentUrl;

/// Paths that are never priced, whatever the rules say: what a crawler must be able to read to
/// behave well, and the gate's own documents.
pub const FREE: [&str; 7] =
    ["/robots.txt", "/sitemap.xml", "/security.txt", "/favicon.ico", "/crawlers.json", "/llms.txt", "/.well-known/*"];

/// What the rules say of a request.
#[derive(Debug, Clone)]
pub enum Ruling {
    /// No rule speaks of it: it passes untouched.
    Pass,
    /// A rule, or the free list, lets it pass.
    Allow,
    /// It costs money.
    Charge(Arc<Rule>),
    /// It is refused, paid or not.
    Block(Arc<Rule>),
    /// It passes, and the rule would have charged or blocked: a rule on trial.
    Trial(Arc<Rule>),
}

impl Ruling {
    /// The rule that has a say in the answer. One on trial has none.
    fn rule_id(&self) -> Option<&str> {
        match self {
            Self::Pass | Self::Allow | Self::Trial(_) => None,
            Self::Charge(rule) | Self::Block(rule) => Some(&rule.id),
        }
    }
}

/// The rules of one gate, in order.
#[derive(Debug, Clone)]
pub struct RuleSet {
    free: Vec<Pattern>,
    rules: Vec<Arc<Rule>>,
    operators: Vec<Operator>,
    asks_who: bool,
}

impl RuleSet {
    /// The rules in the order in which they decide; `free` adds to [`FREE`].
    pub fn new(free: Vec<Pattern>, rules: Vec<Rule>) -> Self {
        let built_in = FREE.iter().map(|text| text.parse().expect("the free list is made of patterns"));
        let asks_who = rules.iter().any(Rule::asks_who);
        let rules = rules.into_iter().map(Arc::new).collect();
        Self { free: built_in.chain(free).collect(), rules, operators: Vec::new(), asks_who }
    }

    /// With what the seller has confirmed of agents.
    #[must_use]
    pub fn with_operators(mut self, operators: Vec<Operator>) -> Self {
        self.operators = operators;
        self
    }

    /// The same free list and operators, with other rules.
    #[must_use]
    pub fn with_rules(&self, rules: Vec<Rule>) -> Self {
        let asks_who = rules.iter().any(Rule::asks_who);
        Self { rules: rules.into_iter().map(Arc::new).collect(), asks_who, ..self.clone() }
    }

    /// The rules in order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rules in order, each followed by its price classes.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules
            .iter()
            .flat_map(|rule| std::iter::once(rule).chain(rule.conditions.classes.iter().map(|class| &class.rule)))
    }

    /// Everything that can charge: rules on trial cannot.
    pub fn charging(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.all().filter(|rule| !rule.conditions.dry_run)
    }

    /// Whether any rule asks for more of a requester than its audience.
    pub fn asks_who(&self) -> bool {
        self.asks_who
    }

    /// Whether any rule takes signatures of the `published` profile.
    pub fn takes_published(&self) -> bool {
        self.rules.iter().any(|rule| rule.profile() == Profile::Published)
    }

    /// What the seller has confirmed of an agent: facts where the agent is proved, claims where it is named.
    pub fn identity(&self, agent: &AgentUrl) -> Identity {
        let mut known = Identity { agents: vec![agent.clone()], ..Identity::default() };
        for operator in &self.operators {
            if operator.agents.iter().any(|pattern| pattern.matches(agent)) {
                known.operators.push(operator.name.clone());
                known.purposes.extend(operator.purposes.iter().cloned());
            }
        }
        known
    }

    /// Whether the configuration itself speaks of an agent: its directory is worth asking, account or not.
    pub fn names(&self, agent: &AgentUrl) -> bool {
        let in_rules = self.rules.iter().flat_map(|rule| {
            let classes = rule.conditions.classes.iter().map(|class| &class.who);
            std::iter::once(&rule.conditions.who).chain(classes).flat_map(|who| &who.agents)
        });
        in_rules
            .chain(self.operators.iter().flat_map(|operator| &operator.agents))
            .any(|pattern| pattern.matches(agent))
    }

    /// Whether any rule prices or blocks this path for anyone: such a resource must not be kept
    /// by a shared cache.
    pub fn guards(&self, path: &str) -> bool {
        let guards = |rule: &Arc<Rule>| !matches!(rule.action, Action::Allow) && !rule.conditions.dry_run;
        !self.is_free(path) && self.rules.iter().any(|rule| guards(rule) && rule.covers(path))
    }

    fn is_free(&self, path: &str) -> bool {
        self.free.iter().any(|pattern| pattern.matches(path))
    }
}

fn ambiguous(detail: &'static str) -> Refusal {
    Refusal::new(Reason::AmbiguousPath, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RuleSet {
        RuleSet::new(
            vec!["/press/*".parse().unwrap()],
            vec![
                Rule::allow("index", "/articles/index.html"),
                Rule::charge("articles", "/articles/*", "$0.002").for_methods(&["GET"]),
                Rule::block("private", "/private/*"),
                Rule::charge("bots", "/blog/*", "$0.001").for_audience(Audience::Signed),
            ],
        )
    }

    fn decided(path: &str, method: &str, who: Requester) -> Result<String, Reason> {
        let readings = Readings::of(path).map_err(|refusal| refusal.reason)?;
        let ruling = rules().decide(&readings, method, who).map_err(|refusal| refusal.reason)?;
        Ok(match ruling {
            Ruling::Pass => "pass".into(),
            Ruling::Allow => "allow".into(),
            Ruling::Charge(rule) => format!("charge {}", rule.id),
            Ruling::Block(rule) | Ruling::Trial(rule) => format!("block {}", rule.id),
        })
    }

    #[test]
    fn the_first_fitting_rule_decides() {
        let anyone = Requester::default();
        let agent = Requester { signed: true, bot: false };
        for (path, method, who, expected) in [
            ("/", "GET", anyone, "pass"),
            ("/robots.txt", "GET", anyone, "allow"),
            ("/.well-known/tollway/account", "GET", agent, "allow"),
            ("/press/kit.pdf", "GET", anyone, "allow"),
            ("/articles/index.html", "GET", anyone, "allow"),
            ("/articles/a.html", "GET", anyone, "charge articles"),
            ("/articles/a.html", "POST", anyone, "pass"),
            ("/private/a", "GET", agent, "block private"),
            ("/blog/a", "GET", anyone, "pass"),
            ("/blog/a", "GET", agent, "charge bots"),
        ] {
            assert_eq!(decided(path, method, who).as_deref(), Ok(expected), "{method} {path}");
        }
    }

    #[test]
    fn threat_05_head_and_unknown_methods_are_gated_like_get() {
        for method in ["HEAD", "PROPFIND", "FROBNICATE", "get", "QUERY"] {
            let ruling = decided("/articles/a.html", method, Requester::default());
            assert_eq!(ruling.as_deref(), Ok("charge articles"), "{method}");
        }
    }

    #[test]
    fn threat_06_letter_case_opens_no_other_rule() {
        let cheap = || Rule::charge("cheap", "/*", "$0.001");
        for (rules, path) in [
            (vec![Rule::charge("dear", "/premium/*", "$1"), cheap()], "/PREMIUM/x"),
            (vec![Rule::block("closed", "/private/*"), cheap()], "/PRIVATE/x"),
            (vec![Rule::charge("articles", "/articles/*", "$1"), Rule::allow("rest", "/*")], "/ARTICLES/x"),
        ] {
            let rules = RuleSet::new(vec![], rules);
            let decided = |path: &str| rules.decide(&Readings::of(path).unwrap(), "GET", Requester::default());
            assert_eq!(decided(path).unwrap_err().reason, Reason::AmbiguousPath, "{path}");
            assert!(decided(&path.to_lowercase()).is_ok(), "{path}");
            assert!(decided("/other").is_ok());
        }
    }

    #[test]
    fn threat_05_a_method_in_another_letter_case_is_the_same_method() {
        let post = || Rule::charge("post", "/api/*", "$1").for_methods(&["POST"]);
        let get = || Rule::charge("get", "/api/*", "$0.001").for_methods(&["GET"]);
        for rules in [vec![post()], vec![get(), post()]] {
            let rules = RuleSet::new(vec![], rules);
            for method in ["POST", "post", "PoSt"] {
                let ruling = rules.decide(&Readings::of("/api/x").unwrap(), method, Requester::default()).unwrap();
                assert_eq!(ruling.rule_id(), Some("post"), "{method}");
            }
        }
    }

    #[test]
    fn threat_06_a_path_with_two_meanings_is_refused() {
        for path in [
            "//articles/a.html",
            "/articles%2fa.html",
            "/x/../articles/a.html",
            "/ARTICLES/a.html",
            "/press/..%2farticles/a.html",
            "/%2561rticles/a.html",
            "/robots.txt/..%2f..%2farticles/a.html",
            "/articles;x/a.html",
            "/press%2f../Articles/a.html",
            "/article%C5%BF/a.html",
        ] {
            assert_eq!(decided(path, "GET", Requester::default()), Err(Reason::AmbiguousPath), "{path}");
        }
    }

    #[test]
    fn a_path_whose_readings_all_cost_the_same_is_charged() {
        let ruling = decided("/articles/index.html%2f..%2fb.html", "GET", Requester::default());
        assert_eq!(ruling.as_deref(), Ok("charge articles"));
    }

    #[test]
    fn guards_speaks_of_everyone() {
        assert!(rules().guards("/blog/a"));
        assert!(!rules().guards("/about"));
        assert!(!rules().guards("/articles/index.html") || rules().guards("/articles/a"));
    }
}

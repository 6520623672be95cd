//! Which rule decides a request, for what is claimed and proved of whoever asks.

use std::sync::Arc;

use tollway_protocol::Refusal;

use super::asker::{Asker, Fit};
use super::{Action, Readings, Requester, Rule, RuleSet, Ruling, ambiguous, fold_case};

/// What was decided, and whether a proof could change it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What the rules say.
    pub ruling: Ruling,
    /// A rule or a price fits what is claimed and was passed over because it would be in the
    /// requester's favour: a proved signature may decide otherwise.
    pub wants_proof: bool,
}

impl RuleSet {
    /// Which rule decides for a requester of whom nothing is proved.
    ///
    /// # Errors
    /// As [`RuleSet::decide_for`].
    pub fn decide(&self, path: &Readings, method: &str, who: Requester) -> Result<Ruling, Refusal> {
        self.decide_for(path, method, &Asker::from(who)).map(|decision| decision.ruling)
    }

    /// Which rule decides.
    ///
    /// # Errors
    /// `ambiguous_path` when one reading of the path is guarded by a rule and another is not, or
    /// is guarded by another rule.
    pub fn decide_for(&self, path: &Readings, method: &str, asker: &Asker) -> Result<Decision, Refusal> {
        let decision = self.decide_reading(path.plain(), method, asker);
        let decided = decision.ruling.rule_id();
        for other in path.iter().skip(1) {
            if self.decide_reading(other, method, asker).ruling.rule_id() != decided {
                return Err(ambiguous("another reading of this path falls under another rule"));
            }
        }
        self.refuse_folded_case(path, method, asker, decided)?;
        Ok(decision)
    }

    /// An upstream that ignores letter case would serve what another rule guards.
    fn refuse_folded_case(
        &self,
        path: &Readings,
        method: &str,
        asker: &Asker,
        decided: Option<&str>,
    ) -> Result<(), Refusal> {
        for reading in path.iter().filter(|reading| !self.is_free(reading)) {
            let folded = fold_case(reading);
            let there = self.first(method, asker, |rule| rule.covers_folded(&folded)).ruling;
            if there.rule_id().is_some() && there.rule_id() != decided {
                return Err(ambiguous("this path differs from one under another rule in letter case only"));
            }
        }
        Ok(())
    }

    fn decide_reading(&self, path: &str, method: &str, asker: &Asker) -> Decision {
        if self.is_free(path) {
            return Decision { ruling: Ruling::Allow, wants_proof: false };
        }
        self.first(method, asker, |rule| rule.covers(path))
    }

    /// The first rule that fits by what is proved, unless one before it fits by a claim and is no milder:
    /// of those the harshest, and of equals the first.
    pub(super) fn first(&self, method: &str, asker: &Asker, covers: impl Fn(&Rule) -> bool) -> Decision {
        let mut chosen: Option<(Harshness, Decision)> = None;
        let mut passed_over = false;
        for rule in self.rules.iter().filter(|rule| covers(rule)) {
            let fit = rule.concerns(method, asker);
            if fit == Fit::No {
                continue;
            }
            let decision = for_asker(rule, asker);
            let harshness = Harshness::of(&decision.ruling);
            match &chosen {
                Some((least, _)) if harshness <= *least => {}
                _ => {
                    passed_over |= chosen.is_some();
                    chosen = Some((harshness, decision));
                }
            }
            if fit == Fit::Proved {
                return settled(chosen, passed_over);
            }
        }
        settled(chosen, passed_over)
    }
}

fn settled(chosen: Option<(Harshness, Decision)>, passed_over: bool) -> Decision {
    let (_, mut decision) = chosen.unwrap_or((Harshness::FREE, Decision { ruling: Ruling::Pass, wants_proof: false }));
    decision.wants_proof |= passed_over;
    decision
}

/// What a rule says to this requester: at its own price, or at that of a class.
fn for_asker(rule: &Arc<Rule>, asker: &Asker) -> Decision {
    let (rule, wants_proof) = match &rule.action {
        Action::Allow => return Decision { ruling: Ruling::Allow, wants_proof: false },
        Action::Block => (Arc::clone(rule), false),
        Action::Charge(_) => priced(rule, asker),
    };
    let ruling = match &rule.action {
        _ if rule.conditions.dry_run => Ruling::Trial(rule),
        Action::Block => Ruling::Block(rule),
        _ => Ruling::Charge(rule),
    };
    Decision { ruling, wants_proof }
}

/// The first class that fits by what is proved, unless the rule's price or a claimed class is dearer.
fn priced(rule: &Arc<Rule>, asker: &Asker) -> (Arc<Rule>, bool) {
    let mut dearest: Option<&Arc<Rule>> = None;
    let mut passed_over = false;
    let mut consider = |candidate| {
        let dearer = dearest.is_none_or(|other| cost(candidate) > cost(other));
        passed_over |= dearer && dearest.is_some();
        dearest = if dearer { Some(candidate) } else { dearest };
    };
    let mut proved = false;
    for class in &rule.conditions.classes {
        let fit = class.who.fit(asker);
        if fit != Fit::No {
            consider(&class.rule);
        }
        if fit == Fit::Proved {
            proved = true;
            break;
        }
    }
    if !proved {
        consider(rule);
    }
    (Arc::clone(dearest.unwrap_or(rule)), passed_over)
}

/// How hard a ruling is on the requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harshness {
    Free,
    Costs(u128),
    Closed,
}

impl Harshness {
    const FREE: Self = Self::Free;

    fn of(ruling: &Ruling) -> Self {
        match ruling {
            Ruling::Pass | Ruling::Allow | Ruling::Trial(_) => Self::Free,
            Ruling::Charge(rule) => Self::Costs(cost(rule)),
            Ruling::Block(_) => Self::Closed,
        }
    }
}

/// The price in units so small that prices of any scale compare.
fn cost(rule: &Arc<Rule>) -> u128 {
    let Some(charge) = rule.charge_terms() else { return 0 };
    let missing = 18_u32.saturating_sub(u32::from(charge.price.scale.get()));
    charge.price.amount.get().saturating_mul(10_u128.pow(missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Audience, Identity, Operator, Selectors};
    use proptest::prelude::*;
    use tollway_signatures::{AgentPolicy, AgentUrl};

    fn agent(text: &str) -> AgentUrl {
        AgentUrl::parse(text, AgentPolicy::default()).unwrap()
    }

    fn agents(pattern: &str) -> Selectors {
        Selectors { agents: vec![pattern.parse().unwrap()], ..Selectors::default() }
    }

    fn purpose(word: &str) -> Selectors {
        Selectors { purposes: vec![word.parse().unwrap()], ..Selectors::default() }
    }

    fn known(url: Option<&str>, word: Option<&str>) -> Identity {
        Identity {
            agents: url.map(agent).into_iter().collect(),
            operators: vec![],
            purposes: word.map(|word| word.parse().unwrap()).into_iter().collect(),
        }
    }

    fn claimed(url: Option<&str>, word: Option<&str>) -> Asker {
        let who = Requester { signed: url.is_some(), bot: false };
        Asker { who, claimed: known(url, word), ..Asker::default() }
    }

    fn proved(url: &str, word: Option<&str>) -> Asker {
        Asker { proved: Some(known(Some(url), word)), ..claimed(Some(url), None) }
    }

    fn told(rules: &[Rule], asker: &Asker) -> (String, bool) {
        let rules = RuleSet::new(vec![], rules.to_vec());
        let decision = rules.decide_for(&Readings::of("/a/b").unwrap(), "GET", asker).unwrap();
        let word = match decision.ruling {
            Ruling::Pass => "pass".to_owned(),
            Ruling::Allow => "allow".to_owned(),
            Ruling::Charge(rule) => format!("charge {}", rule.id),
            Ruling::Block(rule) => format!("block {}", rule.id),
            Ruling::Trial(rule) => format!("trial {}", rule.id),
        };
        (word, decision.wants_proof)
    }

    const FRIEND: &str = "https://friend.example";

    #[test]
    fn threat_10_a_claimed_agent_never_reaches_what_is_free_or_cheaper() {
        let page = || Rule::charge("page", "/a/*", "$0.01");
        let free = [Rule::allow("friends", "/a/*").for_who(agents("friend.example")), page()];
        let cheap = [Rule::charge("cheap", "/a/*", "$0.001").for_who(agents("friend.example")), page()];
        let signed = [Rule::allow("signed", "/a/*").for_audience(Audience::Signed), page()];
        for (rules, word) in [(&free, "allow"), (&cheap, "charge cheap"), (&signed, "allow")] {
            assert_eq!(told(rules, &claimed(Some(FRIEND), None)), ("charge page".into(), true));
            assert_eq!(told(rules, &proved(FRIEND, None)), (word.into(), false));
            assert_eq!(told(rules, &claimed(None, None)).0, "charge page");
        }
        let other = proved("https://other.example", None);
        assert_eq!(told(&free, &other), ("charge page".into(), false));
    }

    #[test]
    fn a_claim_may_raise_a_price_and_may_close() {
        let page = || Rule::charge("page", "/a/*", "$0.01");
        let closed = [Rule::block("training", "/a/*").for_who(purpose("train")), page()];
        let dear = [Rule::charge("dear", "/a/*", "$1").for_who(purpose("train")), page()];
        for (rules, word) in [(&closed, "block training"), (&dear, "charge dear")] {
            assert_eq!(told(rules, &claimed(None, Some("train"))), (word.into(), false));
            assert_eq!(told(rules, &claimed(None, Some("search"))), ("charge page".into(), false));
            // A claim counts also against one who has proved something else.
            let both = Asker { claimed: known(None, Some("train")), ..proved(FRIEND, Some("search")) };
            assert_eq!(told(rules, &both).0, word);
        }
    }

    #[test]
    fn who_says_nothing_of_its_purpose_is_unknown_and_gains_nothing_by_it() {
        let unknown = |price| Rule::charge("unknown", "/a/*", price).for_who(purpose("unknown"));
        let nobody = claimed(None, None);
        assert_eq!(told(&[unknown("$1")], &nobody).0, "charge unknown");
        assert_eq!(
            told(&[unknown("$1")], &claimed(None, Some("search"))).0,
            "charge unknown",
            "a claim is no knowledge"
        );
        assert_eq!(told(&[unknown("$1")], &proved(FRIEND, Some("search"))).0, "pass");
        let page = Rule::charge("page", "/a/*", "$0.01");
        assert_eq!(told(&[unknown("$0.001"), page.clone()], &nobody).0, "charge page");
        assert_eq!(told(&[unknown("$0.02"), page], &nobody).0, "charge unknown");
    }

    #[test]
    fn classes_change_the_price_for_those_who_prove_it() {
        let rules = [Rule::charge("page", "/a/*", "$0.01")
            .with_class("friend", agents("friend.example"), "$0.001")
            .with_class("train", purpose("train"), "$0.05")];
        assert_eq!(told(&rules, &claimed(None, None)), ("charge page".into(), false));
        assert_eq!(told(&rules, &claimed(Some(FRIEND), None)), ("charge page".into(), true));
        assert_eq!(told(&rules, &proved(FRIEND, None)), ("charge page:friend".into(), false));
        assert_eq!(told(&rules, &claimed(None, Some("train"))), ("charge page:train".into(), false));
        assert_eq!(told(&rules, &claimed(Some(FRIEND), Some("train"))), ("charge page:train".into(), true));
    }

    #[test]
    fn an_operator_is_known_by_the_seller_s_own_word() {
        let operator =
            Operator { name: "Friend".into(), agents: vec!["*.friend.example".parse().unwrap()], purposes: vec![] };
        let rules = RuleSet::new(vec![], vec![]).with_operators(vec![operator]);
        assert_eq!(rules.identity(&agent("https://a.friend.example")).operators, ["Friend"]);
        assert!(rules.identity(&agent(FRIEND)).operators.is_empty());
        assert!(rules.names(&agent("https://a.friend.example")) && !rules.names(&agent(FRIEND)));
    }

    #[test]
    fn a_rule_on_trial_lets_pass_and_says_what_it_would_do() {
        assert_eq!(told(&[Rule::charge("page", "/a/*", "$1").in_dry_run()], &claimed(None, None)).0, "trial page");
        let rules = RuleSet::new(vec![], vec![Rule::block("shut", "/a/*").in_dry_run()]);
        assert!(!rules.guards("/a/b"), "nothing of the answer changes");
        let ambiguous = Readings::of("/a%2fb").unwrap();
        assert!(matches!(rules.decide(&ambiguous, "GET", Requester::default()), Ok(Ruling::Trial(_))));
        assert!(matches!(rules.decide(&Readings::of("//a/b").unwrap(), "GET", Requester::default()), Ok(Ruling::Pass)));
    }

    #[test]
    fn an_exemption_is_not_spoken_of_in_any_letter_case() {
        let rules = RuleSet::new(vec![], vec![Rule::charge("page", "/a/*", "$1").except("/a/free/*")]);
        let decide = |path: &str| rules.decide(&Readings::of(path).unwrap(), "GET", Requester::default());
        assert!(matches!(decide("/a/free/x"), Ok(Ruling::Pass)));
        assert!(matches!(decide("/a/freedom"), Ok(Ruling::Charge(_))));
        assert!(decide("/a/free/..%2fx").is_err());
        assert!(!rules.guards("/a/free/x") && rules.guards("/a/x"));
    }

    proptest! {
        /// Whatever the rules: no claim makes a request cheaper than saying nothing does, unless it is proved.
        #[test]
        fn threat_10_no_claim_is_worth_making(picks in proptest::collection::vec((0_u8..4, 0_u8..7, 1_u32..5), 0..8), word in 0_u8..4) {
            let rules: Vec<Rule> = picks.iter().enumerate().map(|(at, (action, who, cents))| {
                let id = format!("r{at}");
                let rule = match action {
                    0 => Rule::allow(&id, "/a/*"),
                    1 => Rule::block(&id, "/a/*"),
                    2 => Rule::charge(&id, "/a/*", &format!("$0.0{cents}")).with_class("c", agents("friend.example"), "$0.001"),
                    _ => Rule::charge(&id, "/a/*", &format!("$0.0{cents}")),
                };
                match who {
                    0 => rule.for_who(agents("friend.example")),
                    1 => rule.for_who(purpose("search")),
                    2 => rule.for_who(purpose("train")),
                    3 => rule.for_audience(Audience::Signed),
                    4 => rule.for_audience(Audience::Bots),
                    5 => rule.for_who(purpose("unknown")),
                    _ => rule,
                }
            }).collect();
            let rules = RuleSet::new(vec![], rules);
            let path = Readings::of("/a/b").unwrap();
            let harshness = |asker: &Asker| Harshness::of(&rules.decide_for(&path, "GET", asker).unwrap().ruling);
            let silent = harshness(&Asker::default());
            let claims = match word {
                0 => claimed(Some(FRIEND), None),
                1 => claimed(None, Some("search")),
                2 => claimed(Some(FRIEND), Some("search")),
                _ => claimed(Some(FRIEND), Some("train")),
            };
            prop_assert!(harshness(&claims) >= silent);
        }
    }
}

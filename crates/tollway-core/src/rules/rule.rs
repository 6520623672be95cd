//! One price rule.

use tollway_ledger::Hash;
use tollway_protocol::{Dress, Price};

use super::asker::{Asker, Fit};
use super::{Conditions, PassTerms, Pattern, Requester};
use crate::scheme::exact::{DemandBody, ExactTerms};

/// Methods for which a rule that says `GET` does not speak: each changes something and is served
/// by its own handler. Every other method, `HEAD` and invented ones included, is gated with `GET`.
const OTHER_METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Which requests it speaks of, and what it says.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name in the configuration, in offers and in the books; unique.
    pub id: String,
    /// Paths.
    pub pattern: Pattern,
    /// Methods.
    pub methods: Methods,
    /// For whom.
    pub audience: Audience,
    /// What happens.
    pub action: Action,
    /// What else it asks of a request, and what some pay instead.
    pub conditions: Conditions,
}

/// The methods of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// Every method.
    Any,
    /// These, in upper case.
    Only(Vec<String>),
}

/// For whom a rule speaks. There is no default: whoever writes a rule says whom it charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everyone, people with browsers included.
    Everyone,
    /// Requests that name a signature agent or bring a payment.
    Signed,
    /// `signed`, and User-Agents on the published list of AI crawlers. Best effort: whoever lies
    /// about its name is not found.
    Bots,
}

/// What a rule does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Asks for money.
    Charge(Charge),
    /// Lets pass.
    Allow,
    /// Refuses.
    Block,
}

/// What a charged request costs, and how it may be paid and delivered.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The price of one request.
    pub price: Price,
    /// How long an offer is honoured, in seconds.
    pub lifetime: u64,
    /// Which signature profile a commitment must meet.
    pub profile: Profile,
    /// In which dresses the deferred way is offered.
    pub dresses: Vec<Dress>,
    /// The content changes with every request: a replay gets its receipt, never the body again.
    pub live: bool,
    /// How often the identical request is served again inside its window.
    pub re_serves: u8,
    /// One payment opens this many requests within this time.
    pub pass: Option<PassTerms>,
    /// The terms under which the content is sold.
    pub terms: Option<TermsRef>,
    /// How it may be paid at once, on a network of its own.
    pub exact: Option<ExactTerms>,
    /// What the JSON body of a 402 holds.
    pub body: DemandBody,
}

/// Which parts of a request a commitment's signature must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Method, authority, path, query, payment field, agent, digest of a body, nonce, short life.
    #[default]
    Strict,
    /// What the public texts demand and no more: crawlers as they are today can pay. Such a
    /// signature may hold for other requests too; the books take it for one only.
    Published,
}

/// Terms, named by where they are and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsRef {
    /// Where the gate serves them.
    pub url: String,
    /// SHA-256 of their bytes.
    pub hash: Hash,
}

impl Rule {
    /// A rule for every method and for everyone.
    pub fn new(id: impl Into<String>, pattern: Pattern, action: Action) -> Self {
        let (methods, audience) = (Methods::Any, Audience::Everyone);
        Self { id: id.into(), pattern, methods, audience, action, conditions: Conditions::default() }
    }

    /// Whether the rule speaks of a decoded path.
    pub fn covers(&self, path: &str) -> bool {
        self.pattern.matches(path) && !self.conditions.except.iter().any(|except| except.matches(path))
    }

    /// The same for an upstream that ignores letter case; see [`Pattern::matches_folded`].
    pub(super) fn covers_folded(&self, folded: &str) -> bool {
        let except = &self.conditions.except;
        self.pattern.matches_folded(folded) && !except.iter().any(|except| except.matches_folded(folded))
    }

    /// How far the rule speaks of this method and this requester.
    pub fn concerns(&self, method: &str, asker: &Asker) -> Fit {
        if !self.methods.include(method) {
            return Fit::No;
        }
        let fit = self.audience.fit(asker).min(self.conditions.who.fit(asker));
        let asks = self.audience != Audience::Everyone || !self.conditions.who.is_empty();
        let weak = asks && asker.weakly && self.profile() == Profile::Strict;
        if weak { fit.min(Fit::Claimed) } else { fit }
    }

    /// What a signature must cover to prove who asks, and to pay.
    pub fn profile(&self) -> Profile {
        self.charge_terms().map_or(self.conditions.profile, |charge| charge.profile)
    }

    /// Whether who asks can make a difference, beside the audience.
    pub fn asks_who(&self) -> bool {
        !self.conditions.who.is_empty() || !self.conditions.classes.is_empty()
    }

    /// The charge, where there is one.
    pub fn charge_terms(&self) -> Option<&Charge> {
        match &self.action {
            Action::Charge(charge) => Some(charge),
            Action::Allow | Action::Block => None,
        }
    }
}

impl Methods {
    /// Whether `method` falls under the rule.
    pub fn include(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(methods) => {
                methods.iter().any(|own| own.eq_ignore_ascii_case(method))
                    || (methods.iter().any(|own| own == "GET")
                        && !OTHER_METHODS.iter().any(|other| other.eq_ignore_ascii_case(method)))
            }
        }
    }

    /// The methods as an offer names them.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Any => vec!["*".to_owned()],
            Self::Only(methods) => methods.clone(),
        }
    }
}

impl Audience {
    /// How far a requester belongs to it. Who has proved a signature belongs to each.
    pub fn fit(self, asker: &Asker) -> Fit {
        match self {
            Self::Everyone => Fit::Proved,
            _ if asker.proved.is_some() => Fit::Proved,
            _ if self.includes(asker.who) => Fit::Claimed,
            _ => Fit::No,
        }
    }

    /// Whether `who` belongs to it.
    pub fn includes(self, who: Requester) -> bool {
        match self {
            Self::Everyone => true,
            Self::Signed => who.signed,
            Self::Bots => who.signed || who.bot,
        }
    }

    /// The word used in configuration and offers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Signed => "signed",
            Self::Bots => "bots",
        }
    }
}

impl Charge {
    /// A charge with the default lifetime, profile, dresses and replay rule.
    pub fn at(price: Price) -> Self {
        Self {
            price,
            lifetime: 300,
            profile: Profile::Strict,
            dresses: vec![Dress::X402, Dress::Handshake, Dress::Crawl],
            live: false,
            re_serves: 3,
            pass: None,
            terms: None,
            exact: None,
            body: DemandBody::Auto,
        }
    }
}

#[cfg(test)]
impl Rule {
    fn of(id: &str, path: &str, action: Action) -> Self {
        Self::new(id, path.parse().unwrap(), action)
    }

    pub(crate) fn charge(id: &str, path: &str, price: &str) -> Self {
        Self::of(id, path, Action::Charge(Charge::at(Price::parse(price).unwrap())))
    }

    pub(crate) fn allow(id: &str, path: &str) -> Self {
        Self::of(id, path, Action::Allow)
    }

    pub(crate) fn block(id: &str, path: &str) -> Self {
        Self::of(id, path, Action::Block)
    }

    pub(crate) fn for_methods(mut self, methods: &[&str]) -> Self {
        self.methods = Methods::Only(methods.iter().map(|method| (*method).to_owned()).collect());
        self
    }

    pub(crate) fn for_audience(mut self, audience: Audience) -> Self {
        self.audience = audience;
        self
    }

    pub(crate) fn except(mut self, path: &str) -> Self {
        self.conditions.except.push(path.parse().unwrap());
        self
    }

    pub(crate) fn for_who(mut self, who: super::Selectors) -> Self {
        self.conditions.who = who;
        self
    }

    pub(crate) fn in_dry_run(mut self) -> Self {
        self.conditions.dry_run = true;
        self
    }

    pub(crate) fn with_class(mut self, name: &str, who: super::Selectors, price: &str) -> Self {
        let id = format!("{}:{name}", self.id);
        let rule = std::sync::Arc::new(Self::charge(&id, self.pattern.as_str(), price));
        self.conditions.classes.push(super::PriceClass { who, rule });
        self
    }
}

//! The configuration of a gateway: one TOML file, read whole or refused with the line. What is not
//! understood is never passed over.

mod calls;
mod exact;
mod facilitator;
mod origin;
mod price;
mod request_log;
mod rules;
mod who;

pub(crate) use calls::CallConfig;
pub(crate) use exact::ExactConfig;
pub(crate) use facilitator::{AssetConfig, Coins, FacilitatorConfig, NetworkConfig};
pub(crate) use origin::OriginConfig;
pub(crate) use price::{ConfigPrice, RulePrice};
pub(crate) use request_log::RequestLogConfig;
pub(crate) use rules::RuleConfig;
pub(crate) use who::OperatorConfig;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::rules::{Action, Rule, RuleSet, TermsRef};
use tollway_core::scheme::exact::GasSponsoring;
use tollway_http::gate::PageLook;
use tollway_http::origin::TrustedProxies;
use tollway_http::site::Site;

/// A gateway's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Origins under which the public knows the site; the first one is who is paid.
    pub(crate) public_urls: Vec<String>,
    /// Where to listen.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// TLS, where the gateway itself speaks it.
    pub(crate) tls: Option<TlsConfig>,
    /// What stands behind the gate.
    #[serde(default)]
    pub(crate) origin: OriginConfig,
    /// Addresses of proxies in front that are believed about who asks, and for which host.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<String>,
    /// Who sells.
    pub(crate) seller: SellerConfig,
    /// How money is taken at once.
    pub(crate) exact: Option<ExactConfig>,
    /// Where the books are.
    pub(crate) books: BooksConfig,
    /// Who may buy.
    #[serde(default)]
    pub(crate) agents: AgentsConfig,
    /// Where counts and health are shown, on an address of its own.
    pub(crate) metrics: Option<MetricsConfig>,
    /// What people see of the seller on a 402.
    pub(crate) page: Option<PageConfig>,
    /// Pages for the owner, on an address of their own.
    pub(crate) console: Option<ConsoleConfig>,
    /// A sample of requests, written down.
    pub(crate) request_log: Option<RequestLogConfig>,
    /// Paths that are free beside the built-in ones.
    #[serde(default)]
    pub(crate) free: Vec<String>,
    /// Prices by name, for rules to refer to.
    #[serde(default)]
    pub(crate) prices: BTreeMap<String, ConfigPrice>,
    /// What the seller has confirmed of agents.
    #[serde(default)]
    pub(crate) operators: Vec<OperatorConfig>,
    /// All rules are on trial: nothing is charged or blocked, what would have been is counted.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Price rules; the first that fits decides.
    #[serde(default)]
    pub(crate) rules: Vec<RuleConfig>,
    /// Prices of an MCP server's calls, instead of rules; the first that fits decides.
    #[serde(default)]
    pub(crate) calls: Vec<CallConfig>,
    /// The folder that relative paths start from.
    #[serde(skip)]
    folder: PathBuf,
}

/// The seller.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SellerConfig {
    /// File with the private key (JWK).
    pub(crate) key: PathBuf,
    /// Network id of the deferred way.
    #[serde(default = "default_network")]
    pub(crate) network: String,
}

/// The page that a person's browser gets on a 402.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageConfig {
    /// The seller's name as people know it.
    name: Option<String>,
    /// Its colour, `#rrggbb`, dark enough for white text on it.
    accent: Option<String>,
}

impl PageConfig {
    /// What it looks like.
    pub(crate) fn look(&self) -> anyhow::Result<PageLook> {
        let accent = self.accent.as_deref().map(str::parse).transpose().context("`page.accent`")?;
        PageLook::new(self.name.clone(), accent).context("`page.name`")
    }
}

/// The books.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BooksConfig {
    /// SQLite file.
    pub(crate) path: PathBuf,
    /// Nonces remembered at once.
    pub(crate) nonce_capacity: Option<u64>,
}

/// TLS.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// Certificate chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
}

/// Counts and health.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// Where `/metrics`, `/health` and `/ready` are served.
    pub(crate) listen: SocketAddr,
}

/// The console.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsoleConfig {
    /// Where it is served; the URL to open is printed at the start.
    #[serde(default = "default_console")]
    pub(crate) listen: SocketAddr,
    /// Further names (with their port) under which it may be asked for.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
}

/// Agents.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentsConfig {
    /// Look up agents on loopback addresses, over plain http: for trials on one machine only.
    #[serde(default)]
    pub(crate) allow_loopback: bool,
    /// Whether agents may open accounts by themselves, by proof of their key directory. With no
    /// starter credit such an account buys nothing until its limit is raised.
    #[serde(default)]
    pub(crate) self_registration: bool,
    /// Credit of an agent nobody has registered; none is given unless this is set.
    pub(crate) starter_credit: Option<ConfigPrice>,
    /// Budget a day of such an agent.
    pub(crate) starter_daily_budget: Option<ConfigPrice>,
    /// Accounts opened by themselves in an hour, at most.
    pub(crate) starter_accounts_per_hour: Option<u32>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, and the line of what is not understood.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config = Self::parse(&text).with_context(|| format!("in {}", path.display()))?;
        config.folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Ok(config)
    }

    /// Reads a text.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.sites()?;
        config.exact.as_ref().map_or(Ok(()), ExactConfig::check)?;
        config.check_rules()?;
        if config.calls.is_empty() {
            config.origin.check()?;
        } else {
            config.check_calls()?;
        }
        config.proxies()?;
        config.log_options()?;
        Ok(config)
    }

    /// Proxies that are believed about who asks.
    pub(crate) fn proxies(&self) -> anyhow::Result<TrustedProxies> {
        TrustedProxies::parse(&self.trusted_proxies).context("`trusted_proxies`")
    }

    /// A path as written, from the configuration's own folder.
    pub(crate) fn path(&self, written: &Path) -> PathBuf {
        self.folder.join(written)
    }

    /// The public origins.
    pub(crate) fn sites(&self) -> anyhow::Result<Vec<Site>> {
        if self.public_urls.is_empty() {
            bail!("`public_urls` names at least one origin, such as \"https://example.com\"");
        }
        self.public_urls.iter().map(|url| Ok(url.parse::<Site>()?)).collect()
    }

    /// The rules, each with its terms, and the free list; `sponsored` is which approvals the facilitators
    /// take along with payments.
    pub(crate) fn rule_set(
        &self,
        terms: Vec<Option<TermsRef>>,
        sponsored: &[GasSponsoring],
    ) -> anyhow::Result<RuleSet> {
        let rule = |(rule, terms): (&RuleConfig, _)| {
            let mut rule = self.with_exact(rule, rule.rule(terms, &self.prices)?, sponsored)?;
            rule.conditions.dry_run |= self.dry_run && !matches!(rule.action, Action::Allow);
            Ok(rule)
        };
        let rules = self.rules.iter().zip(terms).map(rule).collect::<anyhow::Result<_>>()?;
        let free = self.free.iter().map(|text| text.parse().with_context(|| format!("free path `{text}`")));
        let operators = self.operators.iter().map(OperatorConfig::operator).collect::<anyhow::Result<_>>()?;
        Ok(RuleSet::new(free.collect::<anyhow::Result<_>>()?, rules).with_operators(operators))
    }

    /// The rule with the ways in which it is paid at once.
    fn with_exact(&self, config: &RuleConfig, mut rule: Rule, sponsored: &[GasSponsoring]) -> anyhow::Result<Rule> {
        let id = config.id.clone();
        match (&config.exact, &self.exact, &mut rule.action) {
            (None, ..) => {}
            (Some(_), None, _) => bail!("rule `{id}` is paid by `exact`, and there is no [exact] section"),
            (Some(own), Some(exact), Action::Charge(charge)) => {
                let classes =
                    rule.conditions.classes.iter_mut().map(|class| &mut Arc::make_mut(&mut class.rule).action);
                let classes = classes.filter_map(|action| match action {
                    Action::Charge(charge) => Some(charge),
                    Action::Allow | Action::Block => None,
                });
                for charge in std::iter::once(charge).chain(classes) {
                    let terms = exact.terms(own, &charge.price, sponsored);
                    charge.exact = Some(terms.with_context(|| format!("rule `{id}`"))?);
                    charge.body = exact.body();
                }
            }
            (Some(_), Some(_), _) => bail!("rule `{id}`: only a rule that charges is paid by `exact`"),
        }
        Ok(rule)
    }

    fn check_rules(&self) -> anyhow::Result<()> {
        for (index, rule) in self.rules.iter().enumerate() {
            if self.rules[..index].iter().any(|other| other.id == rule.id) {
                bail!("two rules have the id `{}`", rule.id);
            }
        }
        self.page.as_ref().map(PageConfig::look).transpose()?;
        self.rule_set(vec![None; self.rules.len()], &[]).map(drop)
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4021))
}

fn default_console() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4025))
}

fn yes() -> bool {
    true
}

fn default_network() -> String {
    tollway_protocol::Network::tollway().as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
public_urls = ["https://example.com"]
[origin]
folder = "site"
[seller]
key = "seller.jwk"
[books]
path = "books.db"
"#;

    fn refused(extra: &str) -> String {
        format!("{:#}", Config::parse(&format!("{BASE}{extra}")).unwrap_err())
    }

    #[test]
    fn the_example_is_understood() {
        let config = Config::parse(include_str!("../../../../docs/tollway.example.toml")).unwrap();
        assert!(config.rules.len() >= 3);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let message = refused("[agents]\nalow_loopback = true\n");
        assert!(message.contains("line 10") && message.contains("alow_loopback"), "{message}");
    }

    #[test]
    fn a_wrong_price_is_refused_with_its_line() {
        let rule = "[[rules]]\nid = \"a\"\npath = \"/a/*\"\naudience = \"everyone\"\naction = \"charge\"\nprice = \"0,01 USD\"\n";
        let message = refused(rule);
        assert!(message.contains("line 14"), "{message}");
    }

    #[test]
    fn a_rule_without_audience_is_refused() {
        let message = refused("[[rules]]\nid = \"a\"\npath = \"/a/*\"\naction = \"charge\"\nprice = \"$0.01\"\n");
        assert!(message.contains("audience"), "{message}");
    }

    #[test]
    fn rules_that_contradict_themselves_are_refused() {
        let rule =
            |rest: &str| refused(&format!("[[rules]]\nid = \"a\"\npath = \"/a/*\"\naudience = \"everyone\"\n{rest}\n"));
        assert!(rule("action = \"charge\"").contains("price"));
        assert!(rule("action = \"block\"\nprice = \"$0.01\"").contains("price"));
        assert!(rule("action = \"charge\"\nprice = \"$0.01\"\nlifetime = 5").contains("lifetime"));
        assert!(rule("action = \"charge\"\nprice = \"$0.01\"\ndresses = []").contains("dresses"));
    }

    const EXACT: &str = r#"
[exact]
pay_to = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
networks = ["eip155:84532"]
facilitator = ["http://127.0.0.1:4022"]
"#;

    fn exact_rule(rest: &str) -> String {
        format!("[[rules]]\nid = \"a\"\npath = \"/a/*\"\naudience = \"everyone\"\naction = \"charge\"\n{rest}\n")
    }

    #[test]
    fn a_rule_takes_the_ways_of_the_seller_at_its_own_price() {
        let rule =
            exact_rule("price = \"$0.002\"\ndresses = []\nexact = { flow = \"upfront\", identifier = \"required\" }");
        let config = Config::parse(&format!("{BASE}{EXACT}{rule}")).unwrap();
        let rules = config.rule_set(vec![None], &[]).unwrap();
        let charge = rules.rules()[0].charge_terms().unwrap();
        let exact = charge.exact.as_ref().unwrap();
        let way = &exact.ways[0];
        assert_eq!((exact.ways.len(), way.amount.get(), way.flow), (1, 2_000, tollway_ledger::PaymentFlow::Upfront));
        assert_eq!(way.asset.as_str(), "0x036CbD53842c5426634e7929541eC2318f3dCF7e");
        assert_eq!((way.extra["name"].as_str(), charge.dresses.len()), (Some("USDC"), 0));
        assert!(exact.identifier.is_some());
    }

    #[test]
    fn gas_sponsoring_is_what_is_configured_else_what_the_facilitator_takes() {
        let asset = "[[exact.assets]]\nnetwork = \"eip155:84532\"\naddress = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"\nname = \"USDC\"\nversion = \"2\"\ndecimals = 6\nsymbol = \"USDC\"\npermit2 = true\n";
        let taken = [GasSponsoring::Eip2612];
        let declared = |exact: &str, own: &str| {
            let rule = exact_rule(&format!("price = \"$0.002\"\nexact = {{ {own} }}"));
            let config = Config::parse(&format!("{BASE}{EXACT}{exact}{rule}")).unwrap();
            let rules = config.rule_set(vec![None], &taken).unwrap();
            rules.rules()[0].charge_terms().unwrap().exact.as_ref().unwrap().ways[0].sponsoring.clone()
        };
        let both = "gas_sponsoring = [\"eip2612\", \"erc20-approval\"]\n";
        assert_eq!(declared("", ""), [], "EIP-3009 needs no approval");
        assert_eq!(declared(asset, ""), taken);
        assert_eq!(declared(&format!("{both}{asset}"), ""), GasSponsoring::ALL);
        assert_eq!(declared(asset, "gas_sponsoring = [\"erc20-approval\"]"), [GasSponsoring::Erc20Approval]);
        assert_eq!(declared(&format!("{both}{asset}"), "gas_sponsoring = []"), []);
    }

    #[test]
    fn the_gate_waits_no_shorter_than_its_origin_may_take_to_begin() {
        let origin = |lines: &str| BASE.replace("folder = \"site\"", &format!("url = \"http://127.0.0.1:1\"\n{lines}"));
        let wait = |lines: &str| Config::parse(&origin(lines)).map(|config| config.origin.answer_wait().as_secs());
        assert_eq!(wait("").unwrap(), 90);
        assert_eq!(wait("first_byte_wait = 200").unwrap(), 230);
        assert_eq!(wait("first_byte_wait = 5\nanswer_wait = 7").unwrap(), 7);
        assert!(wait("answer_wait = 59").unwrap_err().to_string().contains("not shorter"));
    }

    #[test]
    fn other_assets_and_prices_are_counted_in_their_own_units() {
        let asset = "assets = [{ network = \"eip155:31337\", address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"Coin\", version = \"1\", decimals = 18, symbol = \"COIN\", permit2 = true }]\n";
        let rule = exact_rule("price = \"$0.002\"\nexact = { networks = [\"eip155:31337\"], price = \"$0.0015\" }");
        let config = Config::parse(&format!("{BASE}{EXACT}{asset}{rule}")).unwrap();
        let rules = config.rule_set(vec![None], &[]).unwrap();
        let way = rules.rules()[0].charge_terms().unwrap().exact.as_ref().unwrap().ways[0].clone();
        assert_eq!(
            (way.amount.get(), way.extra["assetTransferMethod"].as_str()),
            (1_500_000_000_000_000, Some("permit2"))
        );
    }

    #[test]
    fn exact_that_cannot_be_paid_is_refused() {
        let rule = exact_rule("price = \"$0.002\"\nexact = {}");
        assert!(refused(&rule).contains("[exact]"));
        for (from, to, told) in [
            ("0x209693Bc6afc0C5328bA36FaF03C514EF312287C", "shop", "pay_to"),
            ("eip155:84532", "eip155:31337", "no asset"),
            ("[\"http://127.0.0.1:4022\"]", "[]", "facilitator"),
            ("[\"eip155:84532\"]", "[]", "networks"),
        ] {
            let message = refused(&EXACT.replace(from, to));
            assert!(message.contains(told), "{message}");
        }
        let odd = exact_rule("price = \"$0.002\"\nexact = { flow = \"later\" }");
        assert!(
            refused(&format!("{EXACT}{odd}")).contains("flow") || refused(&format!("{EXACT}{odd}")).contains("later")
        );
        let blocked =
            "[[rules]]\nid = \"a\"\npath = \"/a/*\"\naudience = \"everyone\"\naction = \"block\"\nexact = {}\n";
        assert!(refused(&format!("{EXACT}{blocked}")).contains("charges"));
    }

    #[test]
    fn what_a_rule_says_of_its_requesters_is_sound_or_refused() {
        let rule =
            |rest: &str| refused(&format!("[[rules]]\nid = \"a\"\npath = \"/a/*\"\naudience = \"everyone\"\n{rest}\n"));
        let charge = "action = \"charge\"\nprice = \"$0.01\"";
        for (rest, named) in [
            ("action = \"charge\"\nprice = \"article\"".to_owned(), "[prices] has no `article`"),
            (format!("{charge}\nagents = [\"nonsense/\"]"), "nonsense/"),
            (format!("{charge}\nagents = []"), "agents"),
            (format!("{charge}\npurpose = [\"two words\"]"), "two words"),
            (format!("{charge}\nexcept = [\"free\"]"), "free"),
            (format!("{charge}\nprices = [{{ price = \"$1\" }}]"), "whom"),
            (
                format!(
                    "{charge}\nprices = [{{ name = \"a\", agent = \"a.example\", price = \"$1\" }}, {{ name = \"a\", agent = \"b.example\", price = \"$2\" }}]"
                ),
                "`a`",
            ),
            ("action = \"allow\"\ndry_run = true".to_owned(), "dry_run"),
            ("action = \"allow\"\npurpose = [\"unknown\"]".to_owned(), "unknown"),
            ("action = \"block\"\nprices = [{ agent = \"a.example\", price = \"$1\" }]".to_owned(), "prices"),
        ] {
            let message = rule(&rest);
            assert!(message.contains(named), "{rest}: {message}");
        }
    }

    #[test]
    fn a_free_path_that_is_no_pattern_is_refused() {
        let message = format!("{:#}", Config::parse(&format!("free = [\"press\"]\n{BASE}")).unwrap_err());
        assert!(message.contains("free path `press`"), "{message}");
    }

    #[test]
    fn an_origin_is_one_thing() {
        let both = BASE.replace("folder = \"site\"", "folder = \"site\"\nurl = \"http://127.0.0.1:1\"");
        assert!(Config::parse(&both).is_err());
        assert!(Config::parse(&BASE.replace("folder = \"site\"", "")).is_err());
        let with = |more: &str| Config::parse(&BASE.replace("folder = \"site\"", more)).map(drop);
        assert!(with("url = \"https://127.0.0.1:1\"\nhttp2 = \"always\"\nhealth = \"/up\"\nidle_wait = 5").is_ok());
        for wrong in [
            "folder = \"site\"\nhttp2 = \"never\"",
            "url = \"http://a\"\nidle_wait = 0",
            "url = \"http://a\"\nhealth = \"up\"",
        ] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        assert!(Config::parse(&format!("trusted_proxies = [\"10.0.0.0/99\"]\n{BASE}")).is_err());
    }
}

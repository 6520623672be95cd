//! The configuration of a gateway: one TOML file, read whole or refused with the line. What is not
//! understood is never passed over.

mod exact;
mod facilitator;
mod price;
mod rules;

pub(crate) use exact::ExactConfig;
pub(crate) use facilitator::FacilitatorConfig;
pub(crate) use price::ConfigPrice;
pub(crate) use rules::RuleConfig;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::rules::{Action, Rule, RuleSet, TermsRef};
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
    pub(crate) origin: OriginConfig,
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
    /// Paths that are free beside the built-in ones.
    #[serde(default)]
    pub(crate) free: Vec<String>,
    /// Price rules; the first that fits decides.
    #[serde(default)]
    pub(crate) rules: Vec<RuleConfig>,
    /// The folder that relative paths start from.
    #[serde(skip)]
    folder: PathBuf,
}

/// A folder or an HTTP server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OriginConfig {
    /// Folder of files.
    pub(crate) folder: Option<PathBuf>,
    /// `http://host:port`.
    pub(crate) url: Option<String>,
    /// Whether an HTTP server behind the gate is told who paid, by a signed `PAYMENT-CONTEXT`.
    #[serde(default = "yes")]
    pub(crate) payment_context: bool,
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
        match (&config.origin.folder, &config.origin.url) {
            (Some(_), None) | (None, Some(_)) => Ok(config),
            _ => bail!("[origin] takes either `folder` or `url`"),
        }
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

    /// The rules, each with its terms, and the free list.
    pub(crate) fn rule_set(&self, terms: Vec<Option<TermsRef>>) -> anyhow::Result<RuleSet> {
        let rules = self.rules.iter().zip(terms).map(|(rule, terms)| self.with_exact(rule, rule.rule(terms)?));
        let free = self.free.iter().map(|text| text.parse().with_context(|| format!("free path `{text}`")));
        Ok(RuleSet::new(free.collect::<anyhow::Result<_>>()?, rules.collect::<anyhow::Result<_>>()?))
    }

    /// The rule with the ways in which it is paid at once.
    fn with_exact(&self, config: &RuleConfig, mut rule: Rule) -> anyhow::Result<Rule> {
        let id = config.id.clone();
        match (&config.exact, &self.exact, &mut rule.action) {
            (None, ..) => {}
            (Some(_), None, _) => bail!("rule `{id}` is paid by `exact`, and there is no [exact] section"),
            (Some(own), Some(exact), Action::Charge(charge)) => {
                charge.exact = Some(exact.terms(own, &charge.price).with_context(|| format!("rule `{id}`"))?);
                charge.body = exact.body();
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
        self.rule_set(vec![None; self.rules.len()]).map(drop)
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4021))
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
        let rules = config.rule_set(vec![None]).unwrap();
        let charge = rules.rules()[0].charge_terms().unwrap();
        let exact = charge.exact.as_ref().unwrap();
        let way = &exact.ways[0];
        assert_eq!((exact.ways.len(), way.amount.get(), way.flow), (1, 2_000, tollway_ledger::PaymentFlow::Upfront));
        assert_eq!(way.asset.as_str(), "0x036CbD53842c5426634e7929541eC2318f3dCF7e");
        assert_eq!((way.extra["name"].as_str(), charge.dresses.len()), (Some("USDC"), 0));
        assert!(exact.identifier.is_some());
    }

    #[test]
    fn other_assets_and_prices_are_counted_in_their_own_units() {
        let asset = "assets = [{ network = \"eip155:31337\", address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"Coin\", version = \"1\", decimals = 18, symbol = \"COIN\", permit2 = true }]\n";
        let rule = exact_rule("price = \"$0.002\"\nexact = { networks = [\"eip155:31337\"], price = \"$0.0015\" }");
        let config = Config::parse(&format!("{BASE}{EXACT}{asset}{rule}")).unwrap();
        let rules = config.rule_set(vec![None]).unwrap();
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
    fn a_free_path_that_is_no_pattern_is_refused() {
        let message = format!("{:#}", Config::parse(&format!("free = [\"press\"]\n{BASE}")).unwrap_err());
        assert!(message.contains("free path `press`"), "{message}");
    }

    #[test]
    fn an_origin_is_one_thing() {
        let both = BASE.replace("folder = \"site\"", "folder = \"site\"\nurl = \"http://127.0.0.1:1\"");
        assert!(Config::parse(&both).is_err());
        assert!(Config::parse(&BASE.replace("folder = \"site\"", "")).is_err());
    }
}

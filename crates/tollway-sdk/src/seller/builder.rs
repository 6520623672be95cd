//! What is sold, at which price and in whose name; opened, it is a seller with its books.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use tokio::task::AbortHandle;
use tollway_core::clock::{Clock, SystemClock};
use tollway_core::rules::{Action, Charge, ParsePatternError, Pattern, Rule, RuleSet};
use tollway_core::seller::{OpeningError, Seller, SellerParts, StarterCredit, file_seller_key, press};
use tollway_http::body::{Body, empty};
use tollway_http::gate::{Counters, GateLayer, GateOptions, expire_claims};
use tollway_http::key_directory::{ClientError, DirectoryOptions, KeyDirectory};
use tollway_http::key_file::{self, KeyFileError};
use tollway_http::site::{ParseSiteError, Site};
use tollway_ledger::{AgentId, AgentTerms, Books, BooksError};
use tollway_protocol::{Asset, Network, Scale};
use tollway_store::{OpenOptions, SqliteBooks};
use tower::{Layer as _, service_fn};

use super::layer::{Tolled, TollwayLayer};
use crate::money::{MoneyError, dollars};

/// Accounts that strangers may open within an hour, where they get credit.
const STRANGERS_AN_HOUR: u32 = 100;
/// Longest name of a rule.
const NAME_MAX: usize = 64;

/// Why a seller could not be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A public URL is not an origin.
    #[error("public URL: {0}")]
    PublicUrl(#[from] ParseSiteError),
    /// A path is no pattern.
    #[error("path `{path}`: {error}")]
    Path {
        /// As written.
        path: String,
        /// What is wrong.
        error: ParsePatternError,
    },
    /// A sum of money is none.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A name cannot stand on a bill.
    #[error("`{0}` is no name for a rule: up to 64 letters, digits, `-`, `_` and `.` are (name it with `charge_as`)")]
    Name(String),
    /// Two rules have one name.
    #[error("two rules are named `{0}`: name one of them with `charge_as`")]
    NameTaken(String),
    /// A rule counts in another asset than the books.
    #[error("rule `{0}`: the books count US dollars only")]
    NotDollars(String),
    /// Nothing has a price.
    #[error("nothing has a price: say what costs what with `charge(path, price)`")]
    NothingSold,
    /// The folder for key and books cannot be made.
    #[error("the folder {}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The books cannot be opened.
    #[error("the books {}: {error}", path.display())]
    Books {
        /// The file.
        path: PathBuf,
        /// Why.
        error: BooksError,
    },
    /// The books cannot be written.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The client that reads agents' keys cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An agent is none.
    #[error("`{0}` is not a signature agent such as https://crawler.example")]
    Agent(String),
}

/// What is sold, at which price and in whose name. Mistakes are told by [`Builder::open`].
#[must_use = "nothing is sold before `open`"]
pub struct Builder {
    public_urls: Vec<String>,
    free: Vec<String>,
    rules: Vec<Result<Rule, OpenError>>,
    starter_credit: Option<String>,
    allow_loopback: bool,
    key: Option<PathBuf>,
    books: Option<PathBuf>,
    network: Network,
    options: GateOptions,
    clock: Arc<dyn Clock>,
}

impl Builder {
    /// Answers for a further public URL too.
    pub fn also_at(mut self, public_url: &str) -> Self {
        self.public_urls.push(public_url.to_owned());
        self
    }

    /// Charges everybody for each request to a path, with any method. `*` is any run of characters; the `{name}` of
    /// a route is read as `*`. The first rule that fits a request decides. The rule's name, on offers and bills, is made
    /// of the path.
    pub fn charge(self, path: &str, price: &str) -> Self {
        self.charge_as(&name_of(path), path, price)
    }

    /// The same under a name of its own: it stands on offers and bills.
    pub fn charge_as(mut self, name: &str, path: &str, price: &str) -> Self {
        self.rules.push(charging(name, path, price));
        self
    }

    /// Any rule: other audiences, methods, dresses, profiles; blocks and exceptions.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(Ok(rule));
        self
    }

    /// A path that costs nothing, whatever rules fit it.
    pub fn free(mut self, path: &str) -> Self {
        self.free.push(path.to_owned());
        self
    }

    /// What an agent that nobody knows may owe, such as `$1`. Without it only agents with an account buy
    /// ([`Tollway::open_account`]).
    pub fn starter_credit(mut self, limit: &str) -> Self {
        self.starter_credit = Some(limit.to_owned());
        self
    }

    /// Believes agents on this machine over plain http. For trials on one machine only.
    pub fn allow_loopback(mut self) -> Self {
        self.allow_loopback = true;
        self
    }

    /// The key's file, where it is not `seller.jwk` in the folder. It is made where there is none.
    pub fn key(mut self, file: impl Into<PathBuf>) -> Self {
        self.key = Some(file.into());
        self
    }

    /// The books' file, where it is not `books.db` in the folder. It is made where there is none.
    pub fn books(mut self, file: impl Into<PathBuf>) -> Self {
        self.books = Some(file.into());
        self
    }

    /// The network of the deferred way; `tollway:402` unless it is another.
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Bounds of the gate.
    pub fn options(mut self, options: GateOptions) -> Self {
        self.options = options;
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the seller: makes key and books in `folder` where there are none, and files today's prices. Runs on a tokio
    /// runtime.
    ///
    /// # Errors
    /// What was written wrong, or a key or books that cannot be used.
    pub async fn open(self, folder: impl AsRef<Path>) -> Result<Tollway, OpenError> {
        let folder = folder.as_ref();
        let sites = self.public_urls.iter().map(|url| url.parse()).collect::<Result<Vec<Site>, _>>()?;
        let origin = sites[0].origin();
        let starter = self.starter_credit.as_deref().map(starter).transpose()?;
        let directory = DirectoryOptions { allow_loopback: self.allow_loopback, ..DirectoryOptions::default() };
        let keys = KeyDirectory::new(directory)?;
        let rules = rule_set(self.free, self.rules)?;

        std::fs::create_dir_all(folder).map_err(|error| OpenError::Folder { path: folder.to_owned(), error })?;
        let key = Arc::new(key_file::read_or_create(&self.key.unwrap_or_else(|| folder.join("seller.jwk")))?);
        let books = open_books(self.books.unwrap_or_else(|| folder.join("books.db")), &origin)?;
        let now = self.clock.now();
        file_seller_key(books.as_ref(), &key, now).await?;
        let press = press(&rules, books.as_ref(), &origin, &key, now).await?;
        let seller = Seller::new(SellerParts {
            origin,
            key,
            network: self.network,
            rules,
            press,
            books,
            agents: keys.agents(),
            keys: Arc::new(keys),
            clock: self.clock,
            starter,
        });
        Ok(Tollway::new(seller, sites, self.options))
    }
}

/// A seller, ready to be put in front of an application. Clones are the same seller.
#[derive(Clone)]
pub struct Tollway {
    opened: Arc<Opened>,
}

/// What layers and their services share.
pub(super) struct Opened {
    seller: Seller,
    gate: GateLayer,
    /// Gives back what a crash left claimed; ends with the last of those who share this.
    expiring: AbortHandle,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.expiring.abort();
    }
}

impl Tollway {
    /// Begins a seller whose clients know it by this URL, such as `https://api.example`: who is paid, and the only
    /// host that is answered.
    pub fn at(public_url: &str) -> Builder {
        Builder {
            public_urls: vec![public_url.to_owned()],
            free: Vec::new(),
            rules: Vec::new(),
            starter_credit: None,
            allow_loopback: false,
            key: None,
            books: None,
            network: Network::tollway(),
            options: GateOptions::default(),
            clock: Arc::new(SystemClock),
        }
    }

    fn new(seller: Seller, sites: Vec<Site>, options: GateOptions) -> Self {
        let gate = GateLayer::new(seller.clone(), sites, options);
        let expiring = tokio::spawn(expire_claims(seller.clone())).abort_handle();
        Self { opened: Arc::new(Opened { seller, gate, expiring }) }
    }

    /// The layer: everything behind it is charged for by the rules, and what the seller publishes under `/.well-known/`
    /// is answered. It goes around a whole router; or around single routes, beside [`Tollway::well_known`].
    pub fn layer(&self) -> TollwayLayer {
        TollwayLayer::new(Arc::clone(&self.opened))
    }

    /// What the seller publishes, as a service that serves nothing else: the fallback of a router whose routes have the
    /// layer each for themselves.
    pub fn well_known(&self) -> Tolled {
        let nothing = service_fn(async |_: Request<Body>| {
            let mut missing = Response::new(empty());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(missing)
        });
        self.layer().layer(nothing)
    }

    /// Opens an agent's account, or changes what it may owe at most, such as `$20`.
    ///
    /// # Errors
    /// When the agent is not a URL, the sum is none, or the books cannot be written.
    pub async fn open_account(&self, agent: &str, credit: &str) -> Result<(), OpenError> {
        let seller = self.seller();
        let credit_limit = dollars("credit", credit)?.amount;
        let wrong = || OpenError::Agent(agent.to_owned());
        let url = tollway_signatures::AgentUrl::parse(agent, seller.agents()).map_err(|_| wrong())?;
        let agent = AgentId::new(url.as_str()).map_err(|_| wrong())?;
        let terms = AgentTerms { agent, credit_limit, daily_budget: None };
        seller.books().agent_put(terms, seller.now()).await.map_err(OpeningError::from)?;
        Ok(())
    }

    /// The engine: its key, rules and books.
    pub fn seller(&self) -> &Seller {
        &self.opened.seller
    }

    /// What was answered since the start.
    pub fn counters(&self) -> &Counters {
        self.opened.gate.counters()
    }
}

impl Opened {
    pub(super) fn gate(&self) -> &GateLayer {
        &self.gate
    }
}

fn open_books(path: PathBuf, origin: &str) -> Result<Arc<dyn Books>, OpenError> {
    let options = OpenOptions::new(origin, Asset::usd(), Scale::MICRO);
    match SqliteBooks::open(&path, options) {
        Ok(books) => Ok(Arc::new(books)),
        Err(error) => Err(OpenError::Books { path, error }),
    }
}

fn starter(limit: &str) -> Result<StarterCredit, MoneyError> {
    let limit = dollars("starter credit", limit)?.amount;
    Ok(StarterCredit { limit, daily_budget: None, accounts_per_hour: STRANGERS_AN_HOUR })
}

fn rule_set(free: Vec<String>, rules: Vec<Result<Rule, OpenError>>) -> Result<RuleSet, OpenError> {
    let rules = rules.into_iter().collect::<Result<Vec<_>, _>>()?;
    if !rules.iter().any(|rule| rule.charge_terms().is_some()) {
        return Err(OpenError::NothingSold);
    }
    for (at, rule) in rules.iter().enumerate() {
        if !is_name(&rule.id) {
            return Err(OpenError::Name(rule.id.clone()));
        }
        if rule.charge_terms().is_some_and(|charge| charge.price.asset != Asset::usd()) {
            return Err(OpenError::NotDollars(rule.id.clone()));
        }
        if rules[..at].iter().any(|other| other.id == rule.id) {
            return Err(OpenError::NameTaken(rule.id.clone()));
        }
    }
    Ok(RuleSet::new(free.iter().map(|path| pattern(path)).collect::<Result<_, _>>()?, rules))
}

fn charging(name: &str, path: &str, price: &str) -> Result<Rule, OpenError> {
    Ok(Rule::new(name, pattern(path)?, Action::Charge(Charge::at(dollars("price", price)?))))
}

/// A pattern, also of a route's template: each `{name}` of it is any run of characters.
fn pattern(path: &str) -> Result<Pattern, OpenError> {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, behind)) = after.split_once('}') else { break };
        text.push_str(before);
        text.push('*');
        rest = behind;
    }
    text.push_str(rest);
    text.parse().map_err(|error| OpenError::Path { path: path.to_owned(), error })
}

/// `/reports/{name}.pdf` is `reports-any.pdf`.
fn name_of(path: &str) -> String {
    let pattern = pattern(path).map_or_else(|_| path.to_owned(), |pattern| pattern.as_str().to_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
    let name: String = pattern.trim_matches('/').replace('*', "any").chars().map(plain).collect();
    if name.is_empty() { "root".to_owned() } else { name }
}

fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollway_protocol::Price;

    #[test]
    fn a_route_s_template_is_a_pattern_and_has_a_name() {
        for (path, matched, name) in [
            ("/reports/{name}", "/reports/*", "reports-any"),
            ("/{a}/x/{*rest}", "/*/x/*", "any-x-any"),
            ("/reports/*.pdf", "/reports/*.pdf", "reports-any.pdf"),
            ("/", "/", "root"),
            ("*", "*", "any"),
            ("/a b", "/a b", "a-b"),
        ] {
            assert_eq!((pattern(path).unwrap().as_str(), name_of(path).as_str()), (matched, name), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_written_wrong_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let at = || Tollway::at("https://api.example");
        let rule = |id: &str| Rule { id: id.to_owned(), ..charging("x", "/x", "$1").unwrap() };
        let price = Price::parse_atomic("1", "EUR".parse().unwrap(), Scale::MICRO).unwrap();
        let in_euros = Rule { action: Action::Charge(Charge::at(price)), ..rule("x") };
        for (builder, said) in [
            (Tollway::at("api.example").charge("/a", "$1"), "public URL: `api.example`"),
            (at().charge("/a", "$1").also_at("https://b.example/path"), "https://b.example/path"),
            (at(), "charge(path, price)"),
            (at().charge("reports", "$1"), "path `reports`: a path pattern begins with `/` or `*`"),
            (at().charge("/a", "1"), "price `1`: "),
            (at().charge("/a", "$0"), "it is nothing"),
            (at().charge("/a/b", "$1").charge("/a-b", "$2"), "two rules are named `a-b`: name one of them"),
            (at().rule(rule("a b")), "`a b` is no name for a rule"),
            (at().rule(rule(&"n".repeat(65))), "is no name for a rule"),
            (at().rule(in_euros), "rule `x`: the books count US dollars only"),
            (at().charge("/a", "$1").free("b"), "path `b`"),
            (at().charge("/a", "$1").starter_credit("$0"), "starter credit `$0`"),
            (at().charge("/a", "$1").key(folder.path().join("none/key.jwk")), "cannot make the key"),
        ] {
            let error = builder.open(folder.path()).await.err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[tokio::test]
    async fn key_and_books_are_made_once_and_belong_to_one_seller() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let thumbprint = async || {
            let tollway = Tollway::at("https://api.example").charge("/a", "$1").open(&folder).await.unwrap();
            tollway.seller().key().public().thumbprint().to_string()
        };
        assert_eq!(thumbprint().await, thumbprint().await);
        let other = Tollway::at("https://other.example").charge("/a", "$1").open(&folder).await;
        let error = other.err().unwrap().to_string();
        assert!(error.contains("books.db: not these books"), "{error}");
        let tollway = Tollway::at("https://api.example").charge("/a", "$1").open(&folder).await.unwrap();
        tollway.open_account("https://crawler.example", "$20").await.unwrap();
        for (agent, credit) in [("crawler.example", "$20"), ("http://127.0.0.1:1", "$20"), ("https://a.example", "20")]
        {
            assert!(tollway.open_account(agent, credit).await.is_err());
        }
    }
}

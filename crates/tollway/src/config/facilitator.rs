//! The configuration of a facilitator: one TOML file, read whole or refused with the line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy_primitives::hex;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_http::facilitator::{Allowance, ApiKey, Door};
use tollway_protocol::Network;

/// Decimal digits of an ether in wei.
const ETHER_DIGITS: usize = 18;
/// Decimal digits of a gwei in wei.
const GWEI_DIGITS: usize = 9;

/// A facilitator's configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FacilitatorConfig {
    /// Where to listen. Anything but loopback needs keys or payees, and a gas budget.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// SQLite file of what was claimed and sent.
    pub(crate) store: PathBuf,
    /// Origins whose scripts may ask; `*` is every origin.
    #[serde(default)]
    pub(crate) cors: Vec<String>,
    /// The only payees that are settled for; absent: all.
    pub(crate) pay_to: Option<Vec<String>>,
    /// Requests a minute, where there are no keys.
    #[serde(default = "default_per_minute")]
    pub(crate) per_minute: u32,
    /// Gas a day in the chain's coin, where there are no keys.
    pub(crate) gas_per_day: Option<Coins>,
    /// Who may ask.
    #[serde(default)]
    pub(crate) keys: Vec<KeyConfig>,
    /// Chains that are settled on.
    pub(crate) networks: Vec<NetworkConfig>,
    /// The folder that relative paths start from.
    #[serde(skip)]
    folder: PathBuf,
}

/// A caller who is known by a key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyConfig {
    /// For logs and counts.
    name: String,
    /// SHA-256 of the key, in hexadecimal: the key itself is nowhere kept.
    sha256: String,
    /// Requests a minute.
    #[serde(default = "default_per_minute")]
    per_minute: u32,
    /// Gas a day, in the chain's coin.
    gas_per_day: Option<Coins>,
}

/// A chain, how it is asked, and who signs for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkConfig {
    /// Its id, such as `eip155:8453`.
    pub(crate) network: Network,
    /// JSON-RPC endpoints, the preferred one first.
    pub(crate) rpc: Vec<String>,
    /// Requests a second to each endpoint.
    pub(crate) rpc_per_second: Option<u32>,
    /// Keystores of the accounts that send transfers and pay for gas.
    pub(crate) signers: Vec<PathBuf>,
    /// File with the keystores' password; else it is taken from `TOLLWAY_WALLET_PASSWORD`.
    pub(crate) password_file: Option<PathBuf>,
    /// Blocks, its own included, after which a transfer counts.
    #[serde(default = "one")]
    pub(crate) confirmations: u32,
    /// Most that is paid for a unit of gas, in billionths of the coin.
    pub(crate) max_fee_gwei: Option<Gwei>,
    /// How long payments are gathered into one transfer, in milliseconds; 0 sends each alone.
    #[serde(default = "default_batch_window")]
    batch_window_ms: u64,
    /// Seconds after which an unseen transfer is answered `settlement_pending`.
    #[serde(default = "default_settle_wait")]
    settle_wait: u64,
    /// Factories whose undeployed wallets may pay.
    #[serde(default)]
    pub(crate) wallet_factories: Vec<String>,
    /// Whether payers' signed approvals of Permit2 are sent (`erc20ApprovalGasSponsoring`), and who
    /// pays for them; absent: they are not.
    pub(crate) approvals: Option<ApprovalsConfig>,
    /// Assets beside the built-in ones.
    #[serde(default)]
    pub(crate) assets: Vec<AssetConfig>,
}

/// Approvals that payers bring along as transactions. Without `gas_most` a payer pays for its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalsConfig {
    /// Most of the chain's coin that one payer is given for its approval.
    pub(crate) gas_most: Option<Coins>,
    /// No payer is given anything on a day on which the network has cost so much.
    pub(crate) gas_per_day: Option<Coins>,
}

/// An asset that is not in the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssetConfig {
    /// Its contract.
    pub(crate) address: String,
    /// Its name, as its EIP-712 domain has it.
    pub(crate) name: String,
    /// Its version, as its EIP-712 domain has it.
    pub(crate) version: String,
    /// Decimal digits of its atomic unit.
    pub(crate) decimals: u8,
    /// What people call it.
    pub(crate) symbol: String,
    /// Whether it is transferred by Permit2 and not by EIP-3009.
    #[serde(default)]
    pub(crate) permit2: bool,
}

/// An amount of a chain's coin, written as a decimal such as `"0.05"`; in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Coins(pub(crate) u128);

/// A price of gas in gwei, written as a decimal such as `"1.5"`; in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Gwei(pub(crate) u128);

impl FacilitatorConfig {
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
        if config.networks.is_empty() {
            bail!("[[networks]] names at least one chain");
        }
        for (index, network) in config.networks.iter().enumerate() {
            let name = &network.network;
            if config.networks[..index].iter().any(|other| other.network == *name) {
                bail!("two [[networks]] are {name}");
            }
            if network.rpc.is_empty() || network.signers.is_empty() {
                bail!("[[networks]] {name} needs at least one `rpc` endpoint and one of `signers`");
            }
            if network.approvals.is_some_and(|own| own.gas_most.is_some() != own.gas_per_day.is_some()) {
                bail!("[[networks]] {name}: `approvals` has both `gas_most` and `gas_per_day`, or neither");
            }
        }
        config.door()?;
        config.check_reach(config.listen)?;
        Ok(config)
    }

    /// A path as written, from the configuration's own folder.
    pub(crate) fn path(&self, written: &Path) -> PathBuf {
        self.folder.join(written)
    }

    /// Who may ask.
    pub(crate) fn door(&self) -> anyhow::Result<Door> {
        let pay_to = self.pay_to.clone();
        if self.keys.is_empty() {
            let gas_per_day = self.gas_per_day.map(|coins| coins.0);
            return Ok(Door::open(Allowance { per_minute: self.per_minute, gas_per_day }, pay_to));
        }
        let mut keys: Vec<ApiKey> = Vec::new();
        for key in &self.keys {
            if keys.iter().any(|other| other.name == key.name) {
                bail!("two [[keys]] have the name `{}`", key.name);
            }
            keys.push(key.api_key()?);
        }
        Ok(Door::keyed(keys, pay_to))
    }

    /// Whether it may listen there: strangers must not be able to spend its gas.
    pub(crate) fn check_reach(&self, listen: SocketAddr) -> anyhow::Result<()> {
        if listen.ip().is_loopback() {
            return Ok(());
        }
        if self.keys.is_empty() && self.pay_to.as_ref().is_none_or(Vec::is_empty) {
            bail!("listening on {listen} needs [[keys]] or `pay_to`: anyone could have payments settled");
        }
        let unbounded = self.keys.iter().find(|key| key.gas_per_day.is_none());
        match (self.keys.is_empty(), self.gas_per_day, unbounded) {
            (true, None, _) => bail!("listening on {listen} needs `gas_per_day`"),
            (false, _, Some(key)) => bail!("listening on {listen} needs `gas_per_day` for the key `{}`", key.name),
            _ => Ok(()),
        }
    }
}

impl KeyConfig {
    fn api_key(&self) -> anyhow::Result<ApiKey> {
        let digest = hex::decode_to_array(&self.sha256)
            .with_context(|| format!("the key `{}`: `sha256` is not 64 hexadecimal digits", self.name))?;
        let gas_per_day = self.gas_per_day.map(|coins| coins.0);
        let allowance = Allowance { per_minute: self.per_minute, gas_per_day };
        Ok(ApiKey { name: self.name.clone(), digest, allowance })
    }
}

impl NetworkConfig {
    /// How long payments are gathered.
    pub(crate) fn batch_window(&self) -> Duration {
        Duration::from_millis(self.batch_window_ms)
    }

    /// How long a transfer may stay unseen before that is said.
    pub(crate) fn settle_wait(&self) -> Duration {
        Duration::from_secs(self.settle_wait)
    }
}

impl TryFrom<String> for Coins {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        decimal(&text, ETHER_DIGITS).map(Self)
    }
}

impl TryFrom<String> for Gwei {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        decimal(&text, GWEI_DIGITS).map(Self)
    }
}

/// A decimal with at most `digits` digits after its point, in units of the last one.
fn decimal(text: &str, digits: usize) -> Result<u128, String> {
    let wrong = || format!("`{text}` is not a decimal number with at most {digits} digits after its point");
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > digits {
        return Err(wrong());
    }
    format!("{whole}{part:0<digits$}").parse().map_err(|_| wrong())
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4022))
}

fn default_per_minute() -> u32 {
    600
}

fn default_batch_window() -> u64 {
    50
}

fn default_settle_wait() -> u64 {
    60
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = r#"
[[networks]]
network = "eip155:84532"
rpc = ["http://127.0.0.1:8545"]
signers = ["relay.json"]
"#;
    const KEY: &str =
        "[[keys]]\nname = \"shop\"\nsha256 = \"00000000000000000000000000000000000000000000000000000000000000ff\"\n";

    fn refused(text: &str) -> String {
        format!("{:#}", FacilitatorConfig::parse(text).unwrap_err())
    }

    #[test]
    fn the_example_is_understood() {
        let config = FacilitatorConfig::parse(include_str!("../../../../docs/facilitator.example.toml")).unwrap();
        assert_eq!(config.networks[0].batch_window(), Duration::from_millis(50));
    }

    #[test]
    fn threat_19_a_public_address_needs_keys_or_payees_and_a_gas_budget() {
        let open =
            |head: &str, tail: &str| format!("store = \"f.db\"\nlisten = \"0.0.0.0:4022\"\n{head}{tail}{NETWORK}");
        assert!(refused(&open("", "")).contains("[[keys]] or `pay_to`"));
        assert!(refused(&open("pay_to = []\n", "")).contains("[[keys]] or `pay_to`"));
        assert!(refused(&open("pay_to = [\"0x01\"]\n", "")).contains("gas_per_day"));
        assert!(refused(&open("", KEY)).contains("gas_per_day"));
        assert!(FacilitatorConfig::parse(&open("pay_to = [\"0x01\"]\ngas_per_day = \"0.1\"\n", "")).is_ok());
        assert!(FacilitatorConfig::parse(&open("", &format!("{KEY}gas_per_day = \"0.1\"\n"))).is_ok());
        let local = format!("store = \"f.db\"\n{NETWORK}");
        assert!(FacilitatorConfig::parse(&local).is_ok());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let base = format!("store = \"f.db\"\n{NETWORK}");
        assert!(refused("store = \"f.db\"\nnetworks = []").contains("at least one chain"));
        assert!(refused(&format!("{base}{NETWORK}")).contains("two [[networks]]"));
        assert!(refused(&base.replace("[\"relay.json\"]", "[]")).contains("signers"));
        assert!(refused(&format!("{base}{KEY}{KEY}")).contains("two [[keys]]"));
        assert!(refused(&format!("{base}{}", KEY.replace("ff", "f"))).contains("sha256"));
        assert!(refused(&format!("{base}max_fee_gwei = \"1,5\"\n")).contains("decimal"));
        assert!(refused(&format!("{base}mx_fee_gwei = \"1.5\"\n")).contains("mx_fee_gwei"));
    }

    #[test]
    fn coins_are_exact() {
        assert_eq!(decimal("0.05", ETHER_DIGITS), Ok(50_000_000_000_000_000));
        assert_eq!(decimal("2", GWEI_DIGITS), Ok(2_000_000_000));
        for wrong in ["", ".5", "1.", "1e3", "-1", "0.0000000001", "1 "] {
            assert!(decimal(wrong, GWEI_DIGITS).is_err(), "{wrong}");
        }
    }
}

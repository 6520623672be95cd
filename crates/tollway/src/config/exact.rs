//! Payments that move money at once, as they are configured: `[exact]` for the seller, `exact` in a rule.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tollway_core::scheme::exact::{DemandBody, ExactTerms, ExactWay, GasSponsoring, IdentifierWish};
use tollway_core::seller::BillWays;
use tollway_evm::asset::{Assets, KnownAsset, Method};
use tollway_ledger::PaymentFlow;
use tollway_protocol::{Amount, Network, Price, Scale};

use super::ConfigPrice;

/// Ways that one rule may list: more do not fit into the header of a demand.
const WAYS_MAX: usize = 6;

/// `[exact]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExactConfig {
    /// Address that is paid, unless a rule names another.
    pay_to: String,
    /// Networks that are taken, unless a rule names others; on each its default asset.
    networks: Vec<Network>,
    /// Assets beside the built-in ones; each is taken where its network is.
    #[serde(default)]
    assets: Vec<ExactAsset>,
    /// URLs of facilitators, the preferred one first.
    #[serde(default)]
    pub(crate) facilitator: Vec<String>,
    /// Configuration of a facilitator that runs in this process, without a trip; it comes before
    /// those at URLs.
    pub(crate) own_facilitator: Option<PathBuf>,
    /// File with the key they know us by.
    pub(crate) facilitator_key: Option<PathBuf>,
    /// What the JSON body of a 402 speaks.
    #[serde(default)]
    body: BodyConfig,
    /// How approvals of Permit2 may come along with payments; as the facilitators say unless given.
    gas_sponsoring: Option<Vec<GasSponsoring>>,
    /// Folder in which paid answers wait for their buyers; beside the books unless given.
    pub(crate) spool: Option<PathBuf>,
}

/// `exact = { … }` in a rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleExact {
    /// Address that is paid.
    pay_to: Option<String>,
    /// Networks that are taken.
    networks: Option<Vec<Network>>,
    /// When the money moves.
    #[serde(default = "authorization")]
    flow: PaymentFlow,
    /// What it costs to pay at once, where that is another price.
    price: Option<ConfigPrice>,
    /// Whether a payment may, or must, carry an identifier of its purchase.
    identifier: Option<IdentifierWish>,
    /// How approvals of Permit2 may come along, where that is otherwise than elsewhere.
    gas_sponsoring: Option<Vec<GasSponsoring>>,
}

/// An asset that is not in the table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExactAsset {
    network: Network,
    /// Its contract.
    address: String,
    /// Name and version, as its EIP-712 domain has them.
    name: String,
    version: String,
    decimals: u8,
    symbol: String,
    /// Whether it is transferred by Permit2 and not by EIP-3009.
    #[serde(default)]
    permit2: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BodyConfig {
    #[default]
    Auto,
    V1,
    Deferred,
}

impl ExactConfig {
    /// Checks what no rule need use.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.facilitator.is_empty() && self.own_facilitator.is_none() {
            bail!("[exact] needs `facilitator`, one URL at least, or `own_facilitator`");
        }
        let assets = self.known_assets()?;
        self.ways(&assets, &self.networks, &self.pay_to).context("[exact]").map(drop)
    }

    /// What the body of a 402 speaks.
    pub(crate) fn body(&self) -> DemandBody {
        match self.body {
            BodyConfig::Auto => DemandBody::Auto,
            BodyConfig::V1 => DemandBody::V1,
            BodyConfig::Deferred => DemandBody::Deferred,
        }
    }

    /// Whether the facilitators have to be asked which approvals they take along with payments.
    pub(crate) fn asks_for_sponsoring(&self) -> anyhow::Result<bool> {
        let assets = self.known_assets()?;
        Ok(self.gas_sponsoring.is_none() && assets.iter().any(|asset| asset.method == Method::Permit2))
    }

    /// The ways of one rule, at its price; `sponsored` is what the facilitators take.
    pub(crate) fn terms(
        &self,
        rule: &RuleExact,
        price: &Price,
        sponsored: &[GasSponsoring],
    ) -> anyhow::Result<ExactTerms> {
        let sponsored = rule.gas_sponsoring.as_ref().or(self.gas_sponsoring.as_ref()).map_or(sponsored, Vec::as_slice);
        let assets = self.known_assets()?;
        let price = rule.price.as_ref().map_or(price, |own| &own.0);
        let networks = rule.networks.as_ref().unwrap_or(&self.networks);
        let pay_to = rule.pay_to.as_ref().unwrap_or(&self.pay_to);
        let taken = self.ways(&assets, networks, pay_to)?;
        if taken.len() > WAYS_MAX {
            bail!("`exact` lists {} networks and assets, at most {WAYS_MAX} fit into a demand", taken.len());
        }
        let way = |known: &KnownAsset| {
            let amount = known.amount(&price.to_decimal());
            let amount = amount.with_context(|| format!("the price in {} on {}", known.symbol, known.network))?;
            Ok(ExactWay { amount, flow: rule.flow, ..way(known, pay_to, sponsored) })
        };
        let ways = taken.into_iter().map(way).collect::<anyhow::Result<_>>()?;
        Ok(ExactTerms { ways, identifier: rule.identifier })
    }

    /// How bills are paid: as `[exact]` says, whatever single rules say.
    pub(crate) fn bills(&self, sponsored: &[GasSponsoring]) -> anyhow::Result<BillWays> {
        let sponsored = self.gas_sponsoring.as_deref().unwrap_or(sponsored);
        let assets = self.known_assets()?;
        let taken = self.ways(&assets, &self.networks, &self.pay_to)?;
        let ways = taken.into_iter().take(WAYS_MAX).map(|known| way(known, &self.pay_to, sponsored)).collect();
        Ok(BillWays::new(ways, self.body()))
    }

    fn ways<'a>(&self, assets: &'a Assets, networks: &[Network], pay_to: &str) -> anyhow::Result<Vec<&'a KnownAsset>> {
        if !pay_to.starts_with("0x") || pay_to.parse::<tollway_evm::Address>().is_err() {
            bail!("`pay_to` is an address such as 0x209693Bc6afc0C5328bA36FaF03C514EF312287C");
        }
        if networks.is_empty() {
            bail!("`networks` names at least one, such as \"eip155:8453\"");
        }
        let mut taken: Vec<&KnownAsset> = Vec::new();
        for network in networks {
            let default = assets.default_of(network);
            let own = self.assets.iter().filter(|asset| asset.network == *network);
            let own = own.filter_map(|asset| assets.get(network, asset.address.parse().ok()?));
            let before = taken.len();
            for known in default.into_iter().chain(own) {
                if !taken.contains(&known) {
                    taken.push(known);
                }
            }
            if taken.len() == before {
                bail!("no asset is known on {network}, or it is listed twice; name one under `assets`");
            }
        }
        Ok(taken)
    }

    fn known_assets(&self) -> anyhow::Result<Assets> {
        let known = |asset: &ExactAsset| {
            let address = asset.address.parse().with_context(|| format!("asset `{}`: no address", asset.symbol))?;
            let scale = Scale::new(asset.decimals).with_context(|| format!("asset `{}`: decimals", asset.symbol))?;
            Ok(KnownAsset {
                network: asset.network.clone(),
                address,
                name: asset.name.clone().into(),
                version: asset.version.clone().into(),
                scale,
                symbol: asset.symbol.clone().into(),
                method: if asset.permit2 { Method::Permit2 } else { Method::Eip3009 },
                permits: false,
            })
        };
        Ok(Assets::with(self.assets.iter().map(known).collect::<anyhow::Result<Vec<_>>>()?))
    }
}

/// The way of an asset, without an amount.
fn way(known: &KnownAsset, pay_to: &str, sponsored: &[GasSponsoring]) -> ExactWay {
    ExactWay {
        amount: Amount::ZERO,
        asset: known.asset(),
        extra: known.extra(),
        flow: PaymentFlow::Authorization,
        network: known.network.clone(),
        pay_to: pay_to.to_owned(),
        scale: known.scale,
        sponsoring: if known.method == Method::Permit2 { sponsored.to_vec() } else { vec![] },
    }
}

fn authorization() -> PaymentFlow {
    PaymentFlow::Authorization
}

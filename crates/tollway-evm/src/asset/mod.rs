//! Assets on EVM chains: which contract counts in what, and under which name its holders sign.
//!
//! A sum of money becomes atomic units only where the asset is in this table or was configured: a
//! stranger's number of digits is never believed.

mod table;

use std::borrow::Cow;

use alloy_primitives::Address;
use serde_json::{Map, Value};
use tollway_protocol::{Amount, Asset, Network, ParsePriceError, Price, Scale};

/// How a payment moves an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The token itself takes a signed authorization (EIP-3009). What an offer means that names none.
    Eip3009,
    /// Through Permit2 and the exact proxy.
    Permit2,
}

impl Method {
    /// The word for it in `extra.assetTransferMethod`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eip3009 => "eip3009",
            Self::Permit2 => "permit2",
        }
    }

    /// The method an offer's `extra` names; `None` if it is one that is not spoken here.
    #[must_use]
    pub fn of_extra(extra: Option<&Map<String, Value>>) -> Option<Self> {
        match extra.and_then(|extra| extra.get("assetTransferMethod")) {
            None | Some(Value::Null) => Some(Self::Eip3009),
            Some(Value::String(word)) => [Self::Eip3009, Self::Permit2].into_iter().find(|m| m.as_str() == word),
            Some(_) => None,
        }
    }
}

/// An asset whose contract, digits and signing name are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAsset {
    /// Its chain.
    pub network: Network,
    /// Its contract.
    pub address: Address,
    /// The name in its EIP-712 domain.
    pub name: Cow<'static, str>,
    /// The version in its EIP-712 domain.
    pub version: Cow<'static, str>,
    /// Digits after the point.
    pub scale: Scale,
    /// What people call it.
    pub symbol: Cow<'static, str>,
    /// How it is paid with.
    pub method: Method,
    /// Whether its approvals can be signed (EIP-2612).
    pub permits: bool,
}

/// Why a text is not a sum of an asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssetPriceError {
    /// No asset of that network, or none of that symbol, is known.
    #[error("no asset {symbol} is known on {network}")]
    Unknown {
        /// What was asked for; `$` for the network's default.
        symbol: String,
        /// Where.
        network: Network,
    },
    /// Neither `$0.10` nor `0.10 USDC`.
    #[error(transparent)]
    Price(#[from] ParsePriceError),
}

impl KnownAsset {
    /// The contract as offers spell it: with the checksum in its letter case.
    #[must_use]
    pub fn asset(&self) -> Asset {
        asset_of(self.address)
    }

    /// Reads a bare decimal such as `0.10` as atomic units of this asset, exactly.
    ///
    /// # Errors
    /// A number outside the grammar, finer than the asset's unit, or too large.
    pub fn amount(&self, number: &str) -> Result<Amount, ParsePriceError> {
        Price::parse_decimal(number, self.asset(), self.scale).map(|price| price.amount)
    }

    /// What an offer of this asset says in its `extra`.
    #[must_use]
    pub fn extra(&self) -> Map<String, Value> {
        let mut extra = Map::from_iter([
            ("name".to_owned(), self.name.as_ref().into()),
            ("version".to_owned(), self.version.as_ref().into()),
        ]);
        if self.method != Method::Eip3009 {
            extra.insert("assetTransferMethod".to_owned(), self.method.as_str().into());
        }
        extra
    }
}

/// The spelling of an address as the name of an asset.
#[must_use]
pub fn asset_of(address: Address) -> Asset {
    address.to_checksum(None).parse().expect("0x and 40 hexadecimal digits are a name of an asset")
}

/// The chain id of an EVM network, or `None` for any other and for ids no chain can have.
#[must_use]
pub fn chain_id(network: &Network) -> Option<u64> {
    if network.namespace() != "eip155" {
        return None;
    }
    network.reference().parse().ok()
}

/// The network of a chain id above zero.
///
/// # Panics
/// If the id is zero, which no chain has.
#[must_use]
pub fn network_of(chain_id: u64) -> Network {
    format!("eip155:{chain_id}").parse().expect("a chain id is above zero")
}

/// The assets that are known: the built-in table, and what was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets(Vec<KnownAsset>);

impl Default for Assets {
    fn default() -> Self {
        Self(table::ROWS.iter().map(known).collect())
    }
}

fn known(row: &table::Row) -> KnownAsset {
    let &(chain, address, name, version, digits, symbol, method, permits) = row;
    KnownAsset {
        network: network_of(chain),
        address,
        name: name.into(),
        version: version.into(),
        scale: Scale::new(digits).expect("the table has at most 18 digits"),
        symbol: symbol.into(),
        method,
        permits,
    }
}

impl Assets {
    /// The built-in table and these. A configured asset takes the place of a built-in one at the same
    /// contract; on a network the table does not have, the first one is the default.
    #[must_use]
    pub fn with(configured: impl IntoIterator<Item = KnownAsset>) -> Self {
        let mut assets = Self::default();
        for asset in configured {
            let same = |known: &&mut KnownAsset| known.network == asset.network && known.address == asset.address;
            match assets.0.iter_mut().find(same) {
                Some(known) => *known = asset,
                None => assets.0.push(asset),
            }
        }
        assets
    }

    /// Every asset.
    pub fn iter(&self) -> impl Iterator<Item = &KnownAsset> {
        self.0.iter()
    }

    /// The asset at a contract.
    #[must_use]
    pub fn get(&self, network: &Network, address: Address) -> Option<&KnownAsset> {
        self.0.iter().find(|known| known.network == *network && known.address == address)
    }

    /// What `$` means on a network.
    #[must_use]
    pub fn default_of(&self, network: &Network) -> Option<&KnownAsset> {
        self.0.iter().find(|known| known.network == *network)
    }

    /// Reads `$0.10` (in the network's default asset) or `0.10 USDC` as exact atomic units.
    ///
    /// # Errors
    /// An asset that is not known there, or a number outside the grammar.
    pub fn price(&self, network: &Network, text: &str) -> Result<(&KnownAsset, Amount), AssetPriceError> {
        let (number, symbol) = match text.strip_prefix('$') {
            Some(number) => (number, "$"),
            None => text.split_once(' ').ok_or(ParsePriceError::Shape)?,
        };
        let named = |known: &&KnownAsset| known.network == *network && (symbol == "$" || known.symbol == symbol);
        let asset = self
            .0
            .iter()
            .find(named)
            .ok_or_else(|| AssetPriceError::Unknown { symbol: symbol.to_owned(), network: network.clone() })?;
        Ok((asset, asset.amount(number)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn base() -> Network {
        network_of(8453)
    }

    #[test]
    fn the_table_has_each_contract_once_and_spells_it_with_its_checksum() {
        let assets = Assets::default();
        let contracts: HashSet<_> = assets.iter().map(|a| (a.network.clone(), a.address)).collect();
        assert_eq!(contracts.len(), table::ROWS.len());
        let usdc = assets.default_of(&network_of(84532)).unwrap();
        assert_eq!(usdc.asset().as_str(), "0x036CbD53842c5426634e7929541eC2318f3dCF7e");
        assert_eq!(Value::Object(usdc.extra()), serde_json::json!({"name": "USDC", "version": "2"}));
        assert_eq!(chain_id(&usdc.network), Some(84532));
    }

    #[test]
    fn threat_43_money_is_read_in_the_digits_of_its_own_asset() {
        let assets = Assets::default();
        assert_eq!(assets.price(&base(), "$0.10").unwrap().1, Amount::new(100_000));
        assert_eq!(assets.price(&base(), "0.000001 USDC").unwrap().1, Amount::new(1));
        let mega = assets.price(&network_of(4326), "$0.10").unwrap();
        assert_eq!((mega.0.symbol.as_ref(), mega.1), ("MegaUSD", Amount::new(100_000_000_000_000_000)));
        assert_eq!(assets.price(&network_of(42220), "1 USDT").unwrap().0.name, "Tether USD");
        for (network, text) in
            [(base(), "$0.0000001"), (base(), "$1e3"), (base(), "1 DAI"), (base(), "1"), (base(), "")]
        {
            assert!(assets.price(&network, text).is_err(), "{text}");
        }
        assert!(matches!(assets.price(&network_of(5), "$1"), Err(AssetPriceError::Unknown { .. })));
    }

    #[test]
    fn a_configured_asset_replaces_or_joins() {
        let mut mine = Assets::default().default_of(&base()).unwrap().clone();
        mine.name = "Mine".into();
        let mut other = mine.clone();
        other.network = network_of(31337);
        let assets = Assets::with([mine, other]);
        assert_eq!(assets.iter().count(), table::ROWS.len() + 1);
        assert_eq!(assets.default_of(&base()).unwrap().name, "Mine");
        assert!(assets.price(&network_of(31337), "$1").is_ok());
    }

    #[test]
    fn a_method_that_is_not_spoken_is_no_method() {
        let extra = |value: Value| value.as_object().cloned();
        assert_eq!(Method::of_extra(None), Some(Method::Eip3009));
        let named = extra(serde_json::json!({"assetTransferMethod": "permit2"}));
        assert_eq!(Method::of_extra(named.as_ref()), Some(Method::Permit2));
        for odd in
            [serde_json::json!({"assetTransferMethod": "erc7710"}), serde_json::json!({"assetTransferMethod": 1})]
        {
            assert_eq!(Method::of_extra(extra(odd).as_ref()), None);
        }
        assert_eq!(chain_id(&"eip155:99999999999999999999999".parse().unwrap()), None);
        assert_eq!(chain_id(&Network::tollway()), None);
    }
}

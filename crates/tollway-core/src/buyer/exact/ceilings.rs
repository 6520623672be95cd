//! What a buyer pays at most: for one payment, to one host in a day, to all in a day; and in which
//! assets. There is no wallet without them.

use tollway_protocol::{Amount, Asset, Network, PaymentRequirements, Reason, Refusal, Scale};

/// Limits in micro-dollars. Assets count one to one: only coins that stand for a dollar belong here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceilings {
    /// For one payment.
    pub per_payment: Amount,
    /// To one host in a UTC day.
    pub per_host: Amount,
    /// To everyone in a UTC day.
    pub per_day: Amount,
    /// What may be paid with.
    pub assets: Vec<PayableAsset>,
}

/// An asset that may be paid with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayableAsset {
    /// Where.
    pub network: Network,
    /// In what, as the network writes it.
    pub asset: Asset,
    /// Decimal digits of its atomic unit.
    pub scale: Scale,
    /// What people call it.
    pub symbol: String,
}

impl Ceilings {
    /// One dollar a payment, and ten a day, of which one host gets at most all.
    #[must_use]
    pub fn cautious(assets: Vec<PayableAsset>) -> Self {
        let dollars = |count: u128| Amount::new(count * 1_000_000);
        Self { per_payment: dollars(1), per_host: dollars(10), per_day: dollars(10), assets }
    }

    /// What these requirements cost in micro-dollars, rounded up.
    ///
    /// # Errors
    /// `invalid_network` or `asset_mismatch` for what is not on the list, `over_max_price` above the
    /// ceiling of one payment.
    pub fn price(&self, requirements: &PaymentRequirements) -> Result<Amount, Refusal> {
        let network = &requirements.network;
        if self.assets.iter().all(|own| own.network != *network) {
            let detail = format!("payments on {network} are not allowed");
            return Err(Refusal::new(Reason::UnsupportedNetwork, detail));
        }
        let asset = self.asset(network, &requirements.asset).ok_or_else(|| {
            let detail = format!("payments in {} on {network} are not allowed", requirements.asset);
            Refusal::new(Reason::AssetMismatch, detail)
        })?;
        let price = micro_dollars(requirements.amount, asset.scale)
            .filter(|price| *price <= self.per_payment)
            .ok_or_else(|| {
                let detail = format!("{} {} is more than one payment may cost", requirements.amount, asset.symbol);
                Refusal::new(Reason::OverMaxPrice, detail)
            })?;
        Ok(price)
    }

    /// An asset of the list.
    #[must_use]
    pub fn asset(&self, network: &Network, asset: &Asset) -> Option<&PayableAsset> {
        self.assets.iter().find(|own| own.network == *network && same(network, &own.asset, asset))
    }
}

/// Addresses of `eip155` carry a checksum in their letter case.
fn same(network: &Network, left: &Asset, right: &Asset) -> bool {
    match network.namespace() {
        "eip155" => left.as_str().eq_ignore_ascii_case(right.as_str()),
        _ => left == right,
    }
}

/// An amount of an asset that stands for a dollar, in micro-dollars, rounded up.
fn micro_dollars(amount: Amount, scale: Scale) -> Option<Amount> {
    let (own, micro) = (u32::from(scale.get()), u32::from(Scale::MICRO.get()));
    let units = match own.checked_sub(micro) {
        Some(digits) => amount.get().div_ceil(10_u128.pow(digits)),
        None => amount.get().checked_mul(10_u128.pow(micro - own))?,
    };
    Some(Amount::new(units))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn requirements(network: &str, asset: &str, amount: u128) -> PaymentRequirements {
        PaymentRequirements {
            scheme: "exact".to_owned(),
            network: network.parse().unwrap(),
            amount: Amount::new(amount),
            asset: asset.parse().unwrap(),
            pay_to: "0x01".to_owned(),
            max_timeout_seconds: NonZeroU64::new(60).unwrap(),
            extra: None,
            rest: Default::default(),
        }
    }

    fn ceilings() -> Ceilings {
        let asset = |asset: &str, digits| PayableAsset {
            network: "eip155:84532".parse().unwrap(),
            asset: asset.parse().unwrap(),
            scale: Scale::new(digits).unwrap(),
            symbol: "USDC".to_owned(),
        };
        Ceilings::cautious(vec![asset("0xAb01", 6), asset("0xAb02", 18), asset("0xAb03", 2)])
    }

    fn priced(network: &str, asset: &str, amount: u128) -> Result<u128, Reason> {
        let price = ceilings().price(&requirements(network, asset, amount));
        price.map(Amount::get).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn threat_24_a_payment_has_a_ceiling_in_every_scale() {
        let here = "eip155:84532";
        assert_eq!(priced(here, "0xaB01", 1_000_000), Ok(1_000_000));
        assert_eq!(priced(here, "0xAb01", 1_000_001), Err(Reason::OverMaxPrice));
        assert_eq!(priced(here, "0xAb02", 10_u128.pow(18)), Ok(1_000_000));
        assert_eq!(priced(here, "0xAb02", 1), Ok(1), "a fraction of a micro-dollar counts as one");
        assert_eq!(priced(here, "0xAb02", 10_u128.pow(18) + 1), Err(Reason::OverMaxPrice));
        assert_eq!(priced(here, "0xAb03", 100), Ok(1_000_000));
        assert_eq!(priced(here, "0xAb03", u128::MAX), Err(Reason::OverMaxPrice));
    }

    #[test]
    fn only_listed_networks_and_assets_are_paid_with() {
        assert_eq!(priced("eip155:1", "0xAb01", 1), Err(Reason::UnsupportedNetwork));
        assert_eq!(priced("eip155:84532", "0xAb09", 1), Err(Reason::AssetMismatch));
    }
}

//! What the books say of a payment, held against what its payer signed (EIP-712, EIP-3009, Permit2).
//!
//! No chain is asked: a key's signature speaks for itself, a contract wallet's does not.

use alloy_primitives::Address;
use tollway_core::scheme::exact::ExactScheme as _;
use tollway_ledger::{ExactSale, PaymentProof};
use tollway_protocol::FacilitatorRequest;

use crate::abi::EXACT_PROXY;
use crate::asset::chain_id;
use crate::payload::ExactPayload;
use crate::seller::EvmExact;
use crate::signature::{Counterfactual, EoaSignature};
use crate::typed_data::{self, TokenDomain};

/// Checks that the payer of a line signed it: these terms, with this name, on this network.
///
/// The token's name and version are taken from the line's own evidence: with false ones another key
/// is recovered, and that is not the payer's.
#[must_use]
pub fn check(sale: &ExactSale) -> PaymentProof {
    let Some(chain_id) = chain_id(&sale.network) else { return PaymentProof::NoKey };
    match Signed::read(sale) {
        Ok(signed) => signed.prove(chain_id),
        Err(detail) => PaymentProof::Wrong(detail),
    }
}

/// A line's evidence, its fields equal to the line's.
struct Signed {
    request: FacilitatorRequest,
    payload: ExactPayload,
    asset: Address,
}

impl Signed {
    fn read(sale: &ExactSale) -> Result<Self, String> {
        let request: FacilitatorRequest =
            serde_json::from_str(&sale.payment).map_err(|_| "the evidence is no payment".to_owned())?;
        let wire = &request.payment_payload.payload;
        let facts = EvmExact.read(&sale.network, &sale.asset, wire).map_err(|refusal| refusal.to_string())?;
        let differs = [
            ("id", facts.id != sale.id),
            ("payer", !same(&facts.payer, &sale.payer)),
            ("payTo", !same(&facts.pay_to, &sale.pay_to)),
            ("amount", facts.amount != sale.amount),
            ("end", facts.expires != sale.expires),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(format!("its payer signed another {what}"));
        }
        let payload = ExactPayload::from_map(wire).map_err(|error| error.to_string())?;
        if let ExactPayload::Permit2(permit) = &payload
            && permit.authorization.spender != EXACT_PROXY
        {
            return Err("its payer permitted somebody else to draw".to_owned());
        }
        let asset = sale.asset.as_str().parse().map_err(|_| "the asset is no address".to_owned())?;
        Ok(Self { request, payload, asset })
    }

    fn prove(&self, chain_id: u64) -> PaymentProof {
        let digest = match &self.payload {
            ExactPayload::Permit2(payload) => typed_data::permit2(chain_id, &payload.authorization),
            ExactPayload::Eip3009(payload) => {
                let text = |name| self.request.payment_requirements.extra(name).and_then(|value| value.as_str());
                let Some((name, version)) = text("name").zip(text("version")) else {
                    return PaymentProof::Wrong("the evidence does not name the token it was signed for".to_owned());
                };
                TokenDomain { name, version, chain_id, contract: self.asset }.transfer(&payload.authorization)
            }
        };
        let signature = self.payload.signature();
        if matches!(Counterfactual::parse(signature), Ok(Some(_))) {
            return PaymentProof::ByCode;
        }
        // Whatever is no signature of the payer's key may be one that the payer's code accepts.
        let proved = EoaSignature::parse(signature).and_then(|read| read.prove(digest, self.payload.payer()));
        if proved.is_ok() { PaymentProof::Proved } else { PaymentProof::ByCode }
    }
}

/// Whether two spellings are one address.
fn same(one: &str, other: &str) -> bool {
    let read = |text: &str| text.parse::<Address>().ok();
    read(one).is_some_and(|address| read(other) == Some(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tollway_ledger::{Fingerprint, PaymentFlow};
    use tollway_protocol::{Amount, PaymentPayload, PaymentRequirements};

    use super::*;
    use crate::asset::Assets;
    use crate::client::{ExactWallet, LocalSigner, Order, Version};

    const SHOP: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
    const NOW: u64 = 1_795_348_800;

    /// A line whose payer's key is `key`.
    fn line(key: u8, method: &str) -> ExactSale {
        let assets = Assets::default();
        let usdc = assets.iter().find(|asset| asset.network.reference() == "84532").unwrap();
        let mut extra = usdc.extra();
        extra.insert("assetTransferMethod".into(), method.into());
        let requirements: PaymentRequirements = serde_json::from_value(json!({"scheme": "exact",
            "network": usdc.network, "amount": "1000", "asset": usdc.asset(), "payTo": SHOP,
            "maxTimeoutSeconds": 300, "extra": extra}))
        .unwrap();
        let signer = LocalSigner::new([key; 32].into()).unwrap();
        let nonce = alloy_primitives::B256::repeat_byte(9);
        let version = Version::V2;
        let order = Order { requirements: &requirements, extensions: None, version, now: NOW, nonce };
        let wallet = ExactWallet::new(&signer);
        let signed = futures_util::future::FutureExt::now_or_never(wallet.pay(&order)).unwrap().unwrap();
        let payload = signed.payload.to_map();
        let facts = EvmExact.read(&usdc.network, &requirements.asset, &payload).unwrap();
        let request = FacilitatorRequest::new(PaymentPayload::new(requirements.clone(), payload), requirements);
        ExactSale {
            id: facts.id,
            fingerprint: Fingerprint::of("GET", "https://shop.example/", ""),
            payer: facts.payer,
            network: usdc.network.clone(),
            asset: usdc.asset(),
            scale: usdc.scale,
            amount: facts.amount,
            pay_to: SHOP.into(),
            rule: "pages".into(),
            method: "GET".into(),
            url: "https://shop.example/".into(),
            offer: None,
            expires: facts.expires,
            flow: PaymentFlow::Authorization,
            identifier: None,
            payment: serde_json::to_string(&request).unwrap(),
        }
    }

    fn lines() -> [ExactSale; 2] {
        ["eip3009", "permit2"].map(|method| line(7, method))
    }

    /// The line, one member of its evidence changed.
    fn with(mut sale: ExactSale, place: &str, value: Value) -> ExactSale {
        let mut evidence: Value = serde_json::from_str(&sale.payment).unwrap();
        *evidence.pointer_mut(place).unwrap() = value;
        sale.payment = evidence.to_string();
        sale
    }

    #[test]
    fn threat_12_a_line_is_proved_by_its_payers_key_and_says_nothing_else() {
        for sale in lines() {
            assert_eq!(check(&sale), PaymentProof::Proved);
            let lower = ExactSale { payer: sale.payer.to_lowercase(), ..sale.clone() };
            assert_eq!(check(&lower), PaymentProof::Proved, "an address in either case is one");
            type Change = fn(&mut ExactSale);
            let changes: [(&str, Change); 8] = [
                ("id", |line| line.id = tollway_ledger::PaymentId::derive(&line.network, &line.asset, "0x", &[0; 32])),
                ("payer", |line| line.payer = SHOP.into()),
                ("payTo", |line| line.pay_to = line.payer.clone()),
                ("amount", |line| line.amount = Amount::new(999)),
                ("end", |line| line.expires += 1),
                ("network", |line| line.network = crate::asset::network_of(8453)),
                ("asset", |line| line.asset = SHOP.parse().unwrap()),
                ("evidence", |line| line.payment = "{}".into()),
            ];
            for (what, change) in changes {
                let mut spoiled = sale.clone();
                change(&mut spoiled);
                assert!(matches!(check(&spoiled), PaymentProof::Wrong(_)), "{what}");
            }
        }
    }

    #[test]
    fn threat_57_what_no_key_signed_is_told_apart_and_never_proved() {
        let code = format!("0x{}", "6c".repeat(96));
        for sale in lines() {
            let other = line(8, "eip3009");
            let signature = serde_json::from_str::<Value>(&other.payment).unwrap();
            let signature = signature["paymentPayload"]["payload"]["signature"].clone();
            for odd in [json!(code), json!("0x"), signature] {
                let spoiled = with(sale.clone(), "/paymentPayload/payload/signature", odd);
                assert_eq!(check(&spoiled), PaymentProof::ByCode);
            }
        }
        let [sale, permit] = lines();
        let named = with(sale.clone(), "/paymentRequirements/extra/name", json!("Another coin"));
        assert_eq!(check(&named), PaymentProof::ByCode, "signed for another token");
        let nameless = with(sale.clone(), "/paymentRequirements/extra", json!({}));
        assert!(matches!(check(&nameless), PaymentProof::Wrong(_)));
        let drawn = with(permit, "/paymentPayload/payload/permit2Authorization/spender", json!(SHOP));
        assert!(matches!(check(&drawn), PaymentProof::Wrong(_)));
        let elsewhere = ExactSale { network: tollway_protocol::Network::tollway(), ..sale };
        assert_eq!(check(&elsewhere), PaymentProof::NoKey);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn threat_70_any_evidence_is_read_or_refused(place in any::<prop::sample::Index>(), odd in ".{0,3}") {
            let mut sale = line(7, "eip3009");
            let places: Vec<usize> = sale.payment.char_indices().map(|(at, _)| at).collect();
            let at = places[place.index(places.len())];
            sale.payment.replace_range(at..=at, &odd);
            let same = sale.payment == line(7, "eip3009").payment;
            prop_assert!(same || check(&sale) != PaymentProof::NoKey);
        }
    }
}

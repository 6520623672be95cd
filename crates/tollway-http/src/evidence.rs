//! Holds what a line of the books says against the signature base behind it (RFC 9421 section 2.5), or against
//! the signed commitment: whose request it was, for which resource, for how much. A line says only what its base says.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use sfv::{BareItem, Dictionary, InnerList, List, ListEntry, Parser};
use tollway_core::scheme::deferred::{Commitment, Limit};
use tollway_ledger::PriceProof;
use tollway_protocol::{Amount, Dress, header};
use tollway_signatures::{AgentPolicy, AgentUrl};

use crate::dress::{self, Presented};

/// What a line says of a sale.
#[derive(Debug, Clone, Deserialize)]
pub struct Claimed {
    /// Who is charged.
    pub agent: String,
    /// How much, in atomic units.
    pub amount: Amount,
    /// In which dress it was promised.
    pub dress: Dress,
    /// When the signature ends.
    pub expires: u64,
    /// The method.
    pub method: String,
    /// The nonce, where the line tells it.
    #[serde(default)]
    pub nonce: Option<String>,
    /// The offer.
    #[serde(default)]
    pub offer: Option<String>,
    /// What proves the price.
    pub price_proof: PriceProof,
    /// The resource.
    pub url: String,
}

/// Checks a line against the base that its payer signed. What the base does not cover, under the
/// `published` profile, cannot be checked.
///
/// # Errors
/// The first thing that differs, in words.
pub fn check(base: &str, claimed: &Claimed) -> Result<(), String> {
    if claimed.dress == Dress::Mcp {
        return check_commitment(base, claimed);
    }
    let base = Base::read(base)?;
    base.check_request(claimed)?;
    base.check_signer(claimed)?;
    base.check_payment(claimed)
}

/// The same for a promise that is a document of its own: everything a line says stands in it, but the method, which
/// the resource's name tells.
fn check_commitment(base: &str, claimed: &Claimed) -> Result<(), String> {
    let signed =
        Commitment::of_evidence(base).map_err(|refusal| format!("its commitment cannot be read: {refusal}"))?;
    differs("agent", Some(&signed.agent), &claimed.agent)?;
    differs("URL", Some(&signed.resource), &claimed.url)?;
    differs("amount", Some(&signed.amount.to_string()), &claimed.amount.to_string())?;
    differs("offer", Some(&signed.offer), claimed.offer.as_deref().unwrap_or_default())?;
    differs("end", Some(&signed.exp.to_string()), &claimed.expires.to_string())?;
    if let Some(nonce) = &claimed.nonce {
        differs("nonce", Some(&signed.nonce), nonce)?;
    }
    if claimed.price_proof != PriceProof::BuyerSigned {
        return Err("the price is proved in another way than the line says".to_owned());
    }
    Ok(())
}

/// A signature base, taken apart: one line for each component, the parameters last.
struct Base<'a> {
    lines: Vec<(&'a str, &'a str)>,
    parameters: InnerList,
}

impl<'a> Base<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let unreadable = || "the signature base cannot be read".to_owned();
        let mut lines = Vec::new();
        for line in text.split('\n') {
            // A component's name may carry parameters: `"signature-agent";key="sig1": value`.
            let (name, value) = line.split_once(": ").ok_or_else(unreadable)?;
            lines.push((name, value));
        }
        let (name, value) = lines.pop().ok_or_else(unreadable)?;
        if name != "\"@signature-params\"" {
            return Err(unreadable());
        }
        let list: List = Parser::new(value).parse().map_err(|_| unreadable())?;
        match list.into_iter().next() {
            Some(ListEntry::InnerList(parameters)) => Ok(Self { lines, parameters }),
            _ => Err(unreadable()),
        }
    }

    /// The value of a component without parameters.
    fn value(&self, name: &str) -> Option<&'a str> {
        let plain =
            |line: &&(&str, &str)| line.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(name);
        self.lines.iter().find(plain).map(|(_, value)| *value)
    }

    fn check_request(&self, claimed: &Claimed) -> Result<(), String> {
        differs("method", self.value("@method"), &claimed.method)?;
        differs("URL", self.value("@target-uri"), &claimed.url)?;
        let rest = claimed.url.split_once("://").map_or("", |(_, rest)| rest);
        let (authority, path_and_query) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
        differs("authority", self.value("@authority"), authority)?;
        differs("path", self.value("@path"), if path.is_empty() { "/" } else { path })?;
        differs("query", self.value("@query"), if query.is_empty() { "?" } else { query })
    }

    fn check_signer(&self, claimed: &Claimed) -> Result<(), String> {
        let named = self.agents().any(|agent| agent == claimed.agent);
        if !named {
            return Err(format!("{} is charged, who is not the agent that signed", claimed.agent));
        }
        let parameter = |name: &str| self.parameters.params.get(name);
        if parameter("expires").and_then(as_u64) != Some(claimed.expires) {
            return Err("the signature ends at another time".to_owned());
        }
        let nonce = parameter("nonce").and_then(|item| item.as_string()).map(|text| text.as_str());
        if claimed.nonce.is_some() && claimed.nonce.as_deref() != nonce {
            return Err("the signature has another nonce".to_owned());
        }
        Ok(())
    }

    /// The agents that the base names, in either form of the field, in their one spelling.
    fn agents(&self) -> impl Iterator<Item = String> + '_ {
        let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
        let field = format!("\"{}\"", header::SIGNATURE_AGENT);
        self.lines
            .iter()
            .filter(move |(name, _)| name.starts_with(&field))
            .flat_map(|(_, value)| strings(value))
            .filter_map(move |url| AgentUrl::parse(&url, policy).ok())
            .map(|url| url.as_str().to_owned())
    }

    fn check_payment(&self, claimed: &Claimed) -> Result<(), String> {
        let presented = match dress::read(&self.payment_fields()) {
            Ok(Some(Presented::Promise(promised))) => promised,
            Ok(Some(Presented::Exact(_))) => return Err("its payer signed no promise".to_owned()),
            Ok(None) => return Err("its payer signed no payment".to_owned()),
            Err(refusal) => return Err(format!("what its payer signed cannot be read: {refusal}")),
        };
        let promise = presented.promise;
        let amount = claimed.amount;
        let proof = match promise.limit {
            Some(Limit::Exact(signed)) if signed != amount => {
                return Err(format!("{amount} is charged, its payer signed for {signed}"));
            }
            Some(Limit::AtMost(ceiling)) if amount > ceiling => {
                return Err(format!("{amount} is charged, its payer signed for {ceiling} at most"));
            }
            Some(Limit::Exact(_)) => PriceProof::BuyerSigned,
            Some(Limit::AtMost(_)) => PriceProof::CeilingOnly,
            None => PriceProof::SignedOffer,
        };
        if proof != claimed.price_proof {
            return Err("the price is proved in another way than the line says".to_owned());
        }
        if promise.dress != claimed.dress {
            return Err("it was promised in another dress".to_owned());
        }
        match promise.offer {
            Some(offer) if claimed.offer.as_deref() != Some(offer.to_string().as_str()) => {
                Err("its payer signed for another offer".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The payment fields, as a request would carry them.
    fn payment_fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for name in header::PAYMENTS.iter().copied() {
            if let Some(Ok(value)) = self.value(name).map(HeaderValue::from_str) {
                fields.append(HeaderName::from_static(name), value);
            }
        }
        fields
    }
}

fn differs(what: &str, signed: Option<&str>, claimed: &str) -> Result<(), String> {
    match signed {
        Some(signed) if signed != claimed => Err(format!("the {what} is `{claimed}`, its payer signed for `{signed}`")),
        _ => Ok(()),
    }
}

fn as_u64(item: &BareItem) -> Option<u64> {
    item.as_integer().and_then(|number| u64::try_from(number).ok())
}

/// The strings of a structured field: one string, or the members of a dictionary.
fn strings(value: &str) -> Vec<String> {
    let text = |item: &BareItem| item.as_string().map(|text| text.as_str().to_owned());
    if let Ok(item) = Parser::new(value).parse::<sfv::Item>() {
        return text(&item.bare_item).into_iter().collect();
    }
    let members = Parser::new(value).parse::<Dictionary>().unwrap_or_default();
    let items = members.values().filter_map(|entry| match entry {
        ListEntry::Item(item) => text(&item.bare_item),
        ListEntry::InnerList(_) => None,
    });
    items.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(payment: &str) -> String {
        format!(
            "\"@method\": GET\n\"@authority\": shop.example\n\"@path\": /a\n\"@query\": ?b=1\n\
             \"signature-agent\";key=\"sig1\": \"https://crawler.example\"\n{payment}\n\
             \"@signature-params\": (\"@method\");created=1;expires=61;nonce=\"bm9uY2U=\";tag=\"web-bot-auth\""
        )
    }

    fn claimed() -> Claimed {
        Claimed {
            agent: "https://crawler.example".into(),
            amount: Amount::new(2_000),
            dress: Dress::Crawl,
            expires: 61,
            method: "GET".into(),
            nonce: Some("bm9uY2U=".into()),
            offer: Some("chosen-by-the-seller".into()),
            price_proof: PriceProof::BuyerSigned,
            url: "https://shop.example/a?b=1".into(),
        }
    }

    fn checked(payment: &str, change: impl FnOnce(&mut Claimed)) -> Result<(), String> {
        let mut line = claimed();
        change(&mut line);
        check(&base(payment), &line)
    }

    #[test]
    fn threat_12_a_line_that_says_anything_else_than_its_base_is_found() {
        let exact = "\"crawler-exact-price\": USD 0.002";
        assert_eq!(checked(exact, |_| {}), Ok(()));
        type Change = fn(&mut Claimed);
        let changes: [(&str, Change); 9] = [
            ("agent", |line| line.agent = "https://other.example".into()),
            ("amount", |line| line.amount = Amount::new(2_001)),
            ("dress", |line| line.dress = Dress::X402),
            ("end", |line| line.expires = 62),
            ("method", |line| line.method = "POST".into()),
            ("nonce", |line| line.nonce = Some("bm9uY2U".into())),
            ("proof", |line| line.price_proof = PriceProof::CeilingOnly),
            ("authority", |line| line.url = "https://other.example/a?b=1".into()),
            ("query", |line| line.url = "https://shop.example/a".into()),
        ];
        for (what, change) in changes {
            assert!(checked(exact, change).is_err(), "{what}");
        }
    }

    #[test]
    fn a_ceiling_is_not_passed_and_says_what_it_is() {
        let most = "\"crawler-max-price\": USD 0.002";
        let ceiling = |amount: u128| {
            checked(most, |line| {
                line.amount = Amount::new(amount);
                line.price_proof = PriceProof::CeilingOnly;
            })
        };
        assert_eq!(ceiling(2_000), Ok(()));
        assert_eq!(ceiling(1), Ok(()));
        assert!(ceiling(2_001).unwrap_err().ends_with("signed for 2000 at most"));
    }

    #[test]
    fn an_offer_that_was_signed_for_is_the_one_charged() {
        let named = "\"payment\": scheme=\"deferred\", network=\"tollway:402\", id=\"AAAAAAAAAAAAAAAAAAAAAA\"";
        let offer = |id: &str| {
            checked(named, |line| {
                line.dress = Dress::Handshake;
                line.price_proof = PriceProof::SignedOffer;
                line.offer = Some(id.to_owned());
            })
        };
        assert_eq!(offer("AAAAAAAAAAAAAAAAAAAAAA"), Ok(()));
        assert!(offer("AAAAAAAAAAAAAAAAAAAAAQ").is_err());
    }

    #[test]
    fn threat_45_a_base_without_one_payment_proves_nothing() {
        assert!(checked("\"x\": crawler-exact-price", |_| {}).unwrap_err().contains("no payment"));
        let two = "\"crawler-exact-price\": USD 1\n\"crawler-max-price\": USD 1";
        for payment in ["\"crawler-exact-price\": free", two] {
            assert!(checked(payment, |_| {}).unwrap_err().contains("cannot be read"), "{payment}");
        }
        for text in ["", "no base", "\"@method\": GET", "\"@signature-params\": 1"] {
            assert!(check(text, &claimed()).is_err(), "{text}");
        }
    }

    #[test]
    fn threat_12_a_line_of_a_commitment_says_what_was_signed() {
        use tollway_core::scheme::deferred::COMMITMENT_TYPE;
        let claims = serde_json::json!({"agent": "https://crawler.example", "amount": "2000",
            "arguments": "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o", "asset": "USD", "exp": 61, "iat": 1,
            "network": "tollway:402", "nonce": "0123456789abcdef", "offer": "AAAAAAAAAAAAAAAAAAAAAA",
            "payTo": "https://shop.example", "resource": "mcp://tool/square"});
        let key = tollway_signatures::PrivateKey::from_seed([3; 32]);
        let jws = tollway_signatures::jws::sign(COMMITMENT_TYPE, claims.to_string().as_bytes(), &key);
        let (base, _) = jws.rsplit_once('.').unwrap();
        let checked = |change: fn(&mut Claimed)| {
            let mut line = claimed();
            line.dress = Dress::Mcp;
            line.method = "tools/call".into();
            line.nonce = Some("0123456789abcdef".into());
            line.offer = Some("AAAAAAAAAAAAAAAAAAAAAA".into());
            line.url = "mcp://tool/square".into();
            change(&mut line);
            check(base, &line)
        };
        assert_eq!(checked(|_| {}), Ok(()));
        let changes: [fn(&mut Claimed); 7] = [
            |line| line.agent = "https://other.example".into(),
            |line| line.amount = Amount::new(2_001),
            |line| line.expires = 62,
            |line| line.nonce = Some("another-nonce-01".into()),
            |line| line.offer = None,
            |line| line.price_proof = PriceProof::SignedOffer,
            |line| line.url = "mcp://tool/cube".into(),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            assert!(checked(change).is_err(), "{index}");
        }
        assert!(checked(|line| line.dress = Dress::X402).is_err(), "a commitment is no signature base");
        assert!(check("\"@method\": GET", &Claimed { dress: Dress::Mcp, ..claimed() }).is_err());
    }

    #[test]
    fn what_the_published_profile_leaves_open_is_not_checked() {
        let minimal = "\"@authority\": shop.example\n\"signature-agent\": \"https://crawler.example/\"\n\
             \"crawler-exact-price\": USD 0.002\n\"@signature-params\": (\"@authority\");created=1;expires=61";
        let mut line = claimed();
        line.nonce = None;
        assert_eq!(check(minimal, &line), Ok(()));
        line.url = "https://shop.example/another".into();
        assert_eq!(check(minimal, &line), Ok(()), "it could have been any page of this site");
        line.url = "https://elsewhere.example/a".into();
        assert!(check(minimal, &line).is_err());
    }
}

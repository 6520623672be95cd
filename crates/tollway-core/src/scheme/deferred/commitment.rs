//! The deferred promise where there is no HTTP message to sign, as over the Model Context Protocol: a
//! signed document of its own (compact JWS, EdDSA) that names the call, the offer and the sum. One form
//! for buyer, seller and whoever checks the books.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollway_ledger::Hash;
use tollway_protocol::canonical::canonical_object;
use tollway_protocol::{Amount, Asset, Dress, Network, PaymentPayload, PaymentRequirements, Reason, Refusal};
use tollway_signatures::{AgentUrl, PrivateKey, PublicKey, Thumbprint, jws};

use super::payload::{Limit, Promise, requirements};
use crate::offer::{Offer, OfferId};
use crate::seller::Signed;
use crate::seller::signed::Window;

/// `typ` of the signed document.
pub const COMMITMENT_TYPE: &str = "tollway-commitment+jws";
/// Longest commitment that is read, in characters.
pub const COMMITMENT_MAX: usize = 8 * 1024;
/// Longest life of a commitment, in seconds.
pub const COMMITMENT_LIFE_MAX: u64 = 300;
/// Key under a payment's `payload` that holds the compact JWS.
pub const PAYLOAD_JWS: &str = "jws";
/// How many characters a nonce has.
const NONCE: std::ops::RangeInclusive<usize> = 16..=128;

/// What is promised: this sum for this call, under this offer. Members are in alphabetic order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// Who pays: the URL of a signature agent.
    pub agent: String,
    /// How much, in atomic units.
    pub amount: Amount,
    /// SHA-256 of the canonical JSON (RFC 8785) of the call's arguments; see [`arguments_hash`].
    pub arguments: Hash,
    /// Of what.
    pub asset: Asset,
    /// The last second at which the promise holds.
    pub exp: u64,
    /// When it was signed, in seconds since the epoch.
    pub iat: u64,
    /// On which network of the deferred way.
    pub network: Network,
    /// Unique for each promise of a key: 16 to 128 characters of base64url.
    pub nonce: String,
    /// The offer's id.
    pub offer: String,
    /// Whom.
    #[serde(rename = "payTo")]
    pub pay_to: String,
    /// What is called, such as `mcp://tool/square`.
    pub resource: String,
    /// SHA-256 of the terms of sale, where the offer names some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Hash>,
}

/// The call that a promise is made for.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// Its resource, such as `mcp://tool/square`.
    pub resource: &'a str,
    /// The hash of its arguments.
    pub arguments: Hash,
}

/// What makes a promise unlike every other: drawn and read by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// 16 to 128 characters of base64url, never used before with the same key.
    pub nonce: &'a str,
    /// Seconds since the epoch.
    pub now: u64,
    /// How long the promise holds, in seconds; cut to [`COMMITMENT_LIFE_MAX`] and to the offer's end.
    pub life: u64,
}

/// SHA-256 of the canonical JSON of a call's arguments; none are the empty object.
///
/// # Errors
/// `body_too_large`, or `invalid_payload` for a number that JSON readers do not agree about.
pub fn arguments_hash(arguments: Option<&Map<String, Value>>) -> Result<Hash, Refusal> {
    let text = arguments.map_or_else(|| Ok("{}".to_owned()), canonical_object)?;
    Ok(Hash::of(text.as_bytes()))
}

impl Commitment {
    /// The promise to pay what `offer` asks for a call.
    pub fn to_offer(offer: &Offer, network: &Network, agent: &AgentUrl, call: Called<'_>, stamp: Stamp<'_>) -> Self {
        let document = offer.document();
        let end = stamp.now.saturating_add(stamp.life.min(COMMITMENT_LIFE_MAX));
        Self {
            agent: agent.as_str().to_owned(),
            amount: document.amount,
            arguments: call.arguments,
            asset: document.asset.clone(),
            exp: end.min(document.not_after),
            iat: stamp.now,
            network: network.clone(),
            nonce: stamp.nonce.to_owned(),
            offer: offer.id().to_string(),
            pay_to: document.seller.clone(),
            resource: call.resource.to_owned(),
            terms: document.terms.as_ref().map(|terms| terms.hash),
        }
    }

    /// Signs it: a compact JWS whose `kid` is the key's thumbprint.
    pub fn sign(&self, key: &PrivateKey) -> String {
        let payload = serde_json::to_vec(self).expect("a commitment is plain data");
        jws::sign(COMMITMENT_TYPE, &payload, key)
    }

    /// The payment that carries it, in x402's words.
    pub fn payment(&self, offer: &Offer, key: &PrivateKey) -> PaymentPayload {
        let payload = Map::from_iter([(PAYLOAD_JWS.to_owned(), self.sign(key).into())]);
        PaymentPayload::new(requirements(offer, &self.network), payload)
    }

    /// What was signed, from the evidence that the books keep: the signing input of the JWS. Nothing is verified.
    ///
    /// # Errors
    /// `malformed_signature`, `alg_unsupported`, `invalid_payload`, or what its window is refused for.
    pub fn of_evidence(base: &str) -> Result<Self, Refusal> {
        let payload = jws::payload_of(COMMITMENT_TYPE, base, COMMITMENT_MAX)?;
        let commitment: Self = tollway_protocol::decode_json(&payload, COMMITMENT_MAX)?;
        commitment.check_form()?;
        Ok(commitment)
    }

    /// What can be judged without a key, a clock or an offer.
    fn check_form(&self) -> Result<(), Refusal> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !NONCE.contains(&self.nonce.len()) || !self.nonce.bytes().all(letter) {
            let detail = "the nonce of a commitment is 16 to 128 characters of base64url";
            return Err(Refusal::new(Reason::NonceMissing, detail));
        }
        if self.exp < self.iat {
            return Err(Reason::ExpiresBeforeCreated.into());
        }
        if self.exp - self.iat > COMMITMENT_LIFE_MAX {
            return Err(Refusal::new(Reason::LifetimeTooLong, "a commitment holds for at most 300 seconds"));
        }
        Ok(())
    }
}

/// A commitment as it was presented: well formed, and not believed.
#[derive(Debug, Clone)]
pub struct PresentedCommitment {
    claims: Commitment,
    jws: String,
    kid: Thumbprint,
}

impl PresentedCommitment {
    /// Reads the compact JWS in a payment's `payload`.
    ///
    /// # Errors
    /// `malformed_payment` where there is none, and the reasons of [`PresentedCommitment::read`].
    pub fn of_payment(payment: &PaymentPayload) -> Result<Self, Refusal> {
        let jws = payment.payload.get(PAYLOAD_JWS).and_then(Value::as_str);
        let missing = || Refusal::new(Reason::MalformedPayment, "`payload.jws` holds no signed commitment");
        Self::read(jws.ok_or_else(missing)?)
    }

    /// Reads a compact JWS.
    ///
    /// # Errors
    /// `malformed_signature`, `alg_unsupported`, `invalid_payload`, `nonce_missing`,
    /// `expires_before_created`, `lifetime_too_long`.
    pub fn read(jws_text: &str) -> Result<Self, Refusal> {
        let kid = jws::kid(jws_text, COMMITMENT_MAX)?;
        let (base, _) = jws::signed(jws_text, COMMITMENT_MAX)?;
        let claims = Commitment::of_evidence(base)?;
        Ok(Self { claims, jws: jws_text.to_owned(), kid })
    }

    /// What it says.
    pub fn claims(&self) -> &Commitment {
        &self.claims
    }

    /// The key that it claims to be signed with.
    pub fn kid(&self) -> &Thumbprint {
        &self.kid
    }

    /// Proves that `key` signed it.
    ///
    /// # Errors
    /// `thumbprint_mismatch`, `signature_invalid`.
    pub fn verify(&self, key: &PublicKey) -> Result<Signed, Refusal> {
        jws::verify(COMMITMENT_TYPE, &self.jws, COMMITMENT_MAX, key)?;
        let claims = &self.claims;
        let window = Window { created: claims.iat, expires: claims.exp, nonce: claims.nonce.clone() };
        Ok(Signed::document(self.kid, window, jws::signed(&self.jws, COMMITMENT_MAX)?))
    }

    /// That it was made for this call and no other.
    ///
    /// # Errors
    /// `resource_mismatch`, `digest_mismatch`.
    pub fn is_for(&self, call: Called<'_>) -> Result<(), Refusal> {
        if self.claims.resource != call.resource {
            return Err(Refusal::new(Reason::ResourceMismatch, "the commitment names another resource"));
        }
        if self.claims.arguments != call.arguments {
            return Err(Refusal::new(Reason::DigestMismatch, "the commitment was signed for other arguments"));
        }
        Ok(())
    }

    /// The promise as the seller's engine takes it, if the message around it says the same.
    ///
    /// # Errors
    /// `amount_mismatch`, `asset_mismatch`, `invalid_network`, `pay_to_mismatch`, `no_matching_offer`,
    /// `offer_unknown`.
    pub fn promise(&self, accepted: &PaymentRequirements) -> Result<Promise, Refusal> {
        let claims = &self.claims;
        let differs = |reason| Err(Refusal::new(reason, "the commitment and `accepted` say different things"));
        if claims.amount != accepted.amount {
            return differs(Reason::AmountMismatch);
        }
        if claims.asset != accepted.asset {
            return differs(Reason::AssetMismatch);
        }
        if claims.network != accepted.network {
            return differs(Reason::UnsupportedNetwork);
        }
        if claims.pay_to != accepted.pay_to {
            return differs(Reason::PayToMismatch);
        }
        if accepted.extra(super::EXTRA_OFFER).and_then(Value::as_str) != Some(claims.offer.as_str()) {
            return differs(Reason::NoMatchingOffer);
        }
        let unknown = |_| Refusal::new(Reason::OfferUnknown, "no offer has an id of this form");
        let offer: OfferId = claims.offer.parse().map_err(unknown)?;
        Ok(Promise {
            dress: Dress::Mcp,
            offer: Some(offer),
            limit: Some(Limit::Exact(claims.amount)),
            asset: Some(claims.asset.clone()),
            network: Some(claims.network.clone()),
            accepted: Some(Box::new(accepted.clone())),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tollway_signatures::AgentPolicy;

    use super::*;
    use crate::offer::{OfferPress, RulesVersion};
    use crate::rules::{Rule, RuleSet};

    const NOON: u64 = 1_800_000_000;

    fn key() -> PrivateKey {
        PrivateKey::from_seed([7; 32])
    }

    fn offer() -> std::sync::Arc<Offer> {
        let rules = RuleSet::new(vec![], vec![Rule::charge("square", "/tool/square", "$0.01")]);
        let seller = PrivateKey::from_seed([1; 32]);
        let press =
            OfferPress::new("https://s.example".into(), seller.into(), RulesVersion::of(&rules, NOON), Vec::new());
        press.current("square", NOON).unwrap()
    }

    fn call(arguments: &Value) -> Called<'static> {
        Called { resource: "mcp://tool/square", arguments: arguments_hash(arguments.as_object()).unwrap() }
    }

    fn commitment() -> Commitment {
        let agent = AgentUrl::parse("https://crawler.example", AgentPolicy::default()).unwrap();
        let stamp = Stamp { nonce: "0123456789abcdef", now: NOON, life: 60 };
        Commitment::to_offer(&offer(), &Network::tollway(), &agent, call(&json!({"number": 4})), stamp)
    }

    #[test]
    fn a_commitment_says_the_call_and_the_offer_and_is_proved_by_its_key() {
        let payment = commitment().payment(&offer(), &key());
        let presented = PresentedCommitment::of_payment(&payment).unwrap();
        assert_eq!(presented.claims(), &commitment());
        assert_eq!(presented.kid(), key().public().thumbprint());
        let signed = presented.verify(&key().public()).unwrap();
        assert_eq!((signed.created(), signed.expires(), signed.nonce()), (NOON, NOON + 60, Some("0123456789abcdef")));
        assert_eq!(Commitment::of_evidence(signed.base()), Ok(commitment()));
        let promise = presented.promise(&payment.accepted).unwrap();
        assert_eq!((promise.dress, promise.limit), (Dress::Mcp, Some(Limit::Exact(Amount::new(10_000)))));
        assert!(presented.is_for(call(&json!({"number": 4.0}))).is_ok(), "one number, one text");
    }

    #[test]
    fn threat_30_a_commitment_holds_for_one_call_only() {
        let presented = PresentedCommitment::read(&commitment().sign(&key())).unwrap();
        let refused = |call| presented.is_for(call).unwrap_err().reason;
        assert_eq!(refused(call(&json!({"number": 5}))), Reason::DigestMismatch);
        assert_eq!(refused(call(&json!({}))), Reason::DigestMismatch);
        let other = Called { resource: "mcp://tool/cube", ..call(&json!({"number": 4})) };
        assert_eq!(refused(other), Reason::ResourceMismatch);
    }

    #[test]
    fn threat_12_what_is_signed_and_what_is_echoed_must_agree() {
        let payment = commitment().payment(&offer(), &key());
        let refused = |change: fn(&mut PaymentRequirements)| {
            let mut accepted = payment.accepted.clone();
            change(&mut accepted);
            PresentedCommitment::of_payment(&payment).unwrap().promise(&accepted).unwrap_err().reason
        };
        assert_eq!(refused(|r| r.amount = Amount::new(1)), Reason::AmountMismatch);
        assert_eq!(refused(|r| r.asset = "EUR".parse().unwrap()), Reason::AssetMismatch);
        assert_eq!(refused(|r| r.network = Network::cloudflare()), Reason::UnsupportedNetwork);
        assert_eq!(refused(|r| r.pay_to = "https://evil.example".into()), Reason::PayToMismatch);
        assert_eq!(refused(|r| r.extra = None), Reason::NoMatchingOffer);
    }

    #[test]
    fn each_fault_has_its_reason() {
        let refused = |change: fn(&mut Commitment)| {
            let mut wrong = commitment();
            change(&mut wrong);
            PresentedCommitment::read(&wrong.sign(&key())).unwrap_err().reason
        };
        assert_eq!(refused(|claims| claims.exp = NOON - 1), Reason::ExpiresBeforeCreated);
        assert_eq!(refused(|claims| claims.exp = NOON + 301), Reason::LifetimeTooLong);
        assert_eq!(refused(|claims| claims.nonce = "short".into()), Reason::NonceMissing);
        assert_eq!(refused(|claims| claims.nonce = "with a space in it".into()), Reason::NonceMissing);
        assert_eq!(refused(|claims| claims.resource = "x".repeat(9_000)), Reason::MalformedSignature);
        let read = |jws: &str| PresentedCommitment::read(jws).unwrap_err().reason;
        assert_eq!(read(&jws::sign("other+jws", b"{}", &key())), Reason::MalformedSignature);
        assert_eq!(read(&jws::sign(COMMITMENT_TYPE, br#"{"agent":1}"#, &key())), Reason::InvalidPayload);
        assert_eq!(read("a.b"), Reason::MalformedSignature);
        let mut payment = commitment().payment(&offer(), &key());
        payment.payload.clear();
        assert_eq!(PresentedCommitment::of_payment(&payment).unwrap_err().reason, Reason::MalformedPayment);
    }

    #[test]
    fn another_key_or_a_changed_byte_proves_nothing() {
        let jws = commitment().sign(&key());
        let stranger = PrivateKey::from_seed([8; 32]).public();
        let presented = PresentedCommitment::read(&jws).unwrap();
        assert_eq!(presented.verify(&stranger).unwrap_err().reason, Reason::ThumbprintMismatch);
        let mut forged = commitment();
        forged.amount = Amount::new(1);
        let forged = forged.sign(&key());
        let (signed, _) = forged.rsplit_once('.').unwrap();
        let mixed = format!("{signed}.{}", jws.rsplit_once('.').unwrap().1);
        let mixed = PresentedCommitment::read(&mixed).unwrap();
        assert_eq!(mixed.verify(&key().public()).unwrap_err().reason, Reason::SignatureInvalid);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9_.-]{0,200}", payload in ".{0,100}") {
            let _ = PresentedCommitment::read(&text);
            let _ = PresentedCommitment::read(&jws::sign(COMMITMENT_TYPE, payload.as_bytes(), &key()));
            let _ = Commitment::of_evidence(&text);
        }
    }
}

//! What is fed: every decoder of the libraries, and what has to hold of what it accepts.

use std::fmt::Display;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tollway_core::offer::{Offer, OfferDocument, OfferId, OfferScope};
use tollway_core::rules::{AgentPattern, Pattern, Purpose, Readings, fold_case, is_ai_crawler};
use tollway_core::scheme::deferred::{Called, Commitment, PresentedCommitment, Stamp, requirements};
use tollway_http::dress;
use tollway_http::origin::TrustedProxies;
use tollway_http::site::Site;
use tollway_ledger::{
    AgentId, CommitmentId, DocumentKind, EntryKind, Fingerprint, Hash, NoKeys, PaymentId, Period, verify_export,
};
use tollway_mcp::wire::{self, Payment, PaymentForm, names};
use tollway_protocol::response::FacilitatorRequest;
use tollway_protocol::{
    Amount, Asset, CrawlerCommitment, CrawlerError, DeferredPayload, Dress, HandshakeDemand, Network, PaymentHeader,
    PaymentPayload, PaymentRequired, PaymentResponseHeader, Price, Reason, Reference, Scale, SettleResponse,
    Settlement, VerifyResponse, crawl, decode_header, decode_json, encode_json, header, v1,
};
use tollway_signatures::directory::{self, DirectoryPolicy};
use tollway_signatures::{
    AgentPolicy, AgentUrl, Component, Directory, Jwk, Message, Policy, PrivateKey, PublicKey, Signer as _, Thumbprint,
    Unverified, base, digest, jws, verify,
};

use crate::mcp;

/// Whether an input was accepted, or what it means differently when written back.
pub(crate) type Told = Result<bool, String>;

/// One thing that is fed.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// The decoders it feeds, by file and function or type, as `sources.rs` finds them.
    pub(crate) covers: &'static [&'static str],
    pub(crate) seeds: fn() -> Vec<String>,
    pub(crate) run: fn(&[u8]) -> Told,
}

macro_rules! target {
    ($name:literal, [$($covers:literal),* $(,)?], [$($seed:expr),* $(,)?], $run:expr) => {
        Target { name: $name, covers: &[$($covers),*], seeds: || vec![$(String::from($seed)),*], run: $run }
    };
}

pub(crate) const TARGETS: &[Target] = &[
    target!(
        "amount",
        ["protocol/amount.rs: Amount"],
        ["0", "1000", "340282366920938463463374607431768211455"],
        spelt::<Amount>
    ),
    target!(
        "asset",
        ["protocol/asset.rs: Asset"],
        ["USD", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"],
        read_back::<Asset>
    ),
    target!("network", ["protocol/network.rs: Network"], ["eip155:8453", "tollway:402"], spelt::<Network>),
    target!("reference", ["protocol/reference.rs: Reference"], ["3q2-7wAAAAAAAAAAAAAAAA"], spelt::<Reference>),
    target!("reason", ["protocol/reason.rs: Reason"], ["payment_required", "offer_expired"], spelt_by(Reason::code)),
    target!("dress", ["protocol/dress.rs: Dress"], ["x402", "handshake", "crawl"], answered::<Dress>),
    target!(
        "error-word",
        ["protocol/crawl.rs: CrawlerError"],
        ["PriceTooLow", "InvalidCrawlerExactPrice"],
        answered_or_not::<CrawlerError>
    ),
    target!(
        "price",
        ["protocol/price.rs: parse", "protocol/price.rs: parse_atomic", "protocol/price.rs: parse_crawler"],
        ["$0.01", "USD 0.002", "1000"],
        price
    ),
    target!(
        "price-word",
        ["protocol/crawl.rs: decode_price", "protocol/crawl.rs: decode"],
        ["USD 0.01"],
        crawler_price
    ),
    target!("demand", ["protocol/required.rs: decode", "protocol/codec.rs: decode_header"], [demand()], |input| {
        header_read_back(input, PaymentRequired::decode, |demand| Ok(demand.encode()))
    }),
    target!("commitment", ["protocol/payload.rs: decode", "protocol/payload.rs: from_map"], [commitment()], |input| {
        let payload = |map: &Map<String, Value>| drop(DeferredPayload::from_map(map));
        header_read_back(input, PaymentPayload::decode, |payment| {
            payload(&payment.payload);
            Ok(payment.encode())
        })
    }),
    target!("receipt", ["protocol/response.rs: decode"], [receipt()], |input| {
        let Ok(text) = std::str::from_utf8(input) else { return Ok(false) };
        drop(FacilitatorRequest::decode(input));
        header_read_back(text.as_bytes(), SettleResponse::decode, |receipt| Ok(receipt.encode()))
    }),
    target!(
        "handshake",
        ["protocol/handshake.rs: decode", "protocol/codec.rs: decode_json"],
        [r#"scheme="deferred", network="tollway:402", id="abc", amount="10", asset="USD""#],
        handshake
    ),
    target!("json", [], [r#"{"a":[1,{"b":null}]}"#], |input| {
        drop(decode_header::<Value>(&String::from_utf8_lossy(input), 8 << 10));
        Ok(decode_json::<Value>(input, 8 << 10).is_ok())
    }),
    target!(
        "dresses",
        ["http/dress/mod.rs: read", "http/dress/mod.rs: read_receipt"],
        [r#"scheme="deferred", network="tollway:402", id="AAAAAAAAAAAAAAAAAAAAAA""#, "USD 0.01"],
        dresses
    ),
    target!(
        "thumbprint",
        ["signatures/thumbprint.rs: Thumbprint"],
        ["poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"],
        spelt::<Thumbprint>
    ),
    target!(
        "component",
        ["signatures/component.rs: Component"],
        [r#""@method";req"#, r#""signature-agent";key="sig1""#],
        read_back::<Component>
    ),
    target!(
        "jwk",
        ["signatures/jwk.rs: parse", "signatures/ed25519.rs: from_jwk", "signatures/ed25519.rs: from_bytes"],
        [PrivateKey::from_seed([3; 32]).to_jwk()],
        jwk
    ),
    target!(
        "directory",
        ["signatures/directory.rs: parse", "signatures/directory.rs: verify_directory"],
        [directory::to_json(&[PrivateKey::from_seed([3; 32]).public()])],
        key_directory
    ),
    target!("agent", ["signatures/agent.rs: parse"], ["https://crawler.example", "http://127.0.0.1:8080"], agent),
    target!("digest", ["signatures/digest.rs: verify"], [digest::make(b"body")], |input| Ok(digest::verify(
        input, b"body"
    )
    .is_ok())),
    target!(
        "jws",
        ["signatures/jws.rs: verify"],
        [jws::sign("t", b"{\"a\":1}", &PrivateKey::from_seed([3; 32]))],
        |input| {
            let text = String::from_utf8_lossy(input);
            Ok(jws::verify("t", &text, 8 << 10, &PrivateKey::from_seed([3; 32]).public()).is_ok())
        }
    ),
    target!(
        "signature",
        ["signatures/presented.rs: read", "signatures/presented.rs: verify", "signatures/verify.rs: verify"],
        [
            r#"sig1=("@method" "@authority" "@path" "@query" "signature-agent";key="sig1" "payment");created=1;expires=9;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";nonce="n";tag="web-bot-auth""#
        ],
        signature
    ),
    target!("signature-bytes", [], ["x"], |input| {
        let key = PrivateKey::from_seed([3; 32]);
        let signed = key.sign(input);
        drop(tollway_signatures::Verifier::verify(&key.public(), b"other", input));
        Ok(tollway_signatures::Verifier::verify(&key.public(), input, &signed).is_ok())
    }),
    target!("agent-id", ["ledger/id.rs: AgentId"], ["https://crawler.example"], |input| spelt::<AgentId>(input)),
    target!("ids", ["ledger/id.rs: $name"], [Hash::of(b"x").to_string()], |input| {
        Ok(spelt::<Hash>(input)?
            | spelt::<CommitmentId>(input)?
            | spelt::<Fingerprint>(input)?
            | spelt::<PaymentId>(input)?)
    }),
    target!(
        "kinds",
        ["ledger/document.rs: DocumentKind", "ledger/journal.rs: EntryKind"],
        ["sale", "checkpoint", "terms"],
        |input| { Ok(answered::<DocumentKind>(input)? | spelt::<EntryKind>(input)?) }
    ),
    target!("period", ["ledger/period.rs: Period"], ["2026-11-22", "2026-11"], spelt::<Period>),
    target!(
        "export",
        ["ledger/audit.rs: verify_export", "ledger/read.rs: from_entry"],
        [
            r#"{"body":{"asset":"USD","at":1,"format":"tollway-journal-1","kind":"genesis","scale":6,"seller":"https://s.example","sequence":1},"hash":"AAAA","prev":"AAAA"}"#
        ],
        |input| { Ok(!verify_export(input, &NoKeys).faults.is_empty()) }
    ),
    target!("offer", ["core/offer/document.rs: verify", "core/offer/document.rs: OfferId"], [offer().jws()], |input| {
        let text = String::from_utf8_lossy(input);
        let _any = text.parse::<OfferId>();
        let key = PrivateKey::from_seed([3; 32]).public();
        let Ok(read) = Offer::verify(&text, &key) else { return Ok(false) };
        if read == offer() { Ok(true) } else { Err("a forged offer was accepted".to_owned()) }
    }),
    target!(
        "path",
        ["core/rules/reading.rs: of", "core/rules/pattern.rs: Pattern"],
        ["/paid/a%2fb", "/paid/*", "//x/../y;z"],
        path
    ),
    target!(
        "version-1",
        ["protocol/v1.rs: decode", "protocol/v1.rs: decode_receipt", "protocol/v1.rs: verify_response"],
        [
            r#"{"x402Version":1,"error":"","accepts":[{"scheme":"exact","network":"base","maxAmountRequired":"1","resource":"https://s.example/","description":"","mimeType":"","payTo":"0x209693Bc6afc0C5328bA36FaF03C514EF312287C","maxTimeoutSeconds":60,"asset":"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"}]}"#,
            "eyJ4NDAyVmVyc2lvbiI6MSwic2NoZW1lIjoiZXhhY3QiLCJuZXR3b3JrIjoiYmFzZSIsInBheWxvYWQiOnt9fQ=="
        ],
        version_1
    ),
    target!(
        "in-json",
        [
            "protocol/payload.rs: decode_json",
            "protocol/required.rs: decode_json",
            "protocol/v1.rs: decode_json",
            "protocol/v1.rs: decode_receipt_json",
        ],
        [in_json(&demand()), in_json(&commitment()), in_json(&receipt())],
        in_messages
    ),
    target!(
        "signed-promise",
        ["core/scheme/deferred/commitment.rs: read", "core/scheme/deferred/commitment.rs: verify"],
        [signed_promise()],
        |input| {
            let Some(text) = text(input) else { return Ok(false) };
            drop(Commitment::of_evidence(text));
            let Ok(presented) = PresentedCommitment::read(text) else { return Ok(false) };
            let signed = presented.verify(&PrivateKey::from_seed([3; 32]).public());
            let same =
                signed.as_ref().map(|signed| Commitment::of_evidence(signed.base()).as_ref() == Ok(presented.claims()));
            if same == Ok(false) { Err("its evidence says something else".to_owned()) } else { Ok(signed.is_ok()) }
        }
    ),
    target!(
        "mcp-members",
        ["mcp/wire/payment.rs: decode", "mcp/wire/payment.rs: read", "mcp/wire/receipt.rs: read_receipt"],
        [in_json(&demand()), in_json(&commitment()), commitment(), in_json(&receipt())],
        mcp_members
    ),
    target!(
        "rule-words",
        ["core/rules/agents.rs: AgentPattern", "core/rules/asker.rs: Purpose"],
        ["https://crawler.example", "*.example", "train"],
        |input| {
            let agent = answered::<AgentPattern>(input)?;
            Ok(answered::<Purpose>(input)? || agent)
        }
    ),
    target!(
        "proxies",
        ["http/origin/forwarded.rs: Range", "http/origin/forwarded.rs: parse"],
        ["10.0.0.0/8", "::1", "127.0.0.1"],
        |input| Ok(text(input).is_some_and(|text| TrustedProxies::parse(&[text]).is_ok()))
    ),
    target!(
        "mcp-message",
        ["mcp/relay/message.rs: read", "mcp/relay/fields.rs: read"],
        [
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":"t"}}}"#,
            r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","id":"b","error":{"code":-1,"message":""}}]"#
        ],
        mcp::message
    ),
    target!("mcp-events", [], ["id: 1_2\nevent: message\nretry: 5\ndata: {}\ndata: x\n\n", ": x\r\n\r\n"], mcp::events),
    target!("mcp-lines", [], ["a\r\n\nb"], mcp::lines),
    target!("mcp-command", ["mcp/relay/child.rs: from_line"], [r#"npx -y 'a b' "c \" d""#], |input| {
        Ok(text(input).is_some_and(|text| tollway_mcp::relay::ChildUpstream::from_line(text).is_ok()))
    }),
    target!("mcp-entry", ["mcp/buyer/allow.rs: Entry"], ["square", "https://tools.example/*"], |input| {
        answered_or_not::<tollway_mcp::buyer::Entry>(input)
    }),
    target!("site", ["http/site.rs: Site"], ["https://shop.example", "http://127.0.0.1:4021"], |input| {
        Ok(text(input).is_some_and(|text| text.parse::<Site>().is_ok()))
    }),
];

/// Demands and requests are bodies, payments and receipts headers; all are fed the same bytes.
fn version_1(input: &[u8]) -> Told {
    drop(v1::FacilitatorRequest::decode(input).map(|request| request.to_v2()));
    if let Ok(answer) = decode_json::<VerifyResponse>(input, 8 << 10) {
        drop(v1::verify_response(&answer));
    }
    if let Ok(demand) = v1::PaymentRequired::decode(input) {
        let again = v1::PaymentRequired::decode(demand.encode().as_bytes());
        return if again.as_ref() == Ok(&demand) { Ok(true) } else { Err("is written as another demand".to_owned()) };
    }
    let Some(text) = text(input) else { return Ok(false) };
    if let Ok(receipt) = v1::decode_receipt(text) {
        drop(v1::encode_receipt(&receipt));
    }
    header_read_back(text.as_bytes(), v1::PaymentPayload::decode, |payment| Ok(payment.encode()))
}

/// The same messages as JSON inside other messages.
fn in_messages(input: &[u8]) -> Told {
    drop(v1::PaymentPayload::decode_json(input));
    drop(v1::decode_receipt_json(input));
    if let Ok(demand) = PaymentRequired::decode_json(input) {
        let again = PaymentRequired::decode_json(encode_json(&demand).as_bytes());
        return if again.as_ref() == Ok(&demand) { Ok(true) } else { Err("is written as another demand".to_owned()) };
    }
    let Ok(payment) = PaymentPayload::decode_json(input) else { return Ok(false) };
    let again = PaymentPayload::decode_json(encode_json(&payment).as_bytes());
    if again.as_ref() == Ok(&payment) { Ok(true) } else { Err("is written as another payment".to_owned()) }
}

/// A member of an MCP message in each place where it may stand.
fn mcp_members(input: &[u8]) -> Told {
    let value = serde_json::from_slice(input).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(input)));
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    let refusal = serde_json::json!({"isError": true, "structuredContent": value, "content": [{"text": value}],
        "_meta": {names::ERROR: value, names::PAYMENT_RESPONSE: value}});
    let refusal = object(refusal);
    drop(wire::read_receipt(&refusal));
    drop(wire::demand_in_error(&object(serde_json::json!({"code": 402, "data": value}))));
    drop(Payment::decode(input));
    let found = wire::demand_in_result(&refusal).is_ok_and(|demand| demand.is_some());
    let Ok(payment) = Payment::read(&value) else { return Ok(found) };
    for form in [PaymentForm::Object, PaymentForm::Base64] {
        let mut params = Map::new();
        wire::write_payment(&mut params, &payment, form);
        let meta = params.get(names::META).and_then(Value::as_object);
        if wire::payment_in(meta, None).as_ref() != Ok(&Some(payment.clone())) {
            return Err("is written as another payment".to_owned());
        }
    }
    Ok(true)
}

fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

fn answered<T: FromStr>(input: &[u8]) -> Told {
    Ok(text(input).is_some_and(|text| text.parse::<T>().is_ok()))
}

/// The same, for words of which the seeds need not hold one.
fn answered_or_not<T: FromStr>(input: &[u8]) -> Told {
    answered::<T>(input).map(|_| true)
}

/// What is accepted means the same when written and read again.
fn read_back<T: FromStr + Display + PartialEq>(input: &[u8]) -> Told {
    let Some(Ok(value)) = text(input).map(str::parse::<T>) else { return Ok(false) };
    let written = value.to_string();
    match written.parse::<T>() {
        Ok(again) if again == value => Ok(true),
        _ => Err(format!("is written as {written:?}, which is something else")),
    }
}

/// Each value has one spelling.
fn spelt<T: FromStr + Display + PartialEq>(input: &[u8]) -> Told {
    let Some(Ok(value)) = text(input).map(str::parse::<T>) else { return Ok(false) };
    let written = value.to_string();
    if written.as_bytes() == input { Ok(true) } else { Err(format!("is another spelling of {written:?}")) }
}

const fn spelt_by(_: fn(Reason) -> &'static str) -> fn(&[u8]) -> Told {
    |input| {
        let Some(Ok(reason)) = text(input).map(str::parse::<Reason>) else { return Ok(false) };
        if reason.code().as_bytes() == input { Ok(true) } else { Err("is another spelling".to_owned()) }
    }
}

fn header_read_back<T: PartialEq>(
    input: &[u8],
    decode: fn(&str) -> Result<T, tollway_protocol::Refusal>,
    encode: impl Fn(&T) -> Result<String, tollway_protocol::Refusal>,
) -> Told {
    let Some(Ok(value)) = text(input).map(decode) else { return Ok(false) };
    let written = encode(&value).map_err(|refusal| format!("cannot be written: {refusal}"))?;
    match decode(&written) {
        Ok(again) if again == value => Ok(true),
        _ => Err(format!("is written as {written:?}, which is something else")),
    }
}

fn price(input: &[u8]) -> Told {
    let Some(text) = text(input) else { return Ok(false) };
    drop(Price::parse_atomic(text, Asset::usd(), Scale::MICRO));
    let crawler = Price::parse_crawler(text);
    if let Ok(price) = &crawler
        && Price::parse_crawler(&price.to_crawler()).as_ref() != Ok(price)
    {
        return Err(format!("is written as {}", price.to_crawler()));
    }
    Ok(crawler.is_ok() | Price::parse(text).is_ok())
}

fn crawler_price(input: &[u8]) -> Told {
    let Some(text) = text(input) else { return Ok(false) };
    let (exact, most) = (CrawlerCommitment::decode(Some(text), None), CrawlerCommitment::decode(None, Some(text)));
    if exact.is_ok() != most.is_ok()
        || CrawlerCommitment::decode(Some(text), Some(text)).is_ok_and(|both| both.is_some())
    {
        return Err("one field is read, and not the other, or both at once".to_owned());
    }
    Ok(crawl::decode_price(text).is_ok())
}

fn handshake(input: &[u8]) -> Told {
    let demand = HandshakeDemand::decode(input).is_ok();
    let response = header_read_back(input, PaymentResponseHeader::decode, PaymentResponseHeader::encode)?;
    Ok(demand | response | header_read_back(input, PaymentHeader::decode, |payment| Ok(payment.encode()))?)
}

fn dresses(input: &[u8]) -> Told {
    let Ok(value) = HeaderValue::from_bytes(input) else { return Ok(false) };
    let mut accepted = false;
    for field in header::PAYMENTS {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(field), value.clone())]);
        accepted |= dress::read(&headers).is_ok_and(|presented| presented.is_some());
    }
    let headers = HeaderMap::from_iter([(HeaderName::from_static(header::PAYMENT_RESPONSE), value)]);
    for way in [Dress::X402, Dress::Handshake, Dress::Crawl] {
        accepted |= dress::read_receipt(&headers, way).is_ok();
    }
    Ok(accepted)
}

fn jwk(input: &[u8]) -> Told {
    let Some(text) = text(input) else { return Ok(false) };
    let private = PrivateKey::from_jwk(text);
    if let (Ok(private), Ok(public)) = (&private, PublicKey::from_jwk(text))
        && private.public() != public
    {
        return Err("the halves of the key do not fit".to_owned());
    }
    let public = Jwk::parse(input).and_then(|jwk| PublicKey::from_bytes(&jwk.ed25519_bytes()?));
    if let Ok(key) = &public
        && serde_json::to_vec(&key.jwk()).ok().and_then(|json| Jwk::parse(&json).ok()) != Some(key.jwk())
    {
        return Err("the key is written as another one".to_owned());
    }
    Ok(private.is_ok() | public.is_ok())
}

fn key_directory(input: &[u8]) -> Told {
    let message =
        || Message::response(200, Message::request("GET", "https", "a.example", "/")).with("signature", input);
    let signed = DirectoryPolicy { require_signature: true, signature: Policy::directory() };
    if directory::verify_directory(&message(), input, &signed, 1_800_000_000).is_ok() {
        return Err("a directory that nobody signed was believed".to_owned());
    }
    Ok(Directory::parse(input).is_ok())
}

fn agent(input: &[u8]) -> Told {
    let Some(text) = text(input) else { return Ok(false) };
    let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    let Ok(agent) = AgentUrl::parse(text, policy) else { return Ok(false) };
    match AgentUrl::parse(agent.as_str(), policy) {
        Ok(again) if again == agent => Ok(true),
        _ => Err(format!("is named {}, which is another agent", agent.as_str())),
    }
}

fn signature(input: &[u8]) -> Told {
    let zeros = format!("sig1=:{}:", "A".repeat(86) + "==");
    let message = Message::request("GET", "https", "a.example", "/paid")
        .with(header::SIGNATURE_AGENT, "sig1=\"https://crawler.example\"")
        .with(header::PAYMENT, "scheme=\"deferred\"")
        .with(header::SIGNATURE_INPUT, input)
        .with(header::SIGNATURE, zeros);
    drop(base::received(&message, "sig1"));
    let policy = Policy::strict_payment(header::PAYMENT, false, AgentPolicy::default());
    drop(verify(&message, &Policy::published(header::PAYMENT, AgentPolicy::default()), 1, &Nobody));
    let Ok(read) = Unverified::read(&message, &policy) else { return Ok(false) };
    if read.verify(&PrivateKey::from_seed([3; 32]).public()).is_ok() {
        return Err("a signature of zeros was believed".to_owned());
    }
    Ok(true)
}

struct Nobody;

impl tollway_signatures::Keys for Nobody {
    fn key(&self, _: Option<&AgentUrl>, _: &Thumbprint) -> Result<PublicKey, tollway_protocol::Refusal> {
        Ok(PrivateKey::from_seed([3; 32]).public())
    }
}

fn path(input: &[u8]) -> Told {
    let Some(text) = text(input) else { return Ok(false) };
    drop((fold_case(text), is_ai_crawler(text)));
    let pattern = text.parse::<Pattern>();
    let Ok(readings) = Readings::of(text) else { return Ok(pattern.is_ok()) };
    if readings.iter().count() > 128 {
        return Err("reads in more ways than are ever looked up".to_owned());
    }
    if let Ok(pattern) = pattern {
        let _any = readings.iter().filter(|reading| pattern.matches(reading)).count();
    }
    Ok(true)
}

fn demand() -> String {
    dress::demand_header(&offer(), &Network::tollway(), "https://s.example/paid/a", Some("Payment required"))
}

fn commitment() -> String {
    let accepted = requirements(&offer(), &Network::tollway());
    let payload = DeferredPayload { amount: accepted.amount, asset: accepted.asset.clone() }.to_map();
    PaymentPayload::new(accepted, payload).encode()
}

/// What a header's base64 holds.
fn in_json(header: &str) -> String {
    decode_header::<Value>(header, 16 << 10).map(|value| value.to_string()).unwrap_or_default()
}

fn signed_promise() -> String {
    let agent = AgentUrl::parse("https://crawler.example", AgentPolicy::default()).expect("a URL of an agent");
    let call = Called { resource: "mcp://tool/square", arguments: Hash::of(b"{}") };
    let stamp = Stamp { nonce: "0123456789abcdef", now: 1_000, life: 60 };
    Commitment::to_offer(&offer(), &Network::tollway(), &agent, call, stamp).sign(&PrivateKey::from_seed([3; 32]))
}

fn receipt() -> String {
    let payer = "https://crawler.example".to_owned();
    let sum = (Amount::new(1_000), &Asset::usd());
    SettleResponse::Settled(Settlement::promise("id".to_owned(), Network::tollway(), payer, sum, 1_000)).encode()
}

fn offer() -> Offer {
    let document = OfferDocument {
        bill: None,
        exact: Vec::new(),
        identifier: None,
        pass: None,
        amount: Amount::new(1_000),
        asset: Asset::usd(),
        audience: "everyone".to_owned(),
        not_after: 1_300,
        not_before: 1_000,
        rule: "pages".to_owned(),
        scale: Scale::MICRO,
        scope: OfferScope { methods: vec!["GET".to_owned()], path: "/paid/*".to_owned() },
        seller: "https://s.example".to_owned(),
        terms: None,
        version: 1,
        ways: vec![Dress::X402],
    };
    Offer::sign(document, &PrivateKey::from_seed([3; 32]))
}

//! The dresses of the deferred way over HTTP, and both versions of the exact way: how each
//! spells a demand, a payment and a receipt. A dress decides nothing; what it reads is a [`Promise`]
//! or an [`ExactPayment`], what it writes are facts.

mod cloudflare;
mod crawl;
mod exact;
mod handshake;
mod x402;

pub use cloudflare::is_published;
pub use exact::{ExactFailure, exact_field, v1_body, write_exact_failure, write_exact_receipt};
pub use handshake::demand_body;
pub use x402::{OFFER_EXTENSION, demand_header, offer_document};

use http::{HeaderMap, HeaderName, HeaderValue};
use tollway_core::scheme::deferred::Promise;
use tollway_core::scheme::exact::ExactPayment;
use tollway_core::seller::Receipt;
use tollway_protocol::{Dress, PaymentPayload, Reason, Refusal, header};

/// What a request pays with.
#[derive(Debug)]
pub enum Presented {
    /// A commitment, and the field whose signature must cover it.
    Promise(Promised),
    /// A payment that moves money at once. It is signed by itself, not by the message's signature.
    Exact(Box<ExactPayment>),
}

/// A commitment found in a request.
#[derive(Debug)]
pub struct Promised {
    /// What was promised.
    pub promise: Promise,
    /// The field it came in.
    pub field: &'static str,
}

/// The dress in which a request tries to pay, read from field names alone: it decides how a
/// refusal is spelled, also when the payment itself cannot be read.
pub fn intended(headers: &HeaderMap) -> Dress {
    if headers.contains_key(header::CRAWLER_EXACT_PRICE) || headers.contains_key(header::CRAWLER_MAX_PRICE) {
        Dress::Crawl
    } else if headers.contains_key(header::PAYMENT) {
        Dress::Handshake
    } else {
        Dress::X402
    }
}

/// The same where a rule sells in two dresses that share a field: the payment itself tells them apart.
pub fn intended_among(headers: &HeaderMap, offered: &[Dress]) -> Dress {
    let intended = intended(headers);
    let shared = intended == Dress::X402 && offered.contains(&Dress::Cloudflare);
    let text = headers.get(header::PAYMENT_SIGNATURE).filter(|_| shared).and_then(|value| value.to_str().ok());
    let cloudflare = text.is_some_and(|text| PaymentPayload::decode(text).is_ok_and(|p| cloudflare::is_spoken(&p)));
    if cloudflare { Dress::Cloudflare } else { intended }
}

/// The field in which a request tries to pay; that of x402 where it does not try.
pub fn field(headers: &HeaderMap) -> &'static str {
    let present = header::PAYMENTS.iter().copied().find(|field| headers.contains_key(*field));
    present.unwrap_or(header::PAYMENT_SIGNATURE)
}

/// Reads the payment of a request, if it carries one.
///
/// # Errors
/// `conflicting_payment` for more than one way to pay, `field_repeated` for a payment field sent
/// twice, or the dress's own reason for what cannot be read.
pub fn read(headers: &HeaderMap) -> Result<Option<Presented>, Refusal> {
    let mut found: Option<(&'static str, &str)> = None;
    for field in header::PAYMENTS.iter().copied() {
        let mut lines = headers.get_all(field).iter();
        let Some(line) = lines.next() else { continue };
        if lines.next().is_some() {
            return Err(Refusal::new(Reason::FieldRepeated, format!("`{field}` stands more than once")));
        }
        if let Some((other, _)) = found {
            let detail = format!("the request pays by `{other}` and by `{field}`");
            return Err(Refusal::new(Reason::ConflictingPayment, detail));
        }
        let text = line.to_str().map_err(|_| Refusal::new(Reason::MalformedPayment, "a payment field is ASCII"))?;
        found = Some((field, text));
    }
    let Some((field, text)) = found else { return Ok(None) };
    let promise = match field {
        header::PAYMENT_SIGNATURE => match x402::read(text)? {
            Presented::Promise(promised) => promised.promise,
            exact @ Presented::Exact(_) => return Ok(Some(exact)),
        },
        header::PAYMENT => handshake::read(text)?,
        header::CRAWLER_EXACT_PRICE | header::CRAWLER_MAX_PRICE => crawl::read(field, text)?,
        _ => return exact::read_v1(text).map(Some),
    };
    Ok(Some(Presented::Promise(Promised { promise, field })))
}

/// The field a commitment of this dress travels in, and its value: what a buyer sends.
pub fn commitment(promise: &Promise) -> Result<(HeaderName, HeaderValue), Refusal> {
    let (field, text) = match promise.dress {
        Dress::X402 => (header::PAYMENT_SIGNATURE, x402::write(promise)?),
        Dress::Cloudflare => (header::PAYMENT_SIGNATURE, cloudflare::write(promise)?),
        Dress::Handshake => (header::PAYMENT, handshake::write(promise)?),
        Dress::Crawl => crawl::write(promise)?,
        Dress::Mcp => return Err(Refusal::new(Reason::UnsupportedScheme, "this dress is no header's")),
    };
    Ok((HeaderName::from_static(field), value(&text)))
}

/// Writes a receipt into the fields of its dress, and returns the fields that the seller's
/// signature must cover.
pub fn write_receipt(headers: &mut HeaderMap, receipt: &Receipt) -> &'static [&'static str] {
    let response = match receipt.dress {
        Dress::X402 | Dress::Crawl | Dress::Mcp => x402::receipt(receipt),
        Dress::Cloudflare => cloudflare::receipt(receipt),
        Dress::Handshake => handshake::receipt(receipt),
    };
    headers.insert(header::PAYMENT_RESPONSE, value(&response));
    if receipt.dress == Dress::Crawl {
        headers.insert(header::CRAWLER_CHARGED, value(&receipt.price().to_crawler()));
        return &[header::PAYMENT_RESPONSE, header::CRAWLER_CHARGED];
    }
    &[header::PAYMENT_RESPONSE]
}

/// What a buyer reads from a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptFacts {
    /// The commitment.
    pub commitment: String,
    /// What was charged, in atomic units.
    pub amount: tollway_protocol::Amount,
    /// In what.
    pub asset: tollway_protocol::Asset,
    /// When it was posted.
    pub posted_at: u64,
    /// Place in the seller's journal.
    pub sequence: Option<u64>,
    /// Head of the seller's journal.
    pub head: Option<String>,
    /// Id of a fresher offer.
    pub current_offer: Option<String>,
}

/// Reads the receipt of a response to a commitment in this dress.
///
/// # Errors
/// `receipt_missing` or `receipt_invalid`.
pub fn read_receipt(headers: &HeaderMap, dress: Dress) -> Result<ReceiptFacts, Refusal> {
    let line = headers
        .get(header::PAYMENT_RESPONSE)
        .ok_or_else(|| Refusal::new(Reason::ReceiptMissing, "the answer carries no receipt"))?;
    let text = line.to_str().map_err(|_| Refusal::new(Reason::ReceiptInvalid, "the receipt is not ASCII"))?;
    match dress {
        Dress::X402 | Dress::Crawl | Dress::Mcp => x402::read_receipt(text),
        Dress::Cloudflare => cloudflare::read_receipt(text),
        Dress::Handshake => handshake::read_receipt(text),
    }
}

/// Everything that dresses write is ASCII by construction.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a dress writes visible ASCII")
}

fn invalid_receipt(refusal: &Refusal) -> Refusal {
    Refusal::new(Reason::ReceiptInvalid, refusal.detail.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, text) in lines {
            headers.append(*name, text.parse().unwrap());
        }
        headers
    }

    fn refused(lines: &[(&'static str, &str)]) -> Reason {
        read(&headers(lines)).unwrap_err().reason
    }

    #[test]
    fn a_request_pays_in_one_way_only() {
        let payment = (header::PAYMENT, r#"scheme="deferred", network="tollway:402", id="AAAAAAAAAAAAAAAAAAAAAA""#);
        let exact = (header::CRAWLER_EXACT_PRICE, "USD 0.01");
        let most = (header::CRAWLER_MAX_PRICE, "USD 0.02");
        assert!(read(&headers(&[])).unwrap().is_none());
        assert!(read(&headers(&[payment])).unwrap().is_some());
        assert_eq!(refused(&[payment, exact]), Reason::ConflictingPayment);
        assert_eq!(refused(&[exact, most]), Reason::ConflictingPayment);
        assert_eq!(refused(&[exact, exact]), Reason::FieldRepeated);
        assert_eq!(refused(&[(header::X_PAYMENT, "eyJ4NDAyVmVyc2lvbiI6Mn0=")]), Reason::UnsupportedVersion);
    }

    #[test]
    fn threat_70_what_cannot_be_read_is_refused_with_its_reason() {
        assert_eq!(refused(&[(header::PAYMENT_SIGNATURE, "!!!")]), Reason::MalformedPayment);
        assert_eq!(refused(&[(header::PAYMENT_SIGNATURE, "e30=")]), Reason::MalformedPayment);
        assert_eq!(refused(&[(header::PAYMENT, "scheme=deferred")]), Reason::MalformedPayment);
        assert_eq!(refused(&[(header::CRAWLER_MAX_PRICE, "0.01")]), Reason::PriceMalformed);
        assert_eq!(refused(&[(header::CRAWLER_MAX_PRICE, "USD 1e3")]), Reason::PriceMalformed);
    }
}

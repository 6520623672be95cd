//! What a payer signed for, read from the signature base behind a line (RFC 9421 section 2.5): no
//! amount is taken from the seller's word.

use http::{HeaderMap, HeaderName, HeaderValue};
use tollway_core::scheme::deferred::Limit;
use tollway_http::dress;
use tollway_ledger::{AuditReport, Fault, FaultKind, Sequence, verify_export};
use tollway_protocol::{Amount, header};

use super::KnownKeys;

/// Most faults listed; further ones are only counted.
const FAULTS_MAX: usize = 1_000;

/// Everything an export can be checked for: that it follows from itself, whose signatures it
/// carries, and that no line charges more than its payer signed for.
pub(crate) fn audited(export: &[u8], keys: &KnownKeys) -> AuditReport {
    #[derive(serde::Deserialize)]
    struct Row {
        body: Body,
    }
    #[derive(serde::Deserialize)]
    struct Body {
        sequence: Sequence,
        amount: Amount,
        base: String,
    }
    let mut report = verify_export(export, keys);
    for text in export.split(|byte| *byte == b'\n') {
        // Other entries have no base; a line that cannot be read is a fault already.
        let Ok(Row { body }) = serde_json::from_slice::<Row>(text) else { continue };
        let Err(detail) = check_signed(&body.base, body.amount) else { continue };
        report.fault_count += 1;
        if report.faults.len() < FAULTS_MAX {
            report.faults.push(Fault { sequence: body.sequence, kind: FaultKind::Transfer, detail });
        }
    }
    report
}

/// Checks that `amount` is what was signed for, or not above it where a ceiling was signed. A
/// promise that names an offer and no amount says nothing else.
///
/// # Errors
/// What was signed instead.
pub(crate) fn check_signed(base: &str, amount: Amount) -> Result<(), String> {
    let presented = match dress::read(&payment_fields(base)) {
        Ok(Some(presented)) => presented,
        Ok(None) => return Err("its payer signed no payment".to_owned()),
        Err(refusal) => return Err(format!("what its payer signed cannot be read: {refusal}")),
    };
    match presented.promise.limit {
        Some(Limit::Exact(signed)) if signed != amount => {
            Err(format!("{amount} is charged, its payer signed for {signed}"))
        }
        Some(Limit::AtMost(ceiling)) if amount > ceiling => {
            Err(format!("{amount} is charged, its payer signed for {ceiling} at most"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The payment fields that a signature base covers. A base is one line for each component, its name
/// in quotes; the last line lists them.
fn payment_fields(base: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in base.lines() {
        let Some((name, value)) = line.strip_prefix('"').and_then(|rest| rest.split_once("\": ")) else { continue };
        let payment = header::PAYMENTS.iter().find(|payment| **payment == name);
        if let (Some(name), Ok(value)) = (payment, HeaderValue::from_str(value)) {
            fields.append(HeaderName::from_static(name), value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(line: &str, amount: u128) -> Result<(), String> {
        let base = format!("\"@method\": GET\n{line}\n\"@signature-params\": (\"@method\");created=1");
        check_signed(&base, Amount::new(amount))
    }

    #[test]
    fn an_exact_price_is_charged_exactly() {
        let line = "\"crawler-exact-price\": USD 0.002";
        assert_eq!(signed(line, 2_000), Ok(()));
        for other in [1_999, 2_001] {
            assert_eq!(signed(line, other), Err(format!("{other} is charged, its payer signed for 2000")));
        }
    }

    #[test]
    fn a_ceiling_is_not_passed() {
        let line = "\"crawler-max-price\": USD 0.002";
        assert_eq!(signed(line, 2_000), Ok(()));
        assert_eq!(signed(line, 1), Ok(()));
        assert!(signed(line, 2_001).unwrap_err().ends_with("signed for 2000 at most"));
    }

    #[test]
    fn threat_45_a_base_without_one_payment_proves_nothing() {
        assert!(signed("\"@path\": /crawler-exact-price", 1).unwrap_err().contains("no payment"));
        for lines in ["\"crawler-exact-price\": free", "\"crawler-exact-price\": USD 1\n\"crawler-max-price\": USD 1"] {
            assert!(signed(lines, 1_000_000).unwrap_err().contains("cannot be read"), "{lines}");
        }
    }
}

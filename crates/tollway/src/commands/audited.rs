//! Everything that an export can be checked for: that it follows from itself, whose signatures it
//! carries, and that no line says anything else than what its payer signed.

use tollway_http::evidence::{self, Claimed};
use tollway_ledger::{AuditReport, Fault, FaultKind, Sequence, verify_export};

use super::KnownKeys;

/// Most faults listed; further ones are only counted.
const FAULTS_MAX: usize = 1_000;

/// Audits an export.
pub(crate) fn audited(export: &[u8], keys: &KnownKeys) -> AuditReport {
    #[derive(serde::Deserialize)]
    struct Row {
        body: Body,
    }
    #[derive(serde::Deserialize)]
    struct Body {
        sequence: Sequence,
        base: String,
        #[serde(flatten)]
        claimed: Claimed,
    }
    let mut report = verify_export(export, keys);
    for text in export.split(|byte| *byte == b'\n') {
        // Other entries have no base; a line that cannot be read is a fault already.
        let Ok(Row { body }) = serde_json::from_slice::<Row>(text) else { continue };
        let Err(detail) = evidence::check(&body.base, &body.claimed) else { continue };
        report.fault_count += 1;
        if report.faults.len() < FAULTS_MAX {
            report.faults.push(Fault { sequence: body.sequence, kind: FaultKind::Transfer, detail });
        }
    }
    report
}

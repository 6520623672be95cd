//! What the model is told where nothing was paid: plain words of our own.

use serde_json::{Value, json};
use tollway_protocol::{Reason, Refusal};

use super::confirm::shown;
use super::server::CallAnswer;
use super::target::Target;

/// Said where whoever was asked did not agree.
pub(super) const DECLINED: &str = "User declined payment";
/// Said where whoever was asked did not answer in time.
pub(super) const LATE: &str = "Nobody confirmed the payment in time, so nothing was paid";
/// Said where nobody can be asked.
pub(super) const NOBODY: &str = "Nobody is there to confirm the payment, so nothing was paid";
/// Key of `_meta` under which a refusal of ours stands.
const META_REFUSED: &str = "tollway/refused";
/// JSON-RPC code of an answer to what has no result that can fail.
const NOT_PAID: i64 = -32_042;

/// The answer to a call that was not paid for.
pub(super) fn refused(target: &Target, refusal: &Refusal) -> CallAnswer {
    let text = match refusal.reason {
        Reason::Declined => shown(&refusal.detail),
        _ => format!("Not paid: {} ({})", shown(&refusal.detail), refusal.reason.code()),
    };
    plain(target, &text, refusal.reason)
}

/// The answer to a call that was sent with a payment that the server did not take.
pub(super) fn not_taken(target: &Target, said: &str) -> CallAnswer {
    let text = format!(
        "The server did not take the payment and says: {}. It was not paid again; nothing was charged as far as the server says.",
        shown(said)
    );
    plain(target, &text, Reason::PaymentRefused)
}

/// The answer to a call whose payment was sent and whose answer was lost.
pub(super) fn unknown(target: &Target, detail: &str) -> CallAnswer {
    let text = format!(
        "The payment was sent and what became of it is not known ({}). The money stays reserved. Calling again with the same arguments goes on with the same payment.",
        shown(detail)
    );
    plain(target, &text, Reason::OutcomeUnknown)
}

/// The answer to a call that an earlier payment was used for, whose answer is gone.
pub(super) fn paid_before(target: &Target, payment: &str) -> CallAnswer {
    let text = format!(
        "An earlier equal call was paid by payment {payment} and its answer was lost; the server does not give it again. Nothing was paid now. Calling again buys anew."
    );
    plain(target, &text, Reason::AlreadyDelivered)
}

fn plain(target: &Target, text: &str, reason: Reason) -> CallAnswer {
    let meta = json!({META_REFUSED: {"reason": reason.code()}});
    if target.is_tool() {
        let content = json!([{"type": "text", "text": text}]);
        return CallAnswer::Result(json!({"content": content, "isError": true, "_meta": meta}));
    }
    let error: Value = json!({"code": NOT_PAID, "message": text, "data": meta});
    CallAnswer::Error(error)
}

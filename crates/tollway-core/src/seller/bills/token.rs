//! The secret part of a bill's URL: the place of the statement in the journal, and bytes that only
//! the seller's key can make of it. Nothing is stored, and looking one up reads one line.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tollway_ledger::{Sequence, Statement};
use tollway_signatures::{PrivateKey, jws};

/// Path of all bills; a token follows.
pub const BILLS_PATH: &str = "/.well-known/tollway/bills/";

/// `typ` of the signature that a token is made of; it is never published.
const TOKEN_TYPE: &str = "tollway-bill+jws";
/// Bytes of the place.
const PLACE: usize = 8;
/// Bytes that cannot be guessed.
const SECRET: usize = 24;

/// The token of a statement. Whoever has it may see and pay what the statement asks for.
pub fn bill_token(key: &PrivateKey, statement: &Statement) -> String {
    let mut bytes = [0; PLACE + SECRET];
    bytes[..PLACE].copy_from_slice(&statement.sequence.get().to_be_bytes());
    bytes[PLACE..].copy_from_slice(&secret(key, statement));
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The statement that a token is about, if it is one.
pub(super) fn place(token: &str) -> Option<Sequence> {
    let bytes: [u8; PLACE + SECRET] = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let place: [u8; PLACE] = bytes[..PLACE].try_into().ok()?;
    Some(Sequence::new(u64::from_be_bytes(place)))
}

/// Whether a token is this statement's; takes as long for a near miss as for a wild one.
pub(super) fn fits(token: &str, key: &PrivateKey, statement: &Statement) -> Option<()> {
    let ours = bill_token(key, statement);
    let differs = ours.bytes().zip(token.bytes()).fold(0, |found, (one, other)| found | (one ^ other));
    (ours.len() == token.len() && differs == 0).then_some(())
}

fn secret(key: &PrivateKey, statement: &Statement) -> [u8; SECRET] {
    let Statement { seller, agent, period, sequence, .. } = statement;
    let payload = format!("{seller}\n{agent}\n{period}\n{sequence}");
    let sealed: [u8; 32] = Sha256::digest(jws::sign(TOKEN_TYPE, payload.as_bytes(), key)).into();
    let mut secret = [0; SECRET];
    secret.copy_from_slice(&sealed[..SECRET]);
    secret
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reader_of_tokens_refuses_and_never_panics(token in "[A-Za-z0-9_=-]{0,60}") {
            prop_assert!(place(&token).is_none() || token.len() == 43);
        }
    }
}

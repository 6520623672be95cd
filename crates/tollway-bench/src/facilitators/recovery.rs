//! Who signed a payment: the whole check over the recovery of the key in it, on one thread of this process.

use std::hint::black_box;

use alloy_primitives::B256;
use anyhow::{Context as _, ensure};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};
use tollway_devnet::USDC;
use tollway_evm::payload::ExactPayload;
use tollway_evm::signature::EoaSignature;
use tollway_evm::typed_data::TokenDomain;

use super::{parts, payments};
use crate::cpu;
use crate::figure::{Figure, Spread};

const REPEATS: u32 = 4_000;
/// So that a slow moment meets both.
const PORTIONS: u32 = 20;

/// Digest, parsing, recovery and comparison, over libsecp256k1's recovery alone.
pub(super) fn figure(rounds: u32) -> anyhow::Result<Figure> {
    let request = payments::signed(1, 0)?.pop().context("one payment")?;
    let ExactPayload::Eip3009(payload) = ExactPayload::from_map(&request.payment_payload.payload)? else {
        anyhow::bail!("the payment is no authorization");
    };
    let (signed, signature) = (&payload.authorization, &payload.signature);
    let domain = TokenDomain { name: "USDC", version: "2", chain_id: parts::CHAIN, contract: USDC };
    let digest: B256 = domain.transfer(signed);
    let (message, bare) = (Message::from_digest(digest.0), bare(signature)?);
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let (mut whole, mut alone) = (0, 0);
        for _ in 0..PORTIONS {
            whole += timed(|| {
                let digest = black_box(&domain).transfer(black_box(signed));
                EoaSignature::parse(signature).and_then(|read| read.prove(digest, signed.from)).is_ok()
            })?;
            alone += timed(|| SECP256K1.recover_ecdsa(black_box(message), black_box(&bare)).is_ok())?;
        }
        let each = |nanoseconds: u64| nanoseconds as f64 / f64::from(REPEATS) / 1e3;
        measured.push((each(whole), each(alone)));
    }
    let of = |pick: fn(&(f64, f64)) -> f64| Spread::of(measured.iter().map(pick)).median;
    let (whole, alone) = (of(|round| round.0), of(|round| round.1));
    let note = format!(
        "{whole:.1} us of CPU to make the digest of an authorization, read its signature and prove whose it is, over \
         {alone:.1} us of libsecp256k1's recovery"
    );
    let ratios = Spread::of(measured.iter().map(|(whole, alone)| whole / alone));
    Ok(Figure::new("payer_signature", &ratios, 1.2, &[("cpu_us", whole), ("reference_us", alone)]).with_note(note))
}

fn bare(signature: &[u8]) -> anyhow::Result<RecoverableSignature> {
    let (numbers, v) = signature.split_first_chunk::<64>().context("a signature has 65 bytes")?;
    let id = if v == [28] { RecoveryId::One } else { RecoveryId::Zero };
    Ok(RecoverableSignature::from_compact(numbers, id)?)
}

/// Nanoseconds of this thread that one portion takes.
fn timed(step: impl Fn() -> bool) -> anyhow::Result<u64> {
    let begin = cpu::of_this_thread()?;
    let good = (0..REPEATS / PORTIONS).filter(|_| black_box(step())).count();
    let spent = cpu::of_this_thread()?.saturating_sub(begin);
    ensure!(u32::try_from(good) == Ok(REPEATS / PORTIONS), "a signature was not proved");
    Ok(spent)
}

//! What one signature costs, on one thread of this process: the reference of two figures.

use std::hint::black_box;

use anyhow::ensure;
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_protocol::header;
use tollway_signatures::{AgentPolicy, Policy, Signer as _, Unverified, Verifier as _};

use crate::cpu;
use crate::orders::{Buyer, buyer_key};

/// How often each step is repeated in a round.
const REPEATS: u32 = 4_000;

/// CPU time of one step, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// One strict verification of the base of a paid request.
    pub(crate) verify: f64,
    /// One signature over that base.
    pub(crate) sign: f64,
    /// Reading the signature of a paid request under the strict policy, and that verification.
    pub(crate) read_and_verify: f64,
    /// Bytes of the base.
    pub(crate) base_bytes: usize,
}

/// Measures the three, in turn in small portions, so that a slow moment meets all of them.
pub(crate) fn measure(buyer: &Buyer) -> anyhow::Result<Costs> {
    let (headers, signed) = buyer.order(u64::MAX, SystemClock.now())?;
    let view = buyer.view(&headers);
    let agents = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    let policy = || Policy::strict_payment(header::PAYMENT_SIGNATURE, false, agents);
    let (private, public) = (buyer_key(), buyer_key().public());
    ensure!(
        Unverified::read(&view, &policy())?.verify(&public)?.base() == signed.base,
        "the base is not the signed one"
    );
    let base = signed.base.as_bytes();
    let mut spent = [0; 3];
    let portions = 20;
    for _ in 0..portions {
        spent[0] += timed(REPEATS / portions, || public.verify(black_box(base), &signed.bytes).is_ok())?;
        spent[1] += timed(REPEATS / portions, || private.sign(black_box(base)) == signed.bytes)?;
        spent[2] += timed(REPEATS / portions, || {
            Unverified::read(black_box(&view), &policy()).and_then(|read| read.verify(&public)).is_ok()
        })?;
    }
    let [verify, sign, read_and_verify] = spent.map(|nanoseconds| nanoseconds as f64 / f64::from(REPEATS) / 1e3);
    Ok(Costs { verify, sign, read_and_verify, base_bytes: base.len() })
}

/// Nanoseconds of this thread that so many repetitions take.
fn timed(times: u32, step: impl Fn() -> bool) -> anyhow::Result<u64> {
    let begin = cpu::of_this_thread()?;
    let good = (0..times).filter(|_| black_box(step())).count();
    let spent = cpu::of_this_thread()?.saturating_sub(begin);
    ensure!(u32::try_from(good) == Ok(times), "a step of the reference failed");
    Ok(spent)
}

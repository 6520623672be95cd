//! Several facilitators as one. Questions go to whoever is well; a settlement goes to another only
//! when it is certain that the first one sent nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tollway_core::clock::Clock;
use tollway_core::facilitator::{Facilitator, FacilitatorError, PaymentStatus};
use tollway_protocol::{FacilitatorRequest, Network, SettleResponse, SupportedResponse, VerifyResponse};

/// Seconds for which a facilitator that gave no answer is asked last.
const REST: u64 = 15;

/// Facilitators in order of preference.
pub struct Failover {
    members: Vec<Member>,
    clock: Arc<dyn Clock>,
}

struct Member {
    facilitator: Arc<dyn Facilitator>,
    /// Until when it is asked last, Unix seconds.
    rests_until: AtomicU64,
}

impl Failover {
    /// These facilitators, the preferred one first. With none, nothing is ever answered.
    #[must_use]
    pub fn new(facilitators: Vec<Arc<dyn Facilitator>>, clock: Arc<dyn Clock>) -> Self {
        let member = |facilitator| Member { facilitator, rests_until: AtomicU64::new(0) };
        Self { members: facilitators.into_iter().map(member).collect(), clock }
    }

    /// The members, those that are well first.
    fn in_turn(&self) -> Vec<&Member> {
        let now = self.clock.now();
        let (well, resting): (Vec<_>, Vec<_>) =
            self.members.iter().partition(|member| member.rests_until.load(Ordering::Relaxed) <= now);
        well.into_iter().chain(resting).collect()
    }

    fn note(&self, member: &Member, failed: bool) {
        let until = if failed { self.clock.now() + REST } else { 0 };
        member.rests_until.store(until, Ordering::Relaxed);
    }
}

/// Asks one after the other until one answers, or until `stop` says that no other may be asked.
macro_rules! ask {
    ($self:ident, $stop:expr, $member:ident => $asking:expr) => {{
        let mut last = FacilitatorError::Unreachable { detail: "no facilitator is configured".to_owned() };
        for $member in $self.in_turn() {
            match $asking.await {
                Ok(answer) => {
                    $self.note($member, false);
                    return Ok(answer);
                }
                Err(error) => {
                    tracing::warn!(%error, "a facilitator gave no answer");
                    $self.note($member, true);
                    let stop: fn(&FacilitatorError) -> bool = $stop;
                    if stop(&error) {
                        return Err(error);
                    }
                    last = error;
                }
            }
        }
        Err(last)
    }};
}

#[async_trait]
impl Facilitator for Failover {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        ask!(self, |_| false, member => member.facilitator.supported())
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        ask!(self, |_| false, member => member.facilitator.verify(request))
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        ask!(self, |error| !error.nothing_was_sent(), member => member.facilitator.settle(request))
    }

    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        for member in self.in_turn() {
            if let Ok(Some(status)) = member.facilitator.status(payment).await {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }

    async fn gas_ceiling(&self, network: &Network) -> Result<u128, FacilitatorError> {
        ask!(self, |_| false, member => member.facilitator.gas_ceiling(network))
    }

    async fn ready(&self) -> Result<(), FacilitatorError> {
        ask!(self, |_| false, member => member.facilitator.ready())
    }
}

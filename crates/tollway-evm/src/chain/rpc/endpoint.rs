//! One endpoint: a window for each call, a cap on each answer, a rate, and how it has done lately.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::U64;
use parking_lot::Mutex;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::answer::{self, from_value};
use super::{ChainError, RpcConfig};

/// An endpoint that failed rests so long, doubled with each further failure.
const REST: Duration = Duration::from_millis(250);
/// And at most so many times doubled: 16 s.
const REST_DOUBLINGS: u32 = 6;

/// One endpoint of a network.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: Url,
    name: String,
    client: reqwest::Client,
    chain_id: u64,
    window: Duration,
    answer_max: usize,
    pace: Option<Pace>,
    permits: Semaphore,
    ids: AtomicU64,
    checked: OnceCell<()>,
    foreign: AtomicBool,
    /// It does not know batches.
    single: AtomicBool,
    health: Mutex<Health>,
}

/// The rate of an endpoint: calls start at least `interval` apart, after a burst of a second's worth.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    burst: Duration,
    wait: Duration,
    next: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Endpoint {
    pub(super) fn new(text: &str, config: &RpcConfig) -> Result<Self, ChainError> {
        let wrong = |detail: String| ChainError::Malformed { detail };
        let url = Url::parse(text).map_err(|error| wrong(format!("an endpoint is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("an endpoint is no http or https URL".to_owned()));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(config.window)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        // Paths and queries of endpoints hold keys: a name shows the host only.
        let name = url.host_str().unwrap_or("endpoint").to_owned();
        let pace = config.rate.filter(|rate| *rate > 0).map(|rate| Pace {
            interval: Duration::from_secs(1) / rate,
            burst: Duration::from_secs(1),
            wait: config.rate_wait,
            next: Mutex::new(None),
        });
        Ok(Self {
            url,
            name,
            client,
            chain_id: config.chain_id,
            window: config.window,
            answer_max: config.answer_max,
            pace,
            permits: Semaphore::new(config.concurrency.max(1)),
            ids: AtomicU64::new(1),
            checked: OnceCell::new(),
            foreign: AtomicBool::new(false),
            single: AtomicBool::new(false),
            health: Mutex::default(),
        })
    }

    /// Its host.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has not failed lately.
    pub(super) fn is_well(&self) -> bool {
        let rests = self.health.lock().rests_until;
        !self.foreign.load(Ordering::Relaxed) && rests.is_none_or(|until| until <= Instant::now())
    }

    /// Asks it, once, which chain it serves.
    pub(super) async fn check_chain(&self) -> Result<(), ChainError> {
        let ask = || async {
            let id: U64 = from_value(self.post("eth_chainId", &json!([])).await?)?;
            if id.to::<u64>() == self.chain_id {
                return Ok(());
            }
            self.foreign.store(true, Ordering::Relaxed);
            Err(ChainError::Malformed { detail: format!("{} serves chain {id}, not {}", self.name, self.chain_id) })
        };
        self.checked.get_or_try_init(ask).await.copied()
    }

    /// One call, if it serves the right chain.
    pub(super) async fn request(&self, method: &str, params: &Value) -> Result<Value, ChainError> {
        self.check_chain().await?;
        self.post(method, params).await
    }

    /// Several calls in one message, answered one by one. An endpoint that answers such a message with
    /// something else gets no other.
    pub(super) async fn batch(
        &self,
        method: &str,
        params: &[Value],
    ) -> Result<Vec<Result<Value, ChainError>>, ChainError> {
        self.check_chain().await?;
        if self.single.load(Ordering::Relaxed) {
            return Err(ChainError::Malformed { detail: "the endpoint knows no batches".to_owned() });
        }
        let _permit = self.turn(params.len()).await?;
        let count = u64::try_from(params.len()).unwrap_or(u64::MAX);
        let first = self.ids.fetch_add(count, Ordering::Relaxed);
        let calls = (first..).zip(params);
        let call = |(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let body = Value::Array(calls.map(call).collect()).to_string();
        let bytes = self.exchange(body).await.inspect_err(|error| self.note(&Err(error.clone())))?;
        let answers = answer::results(&bytes, first, params.len());
        if answers.is_err() {
            self.single.store(true, Ordering::Relaxed);
        }
        answers
    }

    /// A place among the calls under way, and so many turns under the rate.
    async fn turn(&self, calls: usize) -> Result<SemaphorePermit<'_>, ChainError> {
        let turn = async {
            if let Some(pace) = &self.pace {
                for _ in 0..calls {
                    pace.turn().await?;
                }
            }
            self.permits.acquire().await.map_err(|_| unreachable("the endpoint is closed"))
        };
        tokio::time::timeout(self.window, turn).await.map_err(|_| ChainError::Timeout)?
    }

    async fn post(&self, method: &str, params: &Value) -> Result<Value, ChainError> {
        let _permit = self.turn(1).await?;
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        let answer = self.exchange(body).await.and_then(|bytes| answer::result(&bytes, id));
        self.note(&answer);
        answer
    }

    async fn exchange(&self, body: String) -> Result<Vec<u8>, ChainError> {
        let request = self.client.post(self.url.clone()).header("content-type", "application/json").body(body);
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status();
        // Several servers put a JSON-RPC error into a 400.
        if !status.is_success() && status.as_u16() != 400 {
            return Err(unreachable(&format!("status {status}")));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if bytes.len() + chunk.len() > self.answer_max {
                return Err(ChainError::Malformed { detail: format!("more than {} bytes", self.answer_max) });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Silence and nonsense make an endpoint rest; a refusal is an answer.
    fn note(&self, answer: &Result<Value, ChainError>) {
        let mut health = self.health.lock();
        match answer {
            Ok(_) | Err(ChainError::Rejected { .. }) => *health = Health::default(),
            Err(_) => {
                let rest = REST * 2_u32.pow(health.failures.min(REST_DOUBLINGS));
                health.failures = health.failures.saturating_add(1);
                health.rests_until = Some(Instant::now() + rest);
            }
        }
    }
}

impl Pace {
    /// Waits for a turn, or refuses at once if it would come too late.
    async fn turn(&self) -> Result<(), ChainError> {
        let starts = self.reserve(Instant::now())?;
        tokio::time::sleep_until(starts).await;
        Ok(())
    }

    /// When a call that comes now may start.
    fn reserve(&self, now: Instant) -> Result<Instant, ChainError> {
        let mut next = self.next.lock();
        let earliest = now.checked_sub(self.burst).unwrap_or(now);
        let starts = next.map_or(earliest, |next| next.max(earliest));
        if starts > now + self.wait {
            return Err(unreachable("its rate is used up"));
        }
        *next = Some(starts + self.interval);
        Ok(starts)
    }
}

fn unreachable(detail: &str) -> ChainError {
    ChainError::Unreachable { detail: detail.to_owned() }
}

/// The text of a transport failure without its URL, which may hold a key.
fn failure(error: &reqwest::Error) -> ChainError {
    if error.is_timeout() {
        return ChainError::Timeout;
    }
    let kind = if error.is_connect() { "no connection" } else { "the connection broke off" };
    unreachable(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_a_burst_through_then_paces_then_refuses() {
        let pace = Pace {
            interval: Duration::from_millis(100),
            burst: Duration::from_secs(1),
            wait: Duration::from_millis(250),
            next: Mutex::new(None),
        };
        let now = Instant::now() + Duration::from_secs(5);
        for _ in 0..11 {
            assert!(pace.reserve(now).unwrap() <= now);
        }
        for later in [100, 200] {
            assert_eq!(pace.reserve(now).unwrap(), now + Duration::from_millis(later));
        }
        assert!(matches!(pace.reserve(now), Err(ChainError::Unreachable { .. })));
        assert_eq!(pace.reserve(now + Duration::from_millis(100)).unwrap(), now + Duration::from_millis(300));
    }
}

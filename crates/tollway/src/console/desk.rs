//! What the console asks of a running gateway.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use tollway_core::rules::{Action, Readings};
use tollway_core::seller::{BILLS_PATH, bill_token};
use tollway_http::site::{self, Site};
use tollway_http::status::status;
use tollway_ledger::{AgentId, Statement};
use tollway_pages::console::{Change, Counted, Desk, Explained, HealthRow, Question, RuleRow, Simulated};
use tollway_protocol::Dress;
use tollway_signatures::AgentPolicy;

use super::sample;
use crate::commands::{agents, described, explain};
use crate::compose::Gateway;
use crate::config::Config;
use crate::counts;
use crate::request_log::LogOptions;

/// The gateway behind the console.
pub(super) struct GatewayDesk {
    gateway: Arc<Gateway>,
    sites: Vec<Site>,
    policy: AgentPolicy,
    log: Option<LogOptions>,
    takes_bills: bool,
    started: Instant,
}

impl GatewayDesk {
    pub(super) fn new(gateway: Arc<Gateway>, config: Arc<Config>) -> anyhow::Result<Self> {
        Ok(Self {
            gateway,
            sites: config.sites()?,
            policy: AgentPolicy { allow_loopback_http: config.agents.allow_loopback, ..AgentPolicy::default() },
            log: config.log_options()?,
            takes_bills: config.exact.is_some(),
            started: Instant::now(),
        })
    }
}

#[async_trait]
impl Desk for GatewayDesk {
    fn rules(&self) -> Vec<RuleRow> {
        let seller = self.gateway.current().seller;
        let rows = seller.rules().rules().iter().map(|rule| RuleRow {
            id: rule.id.clone(),
            pattern: rule.pattern.as_str().to_owned(),
            methods: rule.methods.names().join(", ").replace('*', "any"),
            audience: rule.audience.as_str().to_owned(),
            what: described(rule),
            price: match &rule.action {
                Action::Charge(charge) => Some(charge.price.amount),
                Action::Allow | Action::Block => None,
            },
            on_trial: rule.conditions.dry_run,
        });
        rows.collect()
    }

    fn explain(&self, question: &Question) -> Result<Explained, String> {
        let uri: Uri = question.url.parse().map_err(|_| format!("`{}` is no URL", question.url))?;
        let headers = headers(question)?;
        let seller = self.gateway.current().seller;
        let proved = Some(question.proved.trim()).filter(|text| !text.is_empty());
        let asker = explain::asker(seller.rules(), self.policy, &headers, proved).map_err(|error| error.to_string())?;
        let told = match uri.authority() {
            None => Ok(()),
            Some(_) => site::pick(&self.sites, &uri, &HeaderMap::new()).map(drop),
        };
        let told = told.and_then(|()| Readings::of(uri.path()));
        match told {
            Ok(readings) => Ok(explain::explained(&seller.rules().explain(&readings, &question.method, &asker))),
            Err(refusal) => Ok(Explained {
                readings: vec![uri.path().to_owned()],
                free: None,
                steps: Vec::new(),
                class: None,
                status: status(refusal.reason, Dress::X402).as_u16(),
                why: format!("{}: {}", refusal.reason.code(), refusal.detail),
                proof_could_change_it: false,
            }),
        }
    }

    async fn simulate(&self, change: &Change) -> Result<Simulated, String> {
        let Some(log) = self.log.clone() else {
            return Err("no requests are written down: set [request_log] in the configuration".to_owned());
        };
        let rules = self.gateway.current().seller.rules().clone();
        let (change, policy) = (change.clone(), self.policy);
        let weighing = tokio::task::spawn_blocking(move || sample::simulate(&log, &rules, &change, policy));
        weighing.await.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))
    }

    async fn counts(&self) -> Vec<Counted> {
        counts::flush(&self.gateway).await;
        let totals = self.gateway.counts.totals();
        let counted = totals.into_iter().filter_map(|(key, value)| {
            let mut words = key.splitn(3, '|').map(str::to_owned);
            Some(Counted { rule: words.next()?, class: words.next()?, outcome: words.next()?, value })
        });
        counted.collect()
    }

    async fn health(&self) -> Vec<HealthRow> {
        let current = self.gateway.current();
        let row = |part, is_well, says: String| HealthRow { part, is_well, says };
        let upstream = match &current.health {
            None => row("Upstream", Some(true), "a folder on this machine".to_owned()),
            Some(health) if health.is_up(Instant::now()) => row("Upstream", Some(true), "it answers".to_owned()),
            Some(_) => row("Upstream", Some(false), "it does not answer".to_owned()),
        };
        let books = &self.gateway.books;
        let log = match &self.log {
            Some(log) => format!("{} of a million requests, in {}", log.per_million, log.path.display()),
            None => "off".to_owned(),
        };
        vec![
            upstream,
            row("Rules", None, format!("{} in force", current.seller.rules().rules().len())),
            row(
                "Sales by this process",
                None,
                format!("{} posted in {} durable writes", books.postings(), books.batches()),
            ),
            row("Request log", None, log),
            row(
                "Seller",
                None,
                format!("{}, key {}", current.seller.origin(), current.seller.key().public().thumbprint()),
            ),
            row("Running for", None, format!("{} minutes", self.started.elapsed().as_secs() / 60)),
        ]
    }

    fn agent_id(&self, text: &str) -> Result<AgentId, String> {
        agents::agent_id(text, self.policy.allow_loopback_http).map_err(|error| format!("{error:#}"))
    }

    fn pay_url(&self, statement: &Statement) -> Option<String> {
        let key = self.gateway.current().seller.shared_key();
        let is_open = statement.paid.is_none() && statement.payable.get() > 0;
        (self.takes_bills && is_open)
            .then(|| format!("{}{BILLS_PATH}{}", statement.seller, bill_token(&key, statement)))
    }
}

fn headers(question: &Question) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let agent = question.claimed.trim();
    let quoted = format!("\"{agent}\"");
    for (name, text) in [
        (header::USER_AGENT, question.user_agent.trim()),
        (HeaderName::from_static("signature-agent"), if agent.is_empty() { "" } else { &quoted }),
    ] {
        if !text.is_empty() {
            headers.insert(name, HeaderValue::from_str(text).map_err(|_| format!("`{text}` is no field value"))?);
        }
    }
    Ok(headers)
}

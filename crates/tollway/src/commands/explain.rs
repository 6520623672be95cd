//! `tollway check` and `tollway explain`: what a configuration means, before anyone is charged.

use std::process::ExitCode;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};
use tollway_core::rules::{Asker, Explanation, PassedOver, Readings, RuleSet, Ruling, Step};
use tollway_http::gate::{claims, requester};
use tollway_http::site::{self, Site};
use tollway_http::status::status;
use tollway_pages::console::Explained;
use tollway_protocol::{Dress, Refusal};
use tollway_signatures::{AgentPolicy, AgentUrl};

use super::{described, say, say_json, what};
use crate::cli::{CheckArgs, ExplainArgs};
use crate::config::Config;
use crate::keys;

/// Reads everything that a start would read, and writes nothing.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let key = keys::read(&config.path(&config.seller.key))?;
    if let Some(folder) = &config.origin.folder {
        let folder = config.path(folder);
        anyhow::ensure!(folder.is_dir(), "the origin's folder {} is not a folder", folder.display());
    }
    config.proxy()?;
    for rule in &config.rules {
        if let Some(terms) = &rule.terms {
            let path = config.path(terms);
            std::fs::metadata(&path).with_context(|| format!("rule `{}`: the terms {}", rule.id, path.display()))?;
        }
    }
    for call in &config.calls {
        if let Some(terms) = &call.terms {
            let path = config.path(terms);
            std::fs::metadata(&path).with_context(|| format!("{}: the terms {}", call.subject(), path.display()))?;
        }
    }
    let rules = rules(&config)?;
    let lines: Vec<Value> = rules.rules().iter().map(|rule| json!({"id": rule.id, "path": rule.pattern.as_str(), "methods": rule.methods.names(), "audience": rule.audience.as_str(), "what": described(rule)})).collect();
    if args.json {
        say_json(
            &json!({"sites": config.public_urls, "seller_key": key.public().thumbprint().to_string(), "rules": lines}),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("{} is understood", args.config.config.display()));
    for rule in rules.rules() {
        say(format_args!(
            "  {:<16} {:<28} {:<9} {}",
            rule.id,
            rule.pattern.as_str(),
            rule.audience.as_str(),
            described(rule)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Explains one request.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let headers = headers(&args.headers)?;
    let sites = config.sites()?;
    let uri: Uri = args.url.parse().with_context(|| format!("`{}` is no URL", args.url))?;
    let site = match uri.authority() {
        None => Ok(&sites[0]),
        Some(_) => site::pick(&sites, &uri, &HeaderMap::new()),
    };
    let policy = AgentPolicy { allow_loopback_http: config.agents.allow_loopback, ..AgentPolicy::default() };
    let rules = rules_of(&config);
    let asker = asker(&rules, policy, &headers, args.proved.as_deref())?;
    let told = site.and_then(|site| {
        let readings = Readings::of(uri.path())?;
        Ok((site, rules.explain(&readings, &args.method, &asker)))
    });
    let (site, told) = match told {
        Ok(told) => told,
        Err(refusal) => return refused(&refusal, args.json),
    };
    if args.json {
        say_json(&as_json(site, &told))?
    } else {
        print(site, &told)
    }
    Ok(ExitCode::SUCCESS)
}

/// What is claimed by the request's fields, and who is taken to have proved a signature.
pub(crate) fn asker(
    rules: &RuleSet,
    policy: AgentPolicy,
    headers: &HeaderMap,
    proved: Option<&str>,
) -> anyhow::Result<Asker> {
    let mut asker = Asker::from(requester(headers));
    asker.claimed = claims(headers, rules, policy);
    if let Some(text) = proved {
        let agent = AgentUrl::parse(text, policy)
            .map_err(|refusal| anyhow::anyhow!("`{text}` is no signature agent: {refusal}"))?;
        asker.proved = Some(rules.identity(&agent));
    }
    Ok(asker)
}

fn refused(refusal: &Refusal, json: bool) -> anyhow::Result<ExitCode> {
    let code = status(refusal.reason, Dress::X402).as_u16();
    if json {
        say_json(&json!({"answer": code, "reason": refusal.reason.code(), "detail": refusal.detail}))?;
    } else {
        say(format_args!("answer    {code} {}: {}", refusal.reason.code(), refusal.detail));
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules without their terms, which decide nothing.
fn rules(config: &Config) -> anyhow::Result<RuleSet> {
    if !config.calls.is_empty() {
        return Ok(config.price_list(vec![None; config.calls.len()])?.rules().clone());
    }
    config.rule_set(vec![None; config.rules.len()], &[])
}

/// The rules of a configuration that was read: they were checked then.
fn rules_of(config: &Config) -> RuleSet {
    rules(config).expect("a configuration that was read has sound rules")
}

fn headers(lines: &[String]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) =
            line.split_once(':').with_context(|| format!("`{line}` is no header such as \"Name: value\""))?;
        let name: HeaderName = name.trim().parse().with_context(|| format!("`{name}` is no header name"))?;
        headers.append(name, HeaderValue::from_str(value.trim()).context("a header's value is ASCII")?);
    }
    Ok(headers)
}

/// What an unpaid request would be answered.
fn answer(told: &Explanation) -> (u16, String) {
    let decision = match &told.decision {
        Ok(decision) => decision,
        Err(refusal) => {
            let words = format!("{}: {}", refusal.reason.code(), refusal.detail);
            return (status(refusal.reason, Dress::X402).as_u16(), words);
        }
    };
    match &decision.ruling {
        Ruling::Pass => (200, "passes on, no rule speaks of it".to_owned()),
        Ruling::Allow => (200, "passes on, free".to_owned()),
        Ruling::Block(rule) => (403, format!("rule `{}` blocks it", rule.id)),
        Ruling::Charge(rule) => (402, format!("rule `{}` asks {}", rule.id, what(&rule.action))),
        Ruling::Trial(rule) => {
            (200, format!("passes on, rule `{}` is on trial and would say: {}", rule.id, what(&rule.action)))
        }
    }
}

/// The price class that was chosen: the part of a rule's id after its colon.
fn class(told: &Explanation) -> Option<&str> {
    match &told.decision.as_ref().ok()?.ruling {
        Ruling::Charge(rule) | Ruling::Trial(rule) => Some(rule.id.split_once(':')?.1),
        _ => None,
    }
}

fn wants_proof(told: &Explanation) -> bool {
    told.decision.as_ref().is_ok_and(|decision| decision.wants_proof)
}

/// The explanation as the console shows it.
pub(crate) fn explained(told: &Explanation) -> Explained {
    let (status, why) = answer(told);
    let differs = |step: &Step| step.passed_over.map(differs);
    Explained {
        readings: told.readings.clone(),
        free: told.free.clone(),
        steps: told.steps.iter().map(|step| (step.rule.clone(), differs(step))).collect(),
        class: class(told).map(str::to_owned),
        status,
        why,
        proof_could_change_it: wants_proof(told),
    }
}

/// Why a rule does not decide, in words.
fn differs(why: PassedOver) -> String {
    match why {
        PassedOver::Exempt => "the path is exempt".to_owned(),
        PassedOver::Unproved => "that is claimed and not proved".to_owned(),
        why => format!("{} differs", why.as_str()),
    }
}

fn as_json(site: &Site, told: &Explanation) -> Value {
    let (code, words) = answer(told);
    let steps: Vec<Value> = told
        .steps
        .iter()
        .map(|step| json!({"rule": step.rule, "decides": step.passed_over.is_none(), "differs_in": step.passed_over.map(|why| why.as_str())}))
        .collect();
    json!({"site": site.origin(), "readings": told.readings, "free": told.free, "rules": steps, "class": class(told), "proof_could_change_it": wants_proof(told), "answer": code, "why": words})
}

fn print(site: &Site, told: &Explanation) {
    say(format_args!("site      {}", site.origin()));
    for (number, reading) in told.readings.iter().enumerate() {
        say(format_args!("{:<9} {reading}", if number == 0 { "path" } else { "or read" }));
    }
    if let Some(pattern) = &told.free {
        say(format_args!("free      by `{pattern}` of the free list; no rule is asked"));
    }
    for step in &told.steps {
        match step.passed_over {
            Some(why) => say(format_args!("rule      {:<16} no, {}", step.rule, differs(why))),
            None => say(format_args!("rule      {:<16} decides", step.rule)),
        }
    }
    if let Some(class) = class(told) {
        say(format_args!("class     {class}"));
    }
    let (code, words) = answer(told);
    say(format_args!("answer    {code} {words}"));
    if wants_proof(told) {
        say("proof     a valid signature of who is claimed could change this; see --proved");
    }
}

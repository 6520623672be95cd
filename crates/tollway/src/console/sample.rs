//! The sampled request log, weighed under the rules as they are and as they would be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use tollway_core::rules::{
    Action, Asker, Audience, Charge, Identity, Pattern, Readings, Requester, Rule, RuleSet, Ruling,
};
use tollway_http::gate::{claims, requester};
use tollway_pages::console::{Change, Simulated, Weighed};
use tollway_protocol::{Amount, Asset, Price, Scale};
use tollway_signatures::AgentPolicy;

use crate::request_log::LogOptions;

/// Most lines weighed, the newest.
const LINES_MAX: usize = 500_000;
/// Longest line read, in bytes.
const LINE_MAX: u64 = 16 << 10;

/// What a line of the log tells.
#[derive(Debug, Deserialize)]
struct Line {
    at: u64,
    method: String,
    path: String,
    class: String,
    user_agent: Option<String>,
    status: u16,
}

/// Weighs the log's newest lines under both sets of rules.
pub(super) fn simulate(
    log: &LogOptions,
    rules: &RuleSet,
    change: &Change,
    policy: AgentPolicy,
) -> anyhow::Result<Simulated> {
    let changed = changed(rules, change)?;
    let mut told = Simulated { per_million: log.per_million, ..Simulated::default() };
    let mut sums: BTreeMap<String, (Weighed, Weighed)> = BTreeMap::new();
    for file in files(log) {
        read(&file, &mut told, |line| {
            for (set, is_then) in [(rules, false), (&changed, true)] {
                let Some((rule, price)) = priced(set, line, policy) else { continue };
                let (now, then) = sums.entry(rule).or_default();
                add(if is_then { then } else { now }, price, is_paid(line));
            }
        })?;
    }
    if told.lines == 0 {
        bail!("no request has been written down yet");
    }
    told.rules = sums.into_iter().map(|(rule, (now, then))| (rule, now, then)).collect();
    Ok(told)
}

/// Oldest first, the file that is written to last.
fn files(log: &LogOptions) -> Vec<PathBuf> {
    let numbered = (1..=log.files).rev().map(|number| {
        let mut name = log.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    numbered.chain([log.path.clone()]).filter(|path| path.exists()).collect()
}

fn read(path: &PathBuf, told: &mut Simulated, mut take: impl FnMut(&Line)) -> anyhow::Result<()> {
    let mut file = BufReader::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?);
    let mut text = Vec::new();
    for _ in 0..LINES_MAX {
        text.clear();
        let length = (&mut file).take(LINE_MAX).read_until(b'\n', &mut text)?;
        if length == 0 {
            break;
        }
        match serde_json::from_slice::<Line>(&text) {
            Ok(line) => {
                told.from_to.0 = if told.lines == 0 { line.at } else { told.from_to.0.min(line.at) };
                told.from_to.1 = told.from_to.1.max(line.at);
                told.lines += 1;
                take(&line);
            }
            Err(_) => told.unread += 1,
        }
    }
    Ok(())
}

/// Which rule would ask what of this request.
fn priced(rules: &RuleSet, line: &Line, policy: AgentPolicy) -> Option<(String, u128)> {
    let mut headers = HeaderMap::new();
    if let Some(value) = line.user_agent.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::USER_AGENT, value);
    }
    let who = Requester { signed: line.class == "signed", ..requester(&headers) };
    let mut asker = Asker::from(who);
    asker.claimed = claims(&headers, rules, policy);
    // Who paid has proved a signature; whose, the log does not say.
    asker.proved = is_paid(line).then(Identity::default);
    let decision = rules.decide_for(&Readings::of(&line.path).ok()?, &line.method, &asker).ok()?;
    match decision.ruling {
        Ruling::Charge(rule) => Some((rule.id.clone(), rule.charge_terms()?.price.amount.get())),
        _ => None,
    }
}

fn is_paid(line: &Line) -> bool {
    line.class == "signed" && (200..300).contains(&line.status)
}

fn add(weighed: &mut Weighed, price: u128, paid: bool) {
    weighed.priced += 1;
    if paid {
        weighed.paid += 1;
        weighed.charged = weighed.charged.saturating_add(price);
    }
}

fn changed(rules: &RuleSet, change: &Change) -> anyhow::Result<RuleSet> {
    let mut all: Vec<Rule> = rules.rules().iter().map(|rule| Rule::clone(rule)).collect();
    match change {
        Change::Price { rule: id, price } => {
            let rule =
                all.iter_mut().find(|rule| rule.id == *id).with_context(|| format!("there is no rule `{id}`"))?;
            let Action::Charge(charge) = &mut rule.action else { bail!("rule `{id}` charges nothing") };
            charge.price.amount = *price;
            if *price == Amount::ZERO {
                rule.action = Action::Allow;
            }
        }
        Change::Rule { pattern, audience, price } => {
            let audience = match audience.as_str() {
                "everyone" => Audience::Everyone,
                "signed" => Audience::Signed,
                "bots" => Audience::Bots,
                other => bail!("`{other}` is no audience"),
            };
            all.insert(0, Rule { audience, ..another(pattern, *price)? });
        }
    }
    Ok(rules.with_rules(all))
}

/// A rule under a name that no configuration can have.
fn another(pattern: &str, amount: Amount) -> anyhow::Result<Rule> {
    let pattern = pattern.parse::<Pattern>()?;
    let price = Price { amount, asset: Asset::usd(), scale: Scale::MICRO };
    if amount == Amount::ZERO {
        return Ok(Rule::new(ANOTHER, pattern, Action::Allow));
    }
    Ok(Rule::new(ANOTHER, pattern, Action::Charge(Charge::at(price))))
}

const ANOTHER: &str = "(the rule tried)";

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> (tempfile::TempDir, LogOptions) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        std::fs::write(folder.path().join("requests.jsonl.1"), PAID).unwrap();
        (folder, LogOptions { path, per_million: 1_000_000, max_bytes: 1 << 20, files: 2 })
    }

    const PAID: &str = r#"{"at":50,"method":"GET","path":"/articles/a","class":"signed","status":200}"#;
    const ASKED: &str = r#"{"at":60,"method":"GET","path":"/articles/a","class":"open","status":402}"#;
    const FREE: &str =
        r#"{"at":70,"method":"GET","path":"/feed/x","class":"signed","user_agent":"GPTBot/1.2","status":200}"#;

    fn rules() -> RuleSet {
        let price = Price { amount: Amount::new(2_000), asset: Asset::usd(), scale: Scale::MICRO };
        let rule = Rule::new("articles", "/articles/*".parse().unwrap(), Action::Charge(Charge::at(price)));
        RuleSet::new(vec![], vec![rule])
    }

    fn weigh(lines: &[&str], change: &Change) -> anyhow::Result<Simulated> {
        let (_folder, log) = log(lines);
        simulate(&log, &rules(), change, AgentPolicy::default())
    }

    #[test]
    fn another_price_is_weighed_on_what_was_paid() {
        let change = Change::Price { rule: "articles".into(), price: Amount::new(5_000) };
        let told = weigh(&[PAID, ASKED, FREE, "not json"], &change).unwrap();
        assert_eq!((told.lines, told.unread, told.from_to), (4, 1, (50, 70)));
        let (now, then) =
            (Weighed { priced: 3, paid: 2, charged: 4_000 }, Weighed { priced: 3, paid: 2, charged: 10_000 });
        assert_eq!(told.rules, [("articles".to_owned(), now, then)]);
        let free = Change::Price { rule: "articles".into(), price: Amount::ZERO };
        assert_eq!(weigh(&[PAID], &free).unwrap().rules[0].2, Weighed::default());
        let unknown = Change::Price { rule: "other".into(), price: Amount::ZERO };
        assert!(weigh(&[PAID], &unknown).unwrap_err().to_string().contains("other"));
    }

    #[test]
    fn a_rule_more_stands_before_all_others() {
        let change = Change::Rule { pattern: "/feed/*".into(), audience: "bots".into(), price: Amount::new(100) };
        let told = weigh(&[FREE, ASKED], &change).unwrap();
        let tried = told.rules.iter().find(|row| row.0 == ANOTHER).unwrap();
        assert_eq!((tried.1, tried.2), (Weighed::default(), Weighed { priced: 1, paid: 1, charged: 100 }));
        assert!(
            weigh(&[PAID], &Change::Rule { pattern: "feed".into(), audience: "bots".into(), price: Amount::ZERO })
                .is_err()
        );
    }
}

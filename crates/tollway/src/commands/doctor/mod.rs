//! `tollway doctor`: looks at everything a gateway rests on, and says what to do about what is wrong.

mod local;
mod remote;

use std::process::ExitCode;

use serde::Serialize;

use super::{say, say_json};
use crate::cli::DoctorArgs;
use crate::config::Config;

/// Ends with this when a check failed.
const FAILED: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), advice: None }
    }

    fn warning(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, detail: detail.into(), advice: Some(advice.into()) }
    }

    fn failed(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Failed, detail: detail.into(), advice: Some(advice.into()) }
    }
}

pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let mut findings = vec![Finding::ok("configuration", format!("{} rules", config.rules.len()))];
    findings.extend(local::rules(&config));
    let key = local::key(&config, &mut findings);
    findings.extend(local::books(&config));
    findings.extend(local::file_clock(&config));
    findings.extend(local::certificate(&config));
    findings.extend(remote::origin(&config).await);
    findings.extend(remote::sites(&config, key.as_ref()).await);
    findings.extend(remote::agents(&config).await);
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
    if args.json {
        say_json(&findings)?;
    } else {
        findings.iter().for_each(print);
    }
    Ok(if worst == Verdict::Failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed => "failed",
    };
    let advice = finding.advice.as_ref().map_or_else(String::new, |advice| format!(" -> {advice}"));
    say(format_args!("{verdict:<8} {:<14} {}{advice}", finding.check, finding.detail));
}

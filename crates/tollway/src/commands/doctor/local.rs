//! What can be looked at on this machine: key, books, disk, clock, certificate.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tollway_http::certificate::{Inspected, Standing};
use tollway_http::site::Site;
use tollway_http::tls::Certificate;
use tollway_signatures::PrivateKey;

use super::Finding;
use crate::commands::now;
use crate::compose::open_books;
use crate::config::Config;
use crate::keys;

const MIB: u64 = 1 << 20;
/// Free space below which the books are in danger, and below which it is time to think of it.
const DISK_FAILED: u64 = 64 * MIB;
const DISK_WARNING: u64 = 1_024 * MIB;
/// Seconds by which clocks may differ: what signatures allow.
pub(super) const SKEW: u64 = 30;
/// Days before its end at which a certificate should have been renewed.
const RENEWAL_DAYS: u64 = 14;
const DAY: u64 = 86_400;

/// Each file of terms can be read.
pub(super) fn rules(config: &Config) -> Vec<Finding> {
    let missing = config.rules.iter().filter_map(|rule| {
        let path = config.path(rule.terms.as_ref()?);
        let error = std::fs::metadata(&path).err()?;
        Some(Finding::failed(
            "terms",
            format!("{}: {error}", path.display()),
            "write them, or take `terms` out of the rule",
        ))
    });
    let trial = config.dry_run.then(|| {
        Finding::warning("rules", "all are on trial: everything is served free", "take out `dry_run` to sell")
    });
    missing.chain(trial).collect()
}

pub(super) fn key(config: &Config, findings: &mut Vec<Finding>) -> Option<PrivateKey> {
    match keys::read(&config.path(&config.seller.key)) {
        Ok(key) => {
            findings.push(Finding::ok("seller key", format!("thumbprint {}", key.public().thumbprint())));
            Some(key)
        }
        Err(error) => {
            findings.push(Finding::failed("seller key", format!("{error:#}"), "a gateway does not start without it"));
            None
        }
    }
}

/// The books open as they would for a gateway, which reads back how its file is written; nothing is made.
pub(super) fn books(config: &Config) -> Vec<Finding> {
    let path = config.path(&config.books.path);
    let books = if path.exists() {
        match open_books(config) {
            Ok(_) => Finding::ok("books", format!("{}: open, WAL, synchronous FULL", path.display())),
            Err(error) => Finding::failed("books", format!("{error:#}"), "nothing is sold without them"),
        }
    } else {
        let advice = "they are made at the first start; if there were some, look where they went";
        Finding::warning("books", format!("{} is not there", path.display()), advice)
    };
    vec![books, disk(folder_of(&path))]
}

fn disk(folder: &Path) -> Finding {
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} MiB free at {}", free / MIB, folder.display());
            match free {
                DISK_WARNING.. => Finding::ok("disk", detail),
                DISK_FAILED.. => Finding::warning("disk", detail, "a sale takes about 2 KiB; make room in time"),
                _ => Finding::failed("disk", detail, "make room: on a full disk nothing is sold"),
            }
        }
        Err(error) => Finding::failed("disk", format!("{}: {error}", folder.display()), "make the folder"),
    }
}

/// A network file system has a clock of its own.
pub(super) fn file_clock(config: &Config) -> Vec<Finding> {
    let path = config.path(&config.books.path);
    let folder = folder_of(&path);
    let probe = folder.join(format!(".tollway-doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::metadata(&probe)?.modified());
    drop(std::fs::remove_file(&probe));
    match written {
        Ok(modified) => vec![skew("file clock", seconds(modified), "the file system's")],
        Err(error) => {
            vec![Finding::failed("file clock", format!("{}: {error}", folder.display()), "let the gateway write there")]
        }
    }
}

/// Our clock against another one.
pub(super) fn skew(check: &'static str, other: u64, whose: &str) -> Finding {
    let apart = now().abs_diff(other);
    let detail = format!("{apart} s from {whose} clock");
    if apart <= SKEW {
        Finding::ok(check, detail)
    } else {
        Finding::failed(check, detail, "set the clock by NTP: signatures allow 30 s")
    }
}

pub(super) fn certificate(config: &Config) -> Vec<Finding> {
    let Some(tls) = &config.tls else {
        return vec![Finding::ok("certificate", "none here: TLS is for what stands in front")];
    };
    let (chain, key) = (config.path(&tls.certificate), config.path(&tls.key));
    let seen = Certificate::read(&chain, &key).and_then(|_| Inspected::read(&chain));
    match seen {
        Ok(seen) => {
            let sites = config.sites().unwrap_or_default();
            std::iter::once(dates(&seen)).chain(sites.iter().map(|site| named(&seen, site))).collect()
        }
        Err(error) => vec![Finding::failed("certificate", error.to_string(), "a gateway does not start with it")],
    }
}

fn dates(seen: &Inspected) -> Finding {
    let today = now();
    if today < seen.not_before() {
        return Finding::failed("certificate", "does not hold yet", "look at the clock, or wait");
    }
    let Some(left) = seen.not_after().checked_sub(today) else {
        return Finding::failed("certificate", "has ended", "renew it and send SIGHUP");
    };
    let detail = format!("holds for {} days more", left / DAY);
    if left < RENEWAL_DAYS * DAY {
        return Finding::warning("certificate", detail, "renew it and send SIGHUP");
    }
    Finding::ok("certificate", detail)
}

fn named(seen: &Inspected, site: &Site) -> Finding {
    let host = host_of(site);
    if !seen.names(host) {
        return Finding::failed("certificate", format!("does not name {host}"), "get one for every public URL");
    }
    match seen.standing(host, now()) {
        Standing::Trusted => Finding::ok("certificate", format!("is trusted for {host}")),
        Standing::UnknownIssuer => Finding::warning(
            "certificate",
            format!("names {host}, and no public authority vouches for it"),
            "send the whole chain, or make your buyers trust your own authority",
        ),
        Standing::OtherName | Standing::Refused => {
            Finding::failed("certificate", format!("would be refused for {host}"), "get a new one")
        }
    }
}

/// The site's host without its port.
pub(super) fn host_of(site: &Site) -> &str {
    let authority = site.authority();
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    host.map_or(authority, |(host, _)| host).trim_start_matches('[').trim_end_matches(']')
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

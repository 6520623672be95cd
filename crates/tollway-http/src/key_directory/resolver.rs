//! From a stranger's host name to addresses that may be connected to. A name is resolved once per
//! fetch, every address is checked, and the connection uses the very addresses that were checked:
//! a resolver that answers otherwise a moment later changes nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tollway_signatures::is_public_address;

/// Most resolver threads at work. A thread outlives the fetch that gave up on it, so these are bounded by themselves.
const LOOKUPS_MAX: usize = 64;

/// Resolves host names.
#[async_trait]
pub trait NameLookup: Send + Sync {
    /// All addresses of `name`, in the order they should be tried.
    ///
    /// # Errors
    /// The name cannot be resolved at the moment, or does not exist.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
#[derive(Debug)]
pub struct SystemNames {
    lookups: Arc<Semaphore>,
}

impl Default for SystemNames {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

#[async_trait]
impl NameLookup for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if is_loopback_name(name) {
            // RFC 6761, section 6.3: no resolver is asked.
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let permit = Arc::clone(&self.lookups)
            .try_acquire_owned()
            .map_err(|_| io::Error::other("too many names are being resolved"))?;
        let name = name.to_owned();
        let lookup = move || {
            let _permit = permit;
            Ok((name.as_str(), 0).to_socket_addrs()?.map(|found| found.ip()).collect())
        };
        tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
    }
}

/// Whether this machine may be sent to `ip` because of a stranger's URL. `loopback` says that the URL names this very
/// machine and may.
pub(super) fn may_connect(ip: IpAddr, loopback: bool) -> bool {
    if loopback { ip.is_loopback() } else { is_public_address(ip) }
}

/// `localhost` and names below it.
pub(super) fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// The resolver the HTTP client uses: names in, checked addresses out.
pub(super) struct CheckedNames {
    pub(super) names: Arc<dyn NameLookup>,
    pub(super) allow_loopback: bool,
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.names);
        let loopback = self.allow_loopback && is_loopback_name(name.as_str());
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            if !found.iter().all(|&ip| may_connect(ip, loopback)) {
                return Err(ForbiddenAddress.into());
            }
            // Port 0 is replaced by that of the URL.
            let found: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(found)
        })
    }
}

/// A name led to an address that is never connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
pub(super) struct ForbiddenAddress;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Public on every even question, private on every odd one.
    #[derive(Default)]
    struct Rebinding(AtomicUsize);

    #[async_trait]
    impl NameLookup for Rebinding {
        async fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            let public = Ipv4Addr::new(93, 184, 215, 14);
            let private = [[169, 254, 169, 254], [127, 0, 0, 1], [10, 0, 0, 1], [192, 168, 1, 1]];
            let asked = self.0.fetch_add(1, Ordering::SeqCst);
            let first = if asked.is_multiple_of(2) { public } else { private[asked / 2 % 4].into() };
            Ok(vec![first.into()])
        }
    }

    #[tokio::test]
    async fn threat_40_what_is_handed_to_the_connector_was_checked_itself() {
        let names = Arc::new(Rebinding::default());
        let checked = CheckedNames { names: names.clone(), allow_loopback: true };
        let mut refused = 0;
        for _ in 0..10_000 {
            match checked.resolve("rebind.example".parse().unwrap()).await {
                Ok(found) => found.for_each(|to| assert!(is_public_address(to.ip()), "{to}")),
                Err(error) => {
                    assert!(error.is::<ForbiddenAddress>());
                    refused += 1;
                }
            }
        }
        assert_eq!((names.0.load(Ordering::SeqCst), refused), (10_000, 5_000));
    }

    #[tokio::test]
    async fn loopback_names_are_this_machine_whatever_resolvers_say() {
        let found = SystemNames::default().addresses("a.b.localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn loopback_hosts_reach_loopback_only_and_others_never_do() {
        for (text, loopback, allowed) in [
            ("127.0.0.1", true, true),
            ("::1", true, true),
            ("127.0.0.1", false, false),
            ("::ffff:127.0.0.1", false, false),
            ("93.184.215.14", false, true),
            ("93.184.215.14", true, false),
            ("10.0.0.1", true, false),
        ] {
            assert_eq!(may_connect(text.parse().unwrap(), loopback), allowed, "{text} {loopback}");
        }
    }
}

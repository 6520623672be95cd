//! Watches open connections: which ask for nothing, which take nothing, and how many come from one address. One tick
//! looks at all of them, so that a request sets no timer and reads no clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::ServerOptions;

/// Looks at a connection in each of its windows.
const LOOKS: u32 = 8;

/// All open connections of a server.
pub(super) struct Watch {
    options: ServerOptions,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    lanes: HashMap<u64, Watched>,
    by_address: HashMap<IpAddr, usize>,
    draining: bool,
}

struct Watched {
    lane: Arc<Lane>,
    idle: Quiet,
    stalled: Quiet,
}

/// For how many looks a count has not changed.
#[derive(Default)]
struct Quiet {
    count: Option<u32>,
    looks: u32,
}

/// One connection, as its requests and its socket tell.
#[derive(Default)]
pub(super) struct Lane {
    /// Requests under way.
    requests: AtomicU32,
    /// Changes whenever a request begins or ends, and when the client takes again what it had left waiting.
    moves: AtomicU32,
    /// The client does not take what it asked for.
    blocked: AtomicBool,
    /// Changes whenever it takes something.
    writes: AtomicU32,
    order: AtomicU32,
    waker: AtomicWaker,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing in particular.
    GoOn,
    /// Take no further requests.
    Finish,
    /// End.
    Close,
}

/// A place among the open connections, given back when it is dropped.
pub(super) struct Place {
    watch: Arc<Watch>,
    number: u64,
    address: IpAddr,
    pub(super) lane: Arc<Lane>,
}

/// A request under way, until its answer has been handed over.
pub(super) struct UnderWay(Arc<Lane>);

impl Watch {
    pub(super) fn new(options: ServerOptions) -> Arc<Self> {
        Arc::new(Self { options, open: Mutex::default() })
    }

    /// A place for a connection from this address, unless it has as many as it may.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = neighbourhood(address);
        let mut open = self.open.lock();
        let count = open.by_address.entry(address).or_default();
        if *count >= self.options.per_address_max && (self.options.cap_loopback || !address.is_loopback()) {
            return None;
        }
        *count += 1;
        open.next += 1;
        let (number, lane) = (open.next, Arc::new(Lane::default()));
        if open.draining {
            lane.tell(Order::Finish);
        }
        open.lanes
            .insert(number, Watched { lane: Arc::clone(&lane), idle: Quiet::default(), stalled: Quiet::default() });
        drop(open);
        Some(Place { watch: Arc::clone(self), number, address, lane })
    }

    /// Tells all connections to take no further requests.
    pub(super) fn drain(&self) {
        let mut open = self.open.lock();
        open.draining = true;
        for watched in open.lanes.values() {
            watched.lane.tell(Order::Finish);
        }
    }

    /// Looks at all connections again and again; never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let (idle, stalled) = (self.options.head_wait / LOOKS, self.options.write_wait / LOOKS);
        let mut idle = tokio::time::interval(idle.max(Duration::from_millis(1)));
        let mut stalled = tokio::time::interval(stalled.max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                _ = idle.tick() => self.look(Watched::is_idle),
                _ = stalled.tick() => self.look(Watched::is_stalled),
            }
        }
    }

    fn look(&self, ended: impl Fn(&mut Watched) -> bool) {
        for watched in self.open.lock().lanes.values_mut() {
            if ended(watched) {
                watched.lane.tell(Order::Close);
            }
        }
    }
}

impl Watched {
    /// No request is under way, none came for a whole window, and nothing is still being taken.
    fn is_idle(&mut self) -> bool {
        let busy = self.lane.requests.load(Ordering::Relaxed) > 0 || self.lane.blocked.load(Ordering::Relaxed);
        self.idle.lasts(self.lane.moves.load(Ordering::Relaxed), !busy)
    }

    /// The client has taken nothing for a whole window of what waits for it.
    fn is_stalled(&mut self) -> bool {
        let blocked = self.lane.blocked.load(Ordering::Relaxed);
        self.stalled.lasts(self.lane.writes.load(Ordering::Relaxed), blocked)
    }
}

impl Quiet {
    /// Whether it has been `so`, with the same count, for a whole window.
    fn lasts(&mut self, count: u32, so: bool) -> bool {
        let count = so.then_some(count);
        if count.is_none() || count != self.count {
            *self = Self { count, looks: 0 };
            return false;
        }
        self.looks += 1;
        self.looks >= LOOKS
    }
}

impl Lane {
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// What the socket answered to a write: whether it took something.
    pub(super) fn wrote(&self, taken: bool) {
        if !taken {
            self.blocked.store(true, Ordering::Relaxed);
        } else if self.blocked.swap(false, Ordering::Relaxed) {
            self.writes.fetch_add(1, Ordering::Relaxed);
            self.moves.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What to do now; `waker` is woken when that changes.
    pub(super) fn order(&self, waker: &Waker) -> Order {
        self.waker.register(waker);
        match self.order.load(Ordering::Acquire) {
            0 => Order::GoOn,
            1 => Order::Finish,
            _ => Order::Close,
        }
    }

    fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u32, Ordering::Release) < order as u32 {
            self.waker.wake();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
        self.0.moves.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.watch.open.lock();
        open.lanes.remove(&self.number);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// What one party has: an IPv4 address, or the first 64 bits of an IPv6 one.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ServerOptions {
        ServerOptions { per_address_max: 2, ..ServerOptions::default() }
    }

    #[test]
    fn threat_62_an_address_has_so_many_connections_and_gets_its_places_back() {
        let watch = Watch::new(options());
        let (one, neighbour, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
        let first = watch.admit(one.parse().unwrap()).unwrap();
        let _second = watch.admit(neighbour.parse().unwrap()).unwrap();
        assert!(watch.admit(one.parse().unwrap()).is_none(), "they are one party's");
        assert!(watch.admit(other.parse().unwrap()).is_some());
        drop(first);
        assert!(watch.admit(one.parse().unwrap()).is_some());
        let many: Vec<_> = (0..100).map(|_| watch.admit(IpAddr::from([127, 0, 0, 1])).unwrap()).collect();
        drop(many);
        assert_eq!(watch.open.lock().by_address.len(), 1, "nothing is kept of addresses without connections");
    }

    #[test]
    fn threat_62_only_whole_windows_without_a_move_end_a_connection() {
        let watch = Watch::new(options());
        let place = watch.admit(IpAddr::from([192, 0, 2, 1])).unwrap();
        let told = || place.lane.order(Waker::noop());
        let look = |times: u32| (0..times).for_each(|_| watch.look(Watched::is_idle));
        look(LOOKS - 1);
        drop(place.lane.begin());
        look(LOOKS);
        assert_eq!(told(), Order::GoOn, "a request begins the window anew");
        let under_way = place.lane.begin();
        look(3 * LOOKS);
        assert_eq!(told(), Order::GoOn, "a request under way is none of its business");
        place.lane.wrote(false);
        drop(under_way);
        look(3 * LOOKS);
        assert_eq!(told(), Order::GoOn, "an answer is still being taken");
        (0..LOOKS).for_each(|_| watch.look(Watched::is_stalled));
        place.lane.wrote(true);
        place.lane.wrote(false);
        (0..LOOKS).for_each(|_| watch.look(Watched::is_stalled));
        assert_eq!(told(), Order::GoOn, "whoever takes a little is not stalled");
        watch.look(Watched::is_stalled);
        assert_eq!(told(), Order::Close);
    }
}

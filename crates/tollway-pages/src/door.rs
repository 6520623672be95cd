//! The door to local pages: a session even on loopback, where any page in the same browser can send requests.
//!
//! The token in the opened URL becomes a cookie that scripts cannot read and other sites cannot send. `Host` must be
//! one of ours (DNS rebinding), and whatever names an origin must name ours (forged requests, also from another port
//! of this machine, to which a browser sends the cookie all the same).

mod entrance;
mod refusal;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

pub use entrance::Entrance;
pub use refusal::DoorRefusal;

/// Sessions kept at once; one more ends the oldest.
pub const SESSIONS_MAX: usize = 32;
/// The query field of the opened URL.
pub const TOKEN_FIELD: &str = "token";

/// Gives 32 random bytes at each call.
pub type Random = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// The operating system's randomness.
pub fn system_random() -> Random {
    Arc::new(|| {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("a system without randomness cannot keep a door");
        bytes
    })
}

/// A browser that came with the token. Among the extensions of every request that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    /// Names it; tells nothing of its cookie.
    pub id: [u8; 16],
}

/// What a request at the door is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It has a session.
    Enter(Session),
    /// It asks for style or script, which are the same for everyone.
    Asset,
    /// It brought the token: it gets this cookie, and is sent to this path without it.
    Admit {
        /// The `Set-Cookie` value.
        cookie: String,
        /// Where to go on.
        path: String,
    },
}

/// Keeps sessions, and turns others away.
pub struct Door {
    token: String,
    token_hash: [u8; 32],
    cookie: String,
    hosts: Vec<String>,
    sessions: Mutex<VecDeque<Kept>>,
    random: Random,
}

struct Kept {
    cookie_hash: [u8; 32],
    session: Session,
}

impl Door {
    /// A door for pages served at `listen`, which may be asked for under that address, as `localhost` where it is
    /// loopback, and under `hosts` (each `name` or `name:port`).
    pub fn new(listen: SocketAddr, hosts: &[String], random: Random) -> Self {
        let token = URL_SAFE_NO_PAD.encode(random());
        let mut known = vec![listen.to_string()];
        if listen.ip().is_loopback() {
            known.push(format!("localhost:{}", listen.port()));
        }
        known.extend(hosts.iter().map(|host| host.to_ascii_lowercase()));
        Self {
            token_hash: hash(token.as_bytes()),
            token,
            // Cookies know no ports: two programs on one machine keep theirs apart by name.
            cookie: format!("tollway-{}", listen.port()),
            hosts: known,
            sessions: Mutex::default(),
            random,
        }
    }

    /// The URL to open, with its token.
    pub fn url(&self) -> String {
        format!("http://{}/?{TOKEN_FIELD}={}", self.hosts[0], self.token)
    }

    /// Looks at a request's head.
    ///
    /// # Errors
    /// Why it is turned away.
    pub fn look(&self, head: &Parts) -> Result<Passage, DoorRefusal> {
        self.check_host(head)?;
        self.check_origin(head)?;
        let reads = head.method == Method::GET || head.method == Method::HEAD;
        let path = head.uri.path();
        if reads && path.starts_with(crate::assets::PREFIX) {
            return Ok(Passage::Asset);
        }
        if let Some(token) = token_in(head.uri.query().unwrap_or_default()).filter(|_| reads) {
            return self.admit(&token, path);
        }
        let session = cookies(&head.headers, &self.cookie).find_map(|value| self.session(value));
        session.map(Passage::Enter).ok_or(DoorRefusal::NoSession)
    }

    fn check_host(&self, head: &Parts) -> Result<(), DoorRefusal> {
        let mut named = head.headers.get_all(header::HOST).iter();
        let field = named.next().map(HeaderValue::to_str).transpose().map_err(|_| DoorRefusal::UnknownHost)?;
        if named.next().is_some() {
            return Err(DoorRefusal::UnknownHost);
        }
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        let mut names = authority.into_iter().chain(field).peekable();
        let is_named = names.peek().is_some();
        let known = |name: &str| self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        if is_named && names.all(known) { Ok(()) } else { Err(DoorRefusal::UnknownHost) }
    }

    /// A change must say where it comes from; a read need not (browsers leave `Origin` out of their own), but what it
    /// says must be ours. A link from elsewhere may lead here: it carries no cookie and shows nothing.
    fn check_origin(&self, head: &Parts) -> Result<(), DoorRefusal> {
        let reads = head.method == Method::GET || head.method == Method::HEAD;
        match head.headers.get(header::ORIGIN) {
            Some(origin) if !self.is_ours(origin) => return Err(DoorRefusal::ForeignOrigin),
            None if !reads => return Err(DoorRefusal::ForeignOrigin),
            _ => {}
        }
        let word = |name| head.headers.get(HeaderName::from_static(name)).map(HeaderValue::as_bytes);
        match word("sec-fetch-site") {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) if reads && word("sec-fetch-mode") == Some(b"navigate") => Ok(()),
            Some(_) => Err(DoorRefusal::ForeignOrigin),
        }
    }

    fn is_ours(&self, origin: &HeaderValue) -> bool {
        let Some(host) = origin.to_str().ok().and_then(|text| text.strip_prefix("http://")) else { return false };
        self.hosts.iter().any(|known| known == host)
    }

    fn admit(&self, token: &str, path: &str) -> Result<Passage, DoorRefusal> {
        if !is_same(&hash(token.as_bytes()), &self.token_hash) {
            return Err(DoorRefusal::WrongToken);
        }
        let value = URL_SAFE_NO_PAD.encode((self.random)());
        let mut id = [0; 16];
        id.copy_from_slice(&(self.random)()[..16]);
        let mut sessions = self.sessions.lock();
        while sessions.len() >= SESSIONS_MAX {
            sessions.pop_front();
        }
        sessions.push_back(Kept { cookie_hash: hash(value.as_bytes()), session: Session { id } });
        // `//host` in a Location would lead elsewhere.
        let path = if path.starts_with("//") { "/" } else { path };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict", self.cookie);
        Ok(Passage::Admit { cookie, path: path.to_owned() })
    }

    fn session(&self, cookie: &str) -> Option<Session> {
        let hash = hash(cookie.as_bytes());
        let mut found = None;
        for kept in self.sessions.lock().iter() {
            if is_same(&kept.cookie_hash, &hash) {
                found = Some(kept.session);
            }
        }
        found
    }
}

fn token_in(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == TOKEN_FIELD).map(|(_, value)| value.into())
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value).take(8)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Takes as long for any two values.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;

//! What a message shows to the signature base (RFC 9421, section 2), as a port that any HTTP library can implement,
//! and [`Message`], the plain implementation for stored evidence, tests and simple callers.

/// What a message shows to the signature base.
///
/// A request answers `method`, `scheme`, `authority` and `path_and_query`; a response answers `status`, and `request`
/// where the request it answers is at hand. Everything is given as it was sent: this crate does the normalising, so that
/// signer and verifier cannot disagree about it.
pub trait Components {
    /// The request's method, as sent.
    fn method(&self) -> Option<&str>;

    /// The request's URI scheme, such as `https`.
    fn scheme(&self) -> Option<&str>;

    /// The request's authority (`Host` or `:authority`), as sent. It is lower-cased here and loses its default port.
    fn authority(&self) -> Option<&str>;

    /// The raw origin-form target, such as `/a%20b?x=1`. An empty path counts as `/`.
    fn path_and_query(&self) -> Option<&str>;

    /// The response's status code; `None` on requests.
    fn status(&self) -> Option<u16>;

    /// All lines of the field called `name` (lower case), in the order received; `None` if there are none.
    fn field(&self, name: &str) -> Option<FieldLines<'_>>;

    /// On a response, the request it answers: the source of `;req` components.
    fn request(&self) -> Option<&dyn Components>;
}

/// The lines of one field. A single line, by far the usual case, costs no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldLines<'a> {
    /// The field was sent once.
    One(&'a [u8]),
    /// The field was sent several times; in the order received.
    Many(Vec<&'a [u8]>),
}

impl<'a> FieldLines<'a> {
    /// Collects the lines of a field; `None` if there is no line.
    pub fn collect(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut lines = lines.into_iter();
        let first = lines.next()?;
        Some(match lines.next() {
            None => Self::One(first),
            Some(second) => Self::Many([first, second].into_iter().chain(lines).collect()),
        })
    }

    /// The lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.as_slice().iter().copied()
    }

    /// The one line of a field sent once.
    #[must_use]
    pub fn single(&self) -> Option<&'a [u8]> {
        match self.as_slice() {
            [line] => Some(line),
            _ => None,
        }
    }

    fn as_slice(&self) -> &[&'a [u8]] {
        match self {
            Self::One(line) => std::slice::from_ref(line),
            Self::Many(lines) => lines,
        }
    }
}

/// A message held as plain values.
#[derive(Clone, Debug, Default)]
pub struct Message {
    method: Option<String>,
    scheme: Option<String>,
    authority: Option<String>,
    path_and_query: Option<String>,
    status: Option<u16>,
    fields: Vec<(String, Vec<u8>)>,
    request: Option<Box<Message>>,
}

impl Message {
    /// A request without fields, such as `Message::request("GET", "https", "example.com", "/page?x=1")`.
    #[must_use]
    pub fn request(method: &str, scheme: &str, authority: &str, path_and_query: &str) -> Self {
        Self {
            method: Some(method.into()),
            scheme: Some(scheme.into()),
            authority: Some(authority.into()),
            path_and_query: Some(path_and_query.into()),
            ..Self::default()
        }
    }

    /// A response without fields to `request`.
    #[must_use]
    pub fn response(status: u16, request: Self) -> Self {
        Self { status: Some(status), request: Some(Box::new(request)), ..Self::default() }
    }

    /// This message with one more field line at the end.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// This message without any line of the field `name`.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }
}

impl Components for Message {
    fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    fn path_and_query(&self) -> Option<&str> {
        self.path_and_query.as_deref()
    }

    fn status(&self) -> Option<u16> {
        self.status
    }

    fn field(&self, name: &str) -> Option<FieldLines<'_>> {
        let lines = self.fields.iter().filter(|(field, _)| field == name);
        FieldLines::collect(lines.map(|(_, value)| value.as_slice()))
    }

    fn request(&self) -> Option<&dyn Components> {
        self.request.as_deref().map(|request| request as &dyn Components)
    }
}

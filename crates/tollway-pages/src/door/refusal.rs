//! Why the door stays shut, and the plain page that says so.

use http::{Response, StatusCode};
use maud::html;
use tollway_http::body::Body;

use crate::frame::Page;
use crate::reply;

/// Why a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DoorRefusal {
    /// Its `Host` is none of ours: another name may have been pointed at this address.
    #[error("these pages are not served under this host name")]
    UnknownHost,
    /// It comes from a page of another origin, or is a change that does not say where it comes from.
    #[error("this request comes from another page")]
    ForeignOrigin,
    /// Its token is not the one that was printed.
    #[error("this address carries a token that is not valid here")]
    WrongToken,
    /// It has no session.
    #[error("this browser has no session here")]
    NoSession,
}

impl DoorRefusal {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::WrongToken | Self::NoSession => StatusCode::UNAUTHORIZED,
        }
    }

    /// A page for whoever is looking.
    pub fn page(self) -> Response<Body> {
        let body = html! {
            section.card.narrow {
                p { (self.to_string()) "." }
                p.quiet { "Open the address that the program printed when it started: it carries a token that lets this browser in. The token changes with every start." }
            }
        };
        let mut page = reply::html(Page::titled("This door is shut").render(&body));
        *page.status_mut() = self.status();
        page
    }
}

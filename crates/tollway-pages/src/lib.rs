//! What people look at: the door to local pages, their frame, style and live parts, and the console.
//!
//! Promise: nothing is shown or changed without a session, no page asks anything of another host, and a page reads
//! without scripts. Refusal: a request under a foreign `Host` or from a foreign `Origin` is turned away at the door,
//! before any page sees it.

pub mod assets;
pub mod buying;
pub mod console;
pub mod csv;
pub mod door;
pub mod form;
pub mod frame;
pub mod live;
pub mod money;
pub mod plot;
pub mod reply;
pub mod spending;
pub mod when;

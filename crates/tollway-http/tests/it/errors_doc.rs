//! `docs/errors.md` says what the code says.

use std::fmt::Write as _;
use std::path::Path;

use tollway_http::status::{crawler_error, retry_after, status};
use tollway_protocol::reason::{Actor, Retry};
use tollway_protocol::{Dress, Reason};

//! What happens, step by step, as it happens: a bounded memory of events, and the listeners that make them of real
//! requests, answers and settlements.

mod event;
mod facilitator;
mod timeline;
mod transport;
mod wire;

pub use event::{Event, Kind, Part, Scheme};
pub use facilitator::SeenFacilitator;
pub use timeline::{EVENTS_MAX, Listener, Millis, Timeline};
pub use transport::SeenTransport;
pub(crate) use wire::{curl, typed_data};

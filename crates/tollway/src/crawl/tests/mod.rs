//! Whole crawls of a site in memory, under a paused clock.

mod money;
mod order;
mod politeness;
mod site;

//! Tiering: which functions are optimised, when, and what happens on the way.
//!
//! | module | what |
//! |---|---|
//! | [`policy`] | every threshold, in one table |
//! | [`cost`] | what optimising a function costs, learnt while it is done |
//! | [`hot`] | the slow path of the counters: decides what to ask for |
//! | [`controller`] | background threads, and the life of a request |
//! | [`queue`] | what waits, in which order |
//! | [`module_tier`] | how far each function of a module is |
//! | [`event`] | what the host can see of all this, and of collections, exceptions and traps |
//! | [`events`] | where events wait for it |
//! | [`batch`] | what happens too often for events of its own |

pub(crate) mod batch;
pub(crate) mod controller;
pub(crate) mod cost;
pub(crate) mod event;
pub(crate) mod events;
mod hot;
mod module_tier;
pub(crate) mod policy;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use hot::hot;
pub(crate) use module_tier::{ModuleTiering, Plan};

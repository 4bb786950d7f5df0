//! Deliveries with manners, end to end: a whole gateway on a real directory, receivers that do what a
//! script says, and books that balance in the end (contract C5.5, C6, C7).
//!
//! Every metric has a name of its own, so each test ends with the same judgement ([`world::World::end`]):
//! whatever was answered 202 was delivered or is a dead letter, never both, and nothing else was.

mod full;
mod held;
mod killed;
mod outage;
mod poison;
mod replay;
mod several;
mod size;
mod world;

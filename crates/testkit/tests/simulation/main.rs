//! Plans and the engine on the simulated host: whatever goes wrong, and wherever the engine is killed, it ends in the
//! desired state or in the old one, and what was served is served throughout.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod every_effect;
mod in_place;
mod journal;
mod lease;
mod plans;
mod projects;
mod property;
mod strategies;
mod trial;
mod verdicts;

//! Plans and the engine on the simulated host: whatever goes wrong, and wherever the engine is killed, it ends in the
//! desired state or in the old one, and what was served is served throughout.

mod every_effect;
mod journal;
mod property;
mod trial;
mod verdicts;

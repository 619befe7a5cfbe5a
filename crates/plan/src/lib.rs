//! Pure planning: desired and observed in, an ordered plan with its forecast out.
//!
//! No I/O, no clock, no dice, no knowledge of any target: the same inputs give the same bytes of plan. What may not be
//! is refused here, before anything happens.

mod adoption;
mod batches;
mod deploy;
mod desired;
mod difference;
mod down;
mod draft;
mod drift;
mod forecast;
mod manner;
mod moves;
mod refusals;
mod rollback;
mod routes;

pub use deploy::deploy;
pub use desired::{Desired, DesiredService};
pub use down::{DownRequest, down};
pub use rollback::{RollbackRequest, rollback};

use landfall_model::{Plan, StepLine};

/// A line for each step of a plan, as people read it.
#[must_use]
pub fn titles(plan: &Plan) -> Vec<StepLine> {
    plan.titles()
}

//! Releases as processes of this host: a folder laid out from the store, dependencies prepared once, instances under
//! supervisors that outlive the agent.

mod boot;
mod commands;
mod copy;
pub(crate) mod environment;
mod exec;
pub(crate) mod health;
mod instances;
mod leftovers;
pub(crate) mod ports;
mod prepared;
mod read_back;
mod releases;
mod stop;
mod terminal;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use commands::Gate;
pub(crate) use exec::exec_session;
pub(crate) use stop::Ending;

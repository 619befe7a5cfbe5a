//! What happens in an engine, as it happens.

use std::collections::BTreeMap;

use hyper::Method;
use landfall_model::{Fault, Timestamp};
use serde::Deserialize;

use crate::engine::Engine;
use crate::raw::{self, Answer};
use crate::{fault, labels};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// When.
    pub at: Timestamp,
    /// To what kind of thing: `container`, `image`, `network`, `volume`.
    pub kind: String,
    /// What: `start`, `die`, `oom`, `health_status: unhealthy`, `tag`.
    pub action: String,
    /// The thing's id.
    pub id: String,
    /// Its name and labels, and what else the engine tells (`exitCode`).
    pub attributes: BTreeMap<String, String>,
}

/// Events as they come; dropping this ends it.
pub struct Events {
    answer: Answer,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Action", default)]
    action: String,
    #[serde(rename = "Actor", default)]
    actor: Actor,
    #[serde(rename = "timeNano", default)]
    nanos: u64,
}

#[derive(Deserialize, Default)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: BTreeMap<String, String>,
}

impl Engine {
    /// What happens to things that carry all of the `labels` (`KEY` or `KEY=VALUE`), from `since` on; from now on for
    /// `None`.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn events(&self, labels: &[String], since: Option<Timestamp>) -> Result<Events, Fault> {
        let filters = serde_json::to_string(&labels::filters(labels)).unwrap_or_default();
        let mut options = vec![("filters", filters)];
        options
            .extend(since.map(|at| ("since", format!("{}.{:03}", at.millis() / 1000, at.millis() % 1000))));
        let request = self.request(Method::GET, "/events", &options, raw::empty())?;
        Ok(Events { answer: self.dial.call("following the engine's events", request).await? })
    }
}

impl Events {
    /// The next event; `None` when the engine ends. Safe to cancel.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<EngineEvent>, Fault> {
        let broke = |why| fault::broke("following the engine's events", &why);
        while let Some(line) = self.answer.line().await.map_err(broke)? {
            if let Ok(told) = serde_json::from_slice::<Told>(&line) {
                return Ok(Some(EngineEvent {
                    at: Timestamp::from_millis(told.nanos / 1_000_000),
                    kind: told.kind,
                    action: told.action,
                    id: told.actor.id,
                    attributes: told.actor.attributes,
                }));
            }
        }
        Ok(None)
    }
}

//! Waiting for containers, what they use, what is in them.

use hyper::Method;
use landfall_model::Fault;
use serde::Deserialize;

use crate::download::Download;
use crate::engine::Engine;
use crate::{fault, raw};

/// What a container uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory in bytes, without what is only cached of files.
    pub memory: u64,
    /// Processor time since it was started, in nanoseconds.
    pub cpu_nanos: u64,
    /// Processes and threads.
    pub pids: u64,
}

#[derive(Deserialize)]
struct Waited {
    #[serde(rename = "StatusCode")]
    code: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stats {
    memory_stats: Memory,
    cpu_stats: Cpu,
    pids_stats: Pids,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Memory {
    usage: u64,
    stats: Cached,
}

/// Files that are cached and not in use: version 1 of control groups has the first, version 2 the second.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Cached {
    total_inactive_file: Option<u64>,
    inactive_file: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cpu {
    cpu_usage: CpuUsage,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CpuUsage {
    total_usage: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pids {
    current: u64,
}

impl Stats {
    fn usage(&self) -> Usage {
        let cached = &self.memory_stats.stats;
        let cached = cached.total_inactive_file.unwrap_or(cached.inactive_file);
        Usage {
            memory: self.memory_stats.usage.saturating_sub(cached),
            cpu_nanos: self.cpu_stats.cpu_usage.total_usage,
            pids: self.pids_stats.current,
        }
    }
}

impl Engine {
    /// Waits for a container to end, and gives its exit code; at once for one that does not run. No limit in time: drop
    /// it to wait no longer.
    ///
    /// # Errors
    /// When it is not there, or the engine cannot be asked.
    pub async fn wait(&self, container: &str) -> Result<i32, Fault> {
        let doing = format!("waiting for {container}");
        let request =
            self.request(Method::POST, &format!("/containers/{container}/wait"), &[], raw::empty())?;
        let answer = self.dial.call(&doing, request).await?;
        let waited: Waited = answer.value().await.map_err(|why| fault::broke(&doing, &why))?;
        Ok(i32::try_from(waited.code).unwrap_or(i32::MAX))
    }

    /// What a container uses now; zeros for one that does not run.
    ///
    /// # Errors
    /// When it is not there, or the engine cannot be asked.
    pub async fn usage(&self, container: &str) -> Result<Usage, Fault> {
        let doing = format!("asking what {container} uses");
        let options = [("stream", "0".to_owned()), ("one-shot", "1".to_owned())];
        let request =
            self.request(Method::GET, &format!("/containers/{container}/stats"), &options, raw::empty())?;
        let answer = self.dial.call(&doing, request).await?;
        let stats: Stats = answer.value().await.map_err(|why| fault::broke(&doing, &why))?;
        Ok(stats.usage())
    }

    /// What is at `path` in a container, which need not run: a tar archive whose entries begin with the path's last
    /// part.
    ///
    /// # Errors
    /// When container or path are not there.
    pub async fn copy_out(&self, container: &str, path: &str) -> Result<Download, Fault> {
        let doing = format!("copying {path} out of {container}");
        let options = [("path", path.to_owned())];
        let request =
            self.request(Method::GET, &format!("/containers/{container}/archive"), &options, raw::empty())?;
        Ok(Download::new(self.dial.call(&doing, request).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_cached_is_no_memory_in_use() {
        let of = |text: &str| serde_json::from_str::<Stats>(text).unwrap().usage().memory;
        assert_eq!(
            of(r#"{"memory_stats":{"usage":100,"stats":{"total_inactive_file":30,"inactive_file":5}}}"#),
            70
        );
        assert_eq!(of(r#"{"memory_stats":{"usage":100,"stats":{"inactive_file":5}}}"#), 95);
        assert_eq!(of("{}"), 0);
    }
}

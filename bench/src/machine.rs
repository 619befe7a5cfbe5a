//! What the figures were measured on.

use std::path::Path;

use landfall_fx::{Clock as _, SystemClock};

/// When, and on what: cores, memory, kernel, the size of the binary.
pub(crate) fn describe(binary: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": an unknown model");
    let memory = read("/proc/meminfo");
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gibibytes = kilobytes.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or_default() >> 20;
    let kernel = rustix::system::uname();
    let size = binary.metadata().map(|facts| facts.len() >> 20).unwrap_or_default();
    format!(
        "{}: {cores} cores ({}), {gibibytes} GiB of memory, Linux {}, everything on one machine, the load generator too. \
         The binary has {size} MiB.",
        SystemClock::new().now(),
        model.trim_start_matches([' ', '\t', ':']),
        kernel.release().to_string_lossy()
    )
}

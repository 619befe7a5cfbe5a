//! What a real instance prints: floods, long lines, rotation, a full disk.
use std::process::{Command as Process, Stdio};
use std::time::Instant;

use crate::instance::{Instance, eventually, in_state};
use landfall_model::{InstanceState, Millis, Stream};
use landfall_shim::log::Follower;

#[test]
fn lines_carry_their_stream_and_time_in_order() {
    let mut instance =
        Instance::new("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf 'th\\377ree\\r\\n'; sleep 60");
    let _handle = instance.start();
    eventually("three lines", || instance.lines().len() == 3);
    let entries = instance.entries();
    let found: Vec<_> = entries.iter().map(|entry| (entry.stream, entry.line.as_str())).collect();
    assert_eq!(found, [(Stream::Out, "one"), (Stream::Err, "two"), (Stream::Out, "th\u{fffd}ree")]);
    assert!(entries[0].at < entries[1].at && entries[1].at < entries[2].at);
}

#[test]
fn an_unfinished_line_is_written_after_a_while() {
    let mut instance = Instance::new("printf 'waiting for the database... '; sleep 60");
    let _handle = instance.start();
    instance.printed("waiting for the database... ");
}

#[test]
fn a_flood_passes_rotates_and_takes_no_memory() {
    let mut instance =
        Instance::new("yes \"$(printf '%01000d' 7)\" | head -c 100000000; echo; echo done; sleep 60");
    instance.order.limits.log_files = Some(2);
    instance.order.limits.log_size = Some(1024 * 1024);
    let mut handle = instance.start();
    let begun = Instant::now();
    instance.printed("done");
    let took = begun.elapsed();
    let sizes: Vec<u64> = std::fs::read_dir(instance.folder().join("log"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .collect();
    assert_eq!(sizes.len(), 3);
    assert!(sizes.iter().sum::<u64>() <= 3 * 1024 * 1024, "{sizes:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", handle.report().shim_pid)).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: u64 = peak.strip_suffix(" kB").unwrap().parse().unwrap();
    println!("100 MB in {took:?}, the shim's peak {peak} kB");
    assert!(peak < 16 * 1024, "{peak} kB");
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
}

#[test]
fn a_follower_sees_a_stop_to_the_last_word() {
    let mut instance = Instance::script("trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.02; done");
    let mut handle = instance.start();
    instance.printed("up");
    let mut follower = Follower::new(instance.folder(), 1).unwrap();
    let mut found = follower.poll().unwrap();
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    found.extend(follower.poll().unwrap());
    assert_eq!(found.iter().map(|entry| entry.line.as_str()).collect::<Vec<_>>(), ["up", "bye"]);
}

/// A small disk in memory, mounted for as long as it is kept.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-t", "tmpfs", "-o", "size=1m", "landfall-test"];
        let mounted = Process::new("mount").args(arguments).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_neither_stops_nor_blocks_and_what_was_lost_is_told() {
    let Some(disk) = Disk::mount() else {
        println!("SKIPPED: this user may not mount a small disk");
        return;
    };
    // Its log lives on the small disk; the rest of its folder does not matter here.
    let mut instance = Instance::new(
        "n=0; while [ ! -e stop ]; do n=$((n+1)); echo line $n; echo $n > count; done; echo left; sleep 60",
    );
    std::os::unix::fs::symlink(disk.0.path(), instance.folder().join("log")).unwrap();
    let fill = disk.0.path().join("fill");
    let _ = std::fs::write(&fill, vec![0; 2 * 1024 * 1024]);
    let mut handle = instance.start();
    let count = || -> u64 {
        let mut found = None;
        eventually("a count", || {
            // It is empty for a moment whenever it is written.
            let text = std::fs::read_to_string(instance.order.folder.join("count")).unwrap_or_default();
            found = text.strip_suffix('\n').and_then(|text| text.parse().ok());
            found.is_some()
        });
        found.unwrap()
    };
    eventually("many lines, though there is no space", || count() > 2_000);
    assert_eq!(handle.report().restarts, 0);
    std::fs::remove_file(&fill).unwrap();
    let seen = count();
    eventually("more lines", || count() > seen + 200);
    std::fs::write(instance.order.folder.join("stop"), "").unwrap();
    instance.printed("left");
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    let lines = instance.lines();
    let lost: Vec<u64> =
        lines.iter().filter_map(|line| line.strip_suffix(" lines lost: no space")?.parse().ok()).collect();
    assert!(!lost.is_empty() && lost[0] > 1_000, "{lost:?}");
    let all = count();
    let kept = lines.iter().filter(|line| line.starts_with("line ")).count() as u64;
    assert!(kept >= 200, "{kept} {lost:?}");
    assert_eq!(kept + lost.iter().sum::<u64>(), all, "{kept} and {lost:?}");
}

#[test]
fn a_folder_on_a_full_disk_still_gets_its_instance() {
    let Some(disk) = Disk::mount() else {
        println!("SKIPPED: this user may not mount a small disk");
        return;
    };
    let mut instance = Instance::new("echo up; sleep 60");
    instance.order.stop.grace = Millis(5_000);
    // The order is there; from then on nothing more can be written.
    instance.order.write(disk.0.path()).unwrap();
    crate::instance::link_program(disk.0.path());
    for name in ["shim.lock", "shim.log"] {
        std::fs::write(disk.0.path().join(name), "").unwrap();
    }
    let _ = std::fs::write(disk.0.path().join("fill"), vec![0; 2 * 1024 * 1024]);
    let mut shim = Process::new(crate::instance::program())
        .arg("shim")
        .arg(disk.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut handle = None;
    eventually("a shim", || {
        handle = landfall_shim::Handle::connect(disk.0.path()).ok();
        handle.is_some()
    });
    let mut handle = handle.unwrap();
    let pid = in_state(&mut handle, InstanceState::Booting).pid;
    shim.kill().unwrap();
    shim.wait().unwrap();
    let mut shim = Process::new(crate::instance::program())
        .arg("shim")
        .arg(disk.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("another shim", || {
        landfall_shim::Handle::connect(disk.0.path()).is_ok_and(|found| {
            handle = found;
            true
        })
    });
    assert_eq!(handle.report().pid, pid, "found again by its pipes");
    handle.stop().unwrap();
    in_state(&mut handle, InstanceState::Stopped);
    assert!(shim.wait().unwrap().success());
}

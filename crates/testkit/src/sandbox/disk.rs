//! A small disk of its own, to be filled or made read-only. Needs the right to mount.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system in memory, mounted on a folder; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one of this many megabytes on a new folder at `folder`. `None`, with a loud line, where mounting is not
    /// allowed.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn mount(folder: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder to mount on");
        let size = format!("size={megabytes}m,mode=0700");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], folder);
        if mounted.is_none() {
            eprintln!("SKIPPED: mounting a small disk needs root with CAP_SYS_ADMIN");
        }
        mounted.map(|()| Self { folder: folder.to_owned() })
    }

    /// Makes its mounts shared, as systemd does with all of a machine's.
    ///
    /// # Panics
    /// When the system will not.
    pub fn share(&self) {
        assert!(run("mount", &["--make-shared"], &self.folder).is_some(), "{}", self.folder.display());
    }

    /// Refuses writes from now on, or allows them again.
    ///
    /// # Panics
    /// When the system will not, a file open for writing for example.
    pub fn read_only(&self, yes: bool) {
        let options = if yes { "remount,ro" } else { "remount,rw" };
        assert!(
            run("mount", &["-o", options], &self.folder).is_some(),
            "{options} of {}",
            self.folder.display()
        );
    }

    /// Fills it up but for about `left` bytes.
    ///
    /// # Panics
    /// When it cannot be written at all.
    pub fn fill(&self, left: usize) {
        use std::io::Write as _;
        let mut filler = std::fs::File::create(self.folder.join("filler")).expect("a file on the disk");
        let piece = [0; 4096];
        while filler.write_all(&piece).is_ok() {}
        let length = filler.metadata().expect("an open file").len();
        filler.set_len(length.saturating_sub(left as u64)).expect("a shorter file");
    }

    /// Gives back what `fill` took.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn empty(&self) {
        std::fs::remove_file(self.folder.join("filler")).expect("the disk was filled");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it until he ends.
        run("umount", &["-l"], &self.folder);
    }
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<()> {
    let mut command = Command::new(program);
    command.args(arguments).arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok().filter(std::process::ExitStatus::success).map(|_| ())
}

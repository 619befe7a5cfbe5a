//! A command of the binary while it runs.

use std::io::Read;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Printed, Ran};
use crate::wait::{wait_for, wait_until};

/// How long output may stay open after the command's end: a process it left behind must not hold it.
const STAYS_OPEN: Duration = Duration::from_secs(2);

type Text = Arc<Mutex<Vec<u8>>>;

/// A command that runs. Killed when dropped before its end was waited for.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    arguments: Vec<String>,
    begun: Instant,
    streams: [Stream; 2],
    printed: Printed,
}

#[derive(Debug)]
struct Stream {
    text: Text,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let text = Text::default();
        let reader = source.map(|mut source| {
            let text = Arc::clone(&text);
            std::thread::spawn(move || {
                let mut piece = vec![0; 64 * 1024];
                while let Ok(got) = source.read(&mut piece)
                    && got > 0
                {
                    text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..got]);
                }
            })
        });
        Self { text, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_closed(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Running {
    #[track_caller]
    pub(super) fn start(mut command: Command, arguments: &[&str], printed: Printed) -> Self {
        let begun = Instant::now();
        let mut child = command.spawn().expect("the binary can be started");
        let streams = [Stream::of(child.stdout.take()), Stream::of(child.stderr.take())];
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { child: Some(child), arguments, begun, streams, printed }
    }

    /// What it printed until now, standard output and then standard error.
    #[must_use]
    pub fn so_far(&self) -> String {
        let [out, err] = self.streams.each_ref().map(Stream::so_far);
        format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err))
    }

    /// Waits until it has printed this.
    ///
    /// # Panics
    /// When it has not within `limit`.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str, limit: Duration) {
        let found = wait_for(limit, || self.so_far().contains(text).then_some(()));
        assert!(found.is_some(), "`{text}` was not printed within {limit:?}:\n{}", self.so_far());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(child) = &self.child {
            super::signal(child.id(), signal);
        }
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| child.try_wait().expect("a child can be asked").is_some())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit` (it is killed then), or leaves its output open to a process that goes on.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Ran {
        let ended = wait_for(limit, || self.has_ended().then_some(()));
        let took = self.begun.elapsed();
        let mut child = self.child.take().expect("only waiting takes the child");
        if ended.is_none() {
            let _ = child.kill();
        }
        let status = child.wait().expect("a child can be waited for");
        let what = format!("nobody holds the output of {:?} open", self.arguments);
        wait_until(&what, STAYS_OPEN, || self.streams.iter().all(Stream::is_closed));
        let [stdout, stderr] = self.streams.each_ref().map(Stream::so_far);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            arguments: self.arguments.clone(),
            code: status.code(),
            stdout: text(&stdout),
            stderr: text(&stderr),
            took,
        };
        assert!(ended.is_some(), "it did not end within {limit:?}: {ran}");
        ran
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let [stdout, stderr] = self.streams.each_ref().map(Stream::so_far);
        let name = self.arguments.join(" ");
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        printed.push((format!("standard output of `{name}`"), stdout));
        printed.push((format!("standard error of `{name}`"), stderr));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(command, &["sh", script], Printed::default())
    }

    #[test]
    fn output_and_exit_code_are_kept() {
        let running = shell("echo out; echo err >&2; sleep 0.1; exit 3");
        running.wait_for_text("err", Duration::from_secs(5));
        let ran = running.wait(Duration::from_secs(5)).code(3).says("out").says("err");
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn what_takes_too_long_is_killed() {
        shell("exec sleep 60").wait(Duration::from_millis(50));
    }

    #[test]
    #[should_panic(expected = "nobody holds the output")]
    fn output_left_open_is_noticed() {
        shell("sleep 4 & exit 0").wait(Duration::from_secs(5));
    }
}

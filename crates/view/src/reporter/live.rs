//! The live region at the bottom of a terminal: redrawn in one write, by itself ten times a second while something runs.
//!
//! Rows are erased by counting them, never by the terminal's width, so that a width that is not quite right costs
//! nothing worse than a cut title.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two frames.
const TICK: Duration = Duration::from_millis(100);

/// The least time between two draws that bring nothing that stays: a build that prints 100 MB is not drawn line by line.
const LEAST: Duration = Duration::from_millis(30);

/// Makes the rows of the region from the time since it began.
pub(super) type Frame = Box<dyn Fn(Duration) -> Vec<String> + Send>;

/// A writer with a region that lives.
pub(super) struct Live {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

struct Shared {
    region: Mutex<Region>,
    wake: Condvar,
}

struct Region {
    out: Box<dyn Write + Send>,
    frame: Option<(Instant, Frame)>,
    rows: usize,
    drawn: Option<Instant>,
    /// What could not be written between two calls.
    failure: Option<io::Error>,
    over: bool,
}

impl Live {
    /// Starts the thread that redraws; it ends with this value. Without a thread the region only moves with events.
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        let region = Region { out, frame: None, rows: 0, drawn: None, failure: None, over: false };
        let shared = Arc::new(Shared { region: Mutex::new(region), wake: Condvar::new() });
        let ticking = Arc::clone(&shared);
        let ticker = std::thread::Builder::new().name("live".to_owned()).spawn(move || ticking.tick());
        Self { shared, ticker: ticker.ok() }
    }

    /// Writes text that stays above the region, and changes what lives: `begin` starts its time anew.
    ///
    /// # Errors
    /// Any of the writer's, also one from between two calls.
    pub(super) fn update(&self, text: &str, frame: Option<Frame>, begin: bool) -> io::Result<()> {
        let mut region = self.shared.lock();
        let since = region.frame.as_ref().map(|(since, _)| *since).filter(|_| !begin);
        region.frame = frame.map(|frame| (since.unwrap_or_else(Instant::now), frame));
        let urgent = !text.is_empty() || begin || region.frame.is_none();
        let recent = region.drawn.is_some_and(|drawn| drawn.elapsed() < LEAST);
        let drawn = if urgent || !recent { region.draw(text) } else { Ok(()) };
        self.shared.wake.notify_one();
        region.failure.take().map_or(drawn, Err)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut region = self.shared.lock();
        region.over = true;
        region.frame = None;
        // Nobody is left to be told.
        let _ = region.draw("");
        drop(region);
        self.shared.wake.notify_one();
        if let Some(ticker) = self.ticker.take() {
            // A panic of its own has been told by then.
            let _ = ticker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Region> {
        self.region.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut region = self.lock();
        while !region.over {
            let idle = region.frame.is_none() || region.failure.is_some();
            region = if idle {
                self.wake.wait(region).unwrap_or_else(PoisonError::into_inner)
            } else {
                let (mut region, timeout) =
                    self.wake.wait_timeout(region, TICK).unwrap_or_else(PoisonError::into_inner);
                if timeout.timed_out() && !region.over {
                    region.failure = region.draw("").err();
                }
                region
            };
        }
    }
}

impl Region {
    fn draw(&mut self, text: &str) -> io::Result<()> {
        let mut bytes = String::new();
        if self.rows > 0 {
            bytes.push('\r');
            if self.rows > 1 {
                // Cursor up; then erase to the end of the screen (ECMA-48: CUU, ED).
                bytes.push_str(&format!("\u{1b}[{}A", self.rows - 1));
            }
            bytes.push_str("\u{1b}[J");
        }
        bytes.push_str(text);
        let rows = match &self.frame {
            Some((since, frame)) => frame(since.elapsed()),
            None => Vec::new(),
        };
        self.rows = rows.len();
        self.drawn = Some(Instant::now());
        bytes.push_str(&rows.join("\n"));
        if bytes.is_empty() {
            return Ok(());
        }
        self.out.write_all(bytes.as_bytes())?;
        self.out.flush()
    }
}

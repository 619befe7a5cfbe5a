//! Performs one step of a canary: looks four times a second until it is known how it ends.

use std::time::Duration;

use landfall_fx::host::{Note, Sample, Task};
use landfall_model::{Canary, Event, Fault, FaultKind, Judge, Millis, Release, ReleaseId};

use super::prometheus::Asking;
use super::watch::{Found, Watch};
use crate::context::{Context, Word};
use crate::faults;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Between two reports of what is seen.
const SHOW: Duration = Duration::from_secs(1);

/// After so long without a word from the proxy nobody can judge.
const SILENCE: Millis = Millis::seconds(30);

/// One step that is to be judged.
#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub(crate) context: &'a Context<'a>,
    /// The release that served.
    pub(crate) from: &'a Release,
    /// The release that is judged.
    pub(crate) to: &'a Release,
    /// Its share of the requests.
    pub(crate) percent: u32,
    /// The number of the step.
    pub(crate) index: usize,
}

/// Watches until the step is passed; the note says what was seen. A person's word ends it at once.
pub(crate) fn judge(bench: &Bench<'_>, task: &dyn Task) -> Result<Note, Fault> {
    let canary = bench.to.spec.canary.as_ref();
    let canary = canary.ok_or_else(|| Fault::internal(format!("{} has no canary to judge", bench.to.id)))?;
    let mut step = Step {
        watch: Watch::new(canary, canary.steps.first() == Some(&bench.percent)),
        asking: asking(canary, bench),
        heard: Duration::ZERO,
        show: Duration::ZERO,
    };
    let clock = bench.context.clock;
    let begun = clock.elapsed();
    loop {
        let control = bench.context.control;
        match control.word() {
            Some(Word::Promote) => {
                return Ok(Some(format!("promoted by hand; {}", step.watch.seen())));
            }
            Some(Word::Abort) => return Err(faults::aborted()),
            None if task.cancelled() => {
                return Err(Fault::application("judging was interrupted").kind(FaultKind::Interrupted));
            }
            None => {}
        }
        // Whoever has lost the lease judges no more.
        control.fence().map_err(faults::fenced)?;
        if let Some(note) = step.look(bench, clock.elapsed().saturating_sub(begun))? {
            return Ok(Some(note));
        }
        clock.sleep(LOOK);
    }
}

fn asking<'a>(canary: &'a Canary, bench: &Bench<'_>) -> Option<Asking<'a>> {
    match &canary.judge {
        Judge::Compare(_) => None,
        Judge::Prometheus(prometheus) => Some(Asking::new(prometheus, bench.from, bench.to)),
    }
}

struct Step<'a> {
    watch: Watch,
    /// `None` when the proxy's counts are compared.
    asking: Option<Asking<'a>>,
    /// When the proxy was heard of last.
    heard: Duration,
    /// When it is shown next what is seen.
    show: Duration,
}

impl Step<'_> {
    /// One look; the note when the step is passed.
    fn look(&mut self, bench: &Bench<'_>, at: Duration) -> Result<Note, Fault> {
        let host = bench.context.host;
        if let Some(why) = self.asking.as_mut().and_then(|asking| asking.ask(host, at)) {
            return Err(worse(bench, &why));
        }
        let samples = match host.samples(bench.to) {
            Ok(samples) => samples,
            Err(fault) if at.saturating_sub(self.heard) >= SILENCE.duration() => {
                return Err(nobody(
                    bench,
                    &format!("the proxy has said nothing for {SILENCE}: {}", fault.message),
                ));
            }
            Err(_) => return Ok(None),
        };
        self.heard = at;
        let of = |id: &ReleaseId| samples.get(id).cloned().unwrap_or_else(Sample::default);
        let found = self.watch.look(at, &of(&bench.from.id), &of(&bench.to.id));
        if found != Found::Nothing || at >= self.show {
            self.show = at + SHOW;
            let (old, new) = (bench.from.id.version(), bench.to.id.version());
            let watch = Box::new(self.watch.shown(at, bench.percent, old, new));
            bench.context.events.emit(Event::Watched { index: bench.index, watch });
        }
        match found {
            Found::Passed(seen) if self.asking.as_ref().is_none_or(Asking::is_well) => Ok(Some(seen)),
            Found::Passed(_) | Found::Nothing => Ok(None),
            Found::Worse(what) => Err(worse(bench, &what)),
            Found::Nobody(what) => Err(nobody(bench, &what)),
        }
    }
}

fn worse(bench: &Bench<'_>, what: &str) -> Fault {
    let Bench { from, to, percent, .. } = bench;
    Fault::application(format!(
        "{} does worse than {} at {percent} % of the requests: {what}",
        to.id.version(),
        from.id.version()
    ))
    .help(format!("`landfall logs` shows what `{}` printed; mend it and deploy again", to.service()))
}

fn nobody(bench: &Bench<'_>, what: &str) -> Fault {
    let Bench { to, percent, .. } = bench;
    Fault::application(format!(
        "{} could not be judged at {percent} % of the requests: {what}",
        to.id.version()
    ))
    .help("give it more requests or more time (`patience`, `requests`), or use `strategy = \"blue-green\"`")
}

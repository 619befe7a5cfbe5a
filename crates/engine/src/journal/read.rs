//! Reading a journal: what a transaction was to do, what is done of it, how it stands.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use landfall_fx::Files;
use landfall_model::{Fault, Plan, PlanKind, Step, Timestamp, TransactionId};

use super::record::{Proof, Record};
use super::{FORMAT, MAX_JOURNAL, SKIPPED};
use crate::Ended;
use crate::outlook::Outlook;

/// Lines that could not be read, from the first bad one to the end of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The first bad line, from 1.
    pub line: usize,
    /// How many bytes were left out.
    pub bytes: u64,
    /// What is wrong with that line.
    pub why: String,
    /// Whether it looks like the end of an interrupted write: one line without its end. Anything else is damage. Either
    /// way steps may have been done that the journal no longer tells of, and `undo` takes all of them back.
    pub torn: bool,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It was not begun.
    Waiting,
    /// Its intent is there, its outcome is not: it may or may not be done.
    Open,
    /// It is done.
    Done {
        /// How long it took.
        ms: u64,
        /// What it said.
        note: Option<String>,
    },
    /// It failed, and may be done in part.
    Failed {
        /// Why, one sentence.
        why: String,
    },
}

/// What a journal says.
#[derive(Debug, Clone)]
pub struct Journal {
    /// The transaction.
    pub transaction: TransactionId,
    /// What is done.
    pub plan: Plan,
    /// Who asked.
    pub holder: String,
    /// When it began.
    pub begun: Timestamp,
    /// Bytes that were sent ahead.
    pub bytes_shipped: u64,
    /// How far each step of the plan is.
    pub steps: Vec<Progress>,
    /// Whether a person wants no more steps of its canary.
    pub promoted: bool,
    /// Whether it is being taken back.
    pub undoing: bool,
    /// Why it is being taken back; `None` when a person asked.
    pub why: Option<Fault>,
    /// How it ended; `None` while it is open.
    pub ended: Option<Ended>,
    /// What could not be read. It is still in the file: `resume` and `undo` cut it off.
    pub cut: Option<Cut>,
    pub(crate) undo_open: Option<usize>,
    pub(crate) proofs: BTreeMap<usize, Proof>,
    /// Bytes of the good lines.
    pub(crate) length: u64,
    /// Whether anything was ever cut away, so that more may be done than the records say.
    pub(crate) damaged: bool,
}

/// Reads a journal and changes nothing. `None` when there is no file or not even its first record: nothing was done
/// then. May be called while the transaction runs; a line that is being written is then reported as torn.
///
/// # Errors
/// A file that cannot be read, is larger than [`MAX_JOURNAL`], or was written by a newer Landfall.
pub fn read(files: &dyn Files, path: &Path) -> Result<Option<Journal>, Fault> {
    let broken =
        |why: String| Fault::machine(format!("the journal {} cannot be read: {why}", path.display()));
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(error.to_string())),
    };
    if bytes.len() as u64 > MAX_JOURNAL {
        return Err(broken(format!("it is larger than {MAX_JOURNAL} bytes")));
    }
    parse(&bytes).map_err(|format| {
        Fault::refused(format!(
            "the journal {} has format {format}; this Landfall knows up to {FORMAT}",
            path.display()
        ))
        .help("use the newer Landfall that wrote it")
    })
}

/// The journal that `bytes` hold; the error is a format that is not known.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Journal>, u32> {
    let mut journal: Option<Journal> = None;
    let mut at = 0;
    let mut number = 0;
    while at < bytes.len() {
        number += 1;
        let rest = &bytes[at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        let record = match end {
            Some(_) => Record::decode(line),
            None => Err("it has no end".to_owned()),
        };
        let applied = record.and_then(|record| apply(&mut journal, record));
        match applied {
            Ok(Applied::Yes) => at += line.len() + 1,
            Ok(Applied::UnknownFormat(format)) => return Err(format),
            Err(why) => {
                let cut = Cut { line: number, bytes: rest.len() as u64, why, torn: end.is_none() };
                if let Some(journal) = &mut journal {
                    journal.damaged = true;
                    journal.cut = Some(cut);
                }
                break;
            }
        }
    }
    if let Some(journal) = &mut journal {
        journal.length = at as u64;
    }
    Ok(journal)
}

enum Applied {
    Yes,
    UnknownFormat(u32),
}

fn apply(journal: &mut Option<Journal>, record: Record) -> Result<Applied, String> {
    let Some(journal) = journal.as_mut() else {
        let Record::Begun(begun) = record else {
            return Err("it is not the begin of a transaction".to_owned());
        };
        if begun.format != FORMAT {
            return Ok(Applied::UnknownFormat(begun.format));
        }
        let steps = begun.plan.steps.len();
        *journal = Some(Journal {
            transaction: begun.transaction,
            plan: begun.plan,
            holder: begun.holder,
            begun: begun.begun,
            bytes_shipped: begun.bytes_shipped,
            steps: vec![Progress::Waiting; steps],
            promoted: false,
            undoing: false,
            why: None,
            ended: None,
            cut: None,
            undo_open: None,
            proofs: BTreeMap::new(),
            length: 0,
            damaged: false,
        });
        return Ok(Applied::Yes);
    };
    journal.add(record).map(|()| Applied::Yes)
}

impl Journal {
    fn add(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Begun(_) => return Err("the transaction begins twice".to_owned()),
            Record::Intent { step } => *self.step(step)? = Progress::Open,
            Record::Done { step, ms, note, proof } => {
                *self.step(step)? = Progress::Done { ms, note };
                if let Some(proof) = proof {
                    self.proofs.insert(step, *proof);
                }
            }
            Record::Failed { step, why, .. } => *self.step(step)? = Progress::Failed { why },
            Record::UndoBegun { why } => {
                self.undoing = true;
                self.why = why.map(|fault| *fault).or(self.why.take());
            }
            Record::UndoIntent { step } => {
                self.step(step)?;
                self.undo_open = Some(step);
            }
            Record::Undone { step, .. } | Record::UndoFailed { step, .. } => {
                self.step(step)?;
                self.undo_open = None;
            }
            Record::Promoted => self.promoted = true,
            Record::Resumed { .. } => {}
            Record::Cut { .. } => self.damaged = true,
            Record::Ended(ended) => self.ended = Some(*ended),
        }
        Ok(())
    }

    fn step(&mut self, step: usize) -> Result<&mut Progress, String> {
        self.steps.get_mut(step).ok_or_else(|| format!("the plan has no step {step}"))
    }

    /// How many steps are done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Progress::Done { .. })).count()
    }

    /// The step whose intent is there and whose outcome is not.
    #[must_use]
    pub fn open_step(&self) -> Option<usize> {
        self.steps.iter().position(|step| *step == Progress::Open)
    }

    /// Whether requests, or the instances of a `down`, were changed over already: going on is then the shorter way.
    #[must_use]
    pub fn switched(&self) -> bool {
        self.plan.steps.iter().zip(&self.steps).any(|(step, progress)| match (step, progress) {
            (_, Progress::Waiting) => false,
            (Step::Remove { .. }, _) => true,
            (Step::Switch { .. } | Step::Unroute { .. }, Progress::Done { .. }) => true,
            _ => self.plan.kind == PlanKind::Down,
        })
    }

    /// What was found of new releases in the steps of a canary, by step.
    pub(crate) fn judged(&self) -> BTreeMap<usize, String> {
        let steps = self.plan.steps.iter().zip(&self.steps).enumerate();
        steps
            .filter(|(_, (step, _))| matches!(step, Step::Judge { .. }))
            .filter_map(|(index, (_, progress))| match progress {
                Progress::Done { note, .. } if note.as_deref() != Some(SKIPPED) => {
                    Some((index, note.clone()?))
                }
                Progress::Failed { why } => Some((index, why.clone())),
                Progress::Done { .. } | Progress::Waiting | Progress::Open => None,
            })
            .collect()
    }

    /// Whether a new release has a share of the requests that somebody has to judge: a canary in the middle.
    #[must_use]
    pub fn is_judging(&self) -> bool {
        let open = self.plan.services.iter().any(|line| {
            let mut last = None;
            for (step, progress) in self.plan.steps.iter().zip(&self.steps) {
                if *step.service() == line.service && *progress != Progress::Waiting {
                    last = Some(step);
                }
            }
            matches!(last, Some(Step::Shift { .. } | Step::Judge { .. }))
        });
        self.ended.is_none() && !self.undoing && open
    }

    /// Whether steps of a canary are left that a person may skip.
    #[must_use]
    pub fn is_promotable(&self) -> bool {
        let left = |(step, progress): (&Step, &Progress)| {
            matches!(step, Step::Judge { .. }) && matches!(progress, Progress::Waiting | Progress::Open)
        };
        self.ended.is_none() && !self.undoing && self.plan.steps.iter().zip(&self.steps).any(left)
    }

    /// Whether all that is new was read back: whatever follows, nothing is taken back by itself.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        let commit = Outlook::new(&self.plan).commit;
        self.steps.iter().take(commit).all(|step| matches!(step, Progress::Done { .. }))
    }

    /// What it was doing, as people read it: "web: health, waits until /healthz answers 200".
    #[must_use]
    pub fn doing(&self) -> String {
        if let Some(ended) = &self.ended {
            return match ended.outcome {
                landfall_model::Outcome::RolledBack => "it was taken back".to_owned(),
                _ => "it has ended".to_owned(),
            };
        }
        let lines = self.plan.titles();
        let named = |step: usize| {
            lines.get(step).map_or_else(String::new, |l| format!("{}: {}, {}", l.service, l.verb, l.title))
        };
        if self.undoing {
            return match self.undo_open {
                Some(step) => format!("taking back {}", named(step)),
                None => "taking back what was done".to_owned(),
            };
        }
        let current = self.open_step().or_else(|| {
            self.steps.iter().position(|step| matches!(step, Progress::Failed { .. } | Progress::Waiting))
        });
        current.map_or_else(|| "writing down that all is done".to_owned(), named)
    }
}

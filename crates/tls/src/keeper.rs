//! Keeps certificates good: looks at given files, orders and renews, one thread for all. What is done when is decided in
//! `renewal`, what an order is in `acme`; here both meet the clock.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use landfall_model::{Acme, Certificate, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::acme::{self, Context, Failure, Kept, Progress};
use crate::approve::Approver;
use crate::folder::{self, Stamp};
use crate::given;
use crate::internal::span;
use crate::limits::{
    APPROVAL, LOOK, MAX_DEMANDED, MAX_DEMANDS, MAX_ORDERS, MAX_REFUSED, ORDER, Pace, REFUSED_FOR,
};
use crate::pair::Pair;
use crate::renewal::{Failures, due};
use crate::slot::Slot;

/// A handshake that needs a certificate which is not there.
pub(crate) struct Demand {
    /// The `*` that it came to.
    pub(crate) any: Arc<Slot>,
    pub(crate) host: String,
    /// Told when it is there (`true`) or will not be.
    pub(crate) reply: oneshot::Sender<bool>,
}

/// A host with an ACME server: the server's directory and the host.
type Name = (String, String);

/// What became of a job.
enum Outcome {
    Ordered(Box<Pair>),
    Failed(Failure),
    /// The application does not want a certificate for the host.
    Denied,
    /// The application does not answer, and why.
    Unanswered(String),
    /// When the server wants it to be renewed, asked beside all orders.
    Window(Result<crate::renewal::Window, Failure>),
}

/// A job that is over.
struct Done {
    slot: Arc<Slot>,
    /// The `*` that the host belongs to, when it is only known from a handshake.
    any: Option<Arc<Slot>>,
    progress: Progress,
    outcome: Outcome,
}

/// The keeper's own state.
pub(crate) struct Keeper {
    context: Context,
    pace: Pace,
    approver: Arc<dyn Approver>,
    slots: Vec<Arc<Slot>>,
    stamps: HashMap<(String, String), [Option<Stamp>; 2]>,
    looked: Option<Instant>,
    jobs: JoinSet<Done>,
    /// Of the hosts that routes name, and those that got a certificate on demand. Any other that a handshake names is
    /// remembered in `refused`, and on the disk once an order was made for it.
    progress: HashMap<Name, Progress>,
    /// Not before this is the server asked again for when to renew.
    asked: HashMap<Name, Timestamp>,
    /// Jobs under way, with the handshakes that wait for each.
    busy: HashMap<Name, Vec<oneshot::Sender<bool>>>,
    refused: HashMap<String, Instant>,
    /// Routes whose application does not answer, which was said once.
    silent: HashSet<String>,
    /// Whose each job is.
    names: HashMap<Id, Name>,
    /// Held by the one process that orders.
    lock: Option<File>,
}

impl Keeper {
    pub(crate) fn new(context: Context, pace: Pace, approver: Arc<dyn Approver>) -> Self {
        Self {
            context,
            pace,
            approver,
            slots: Vec::new(),
            stamps: HashMap::new(),
            looked: None,
            jobs: JoinSet::new(),
            progress: HashMap::new(),
            asked: HashMap::new(),
            busy: HashMap::new(),
            refused: HashMap::new(),
            silent: HashSet::new(),
            names: HashMap::new(),
            lock: None,
        }
    }

    /// Works until nobody has the other end of `wanted`; jobs under way are then given up, and gone on with by whoever
    /// comes next. Must run where tasks can be spawned locally.
    pub(crate) async fn keep(
        mut self,
        mut wanted: mpsc::UnboundedReceiver<Vec<Arc<Slot>>>,
        mut demands: mpsc::Receiver<Demand>,
    ) {
        loop {
            let wait = self.look();
            tokio::select! {
                slots = wanted.recv() => match slots {
                    Some(slots) => self.want(slots),
                    None => return,
                },
                Some(demand) = demands.recv() => self.demand(demand),
                Some(done) = self.jobs.join_next() => match done {
                    Ok(done) => self.finish(done),
                    Err(error) => self.broke_off(error.id()),
                },
                () = sleep(wait) => {}
            }
        }
    }

    fn want(&mut self, slots: Vec<Arc<Slot>>) {
        self.slots = slots;
        self.looked = None;
        let used = |name: &Name, slots: &[Arc<Slot>]| {
            let is = |slot: &Slot| name_of(slot).as_ref() == Some(name);
            slots.iter().any(|slot| is(slot) || slot.demanded_host(&name.1).is_some_and(|host| is(&host)))
        };
        self.progress.retain(|name, _| used(name, &self.slots));
        self.asked.retain(|name, _| used(name, &self.slots));
    }

    /// Does what is due; gives how long nothing will be.
    fn look(&mut self) -> Duration {
        let files = self.look_at_files();
        let orders = self.look_at_orders();
        files.min(orders)
    }

    fn look_at_files(&mut self) -> Duration {
        let given: Vec<Arc<Slot>> = self
            .slots
            .iter()
            .filter(|slot| matches!(slot.certificate, Certificate::Files { .. }))
            .cloned()
            .collect();
        if given.is_empty() {
            return LOOK;
        }
        if let Some(since) = self.looked.map(|looked| looked.elapsed())
            && since < self.pace.files
        {
            return self.pace.files - since;
        }
        self.looked = Some(Instant::now());
        for slot in given {
            if let Certificate::Files { certificate, key } = &slot.certificate {
                let stamps = given::stamps(certificate, key);
                let known = self.stamps.insert((certificate.clone(), slot.host.clone()), stamps);
                // What was good may be so no more, and the other way round, with the time alone.
                let ripe = slot.problem().is_some() || expired(&slot, self.context.clock.now());
                if known != Some(stamps) || ripe {
                    read_given(&slot, self.context.clock.now());
                }
            }
        }
        self.pace.files
    }

    fn look_at_orders(&mut self) -> Duration {
        let of = |slot: &Arc<Slot>| {
            let hosts = slot.demanded_hosts().into_iter().map(|host| (host, Some(Arc::clone(slot))));
            std::iter::once((Arc::clone(slot), None)).chain(hosts).collect::<Vec<_>>()
        };
        let ordered: Vec<_> =
            self.slots.iter().flat_map(of).filter(|(slot, _)| slot.ordered_from().is_some()).collect();
        let on_demand = self.slots.iter().any(|slot| slot.on_demand().is_some());
        if (ordered.is_empty() && !on_demand) || !self.alone() {
            return if ordered.is_empty() { LOOK } else { self.pace.files };
        }
        ordered.into_iter().map(|(slot, any)| self.look_at(&slot, any)).min().unwrap_or(LOOK).min(LOOK)
    }

    /// Whether this is the only process that orders; what another one got is read from the disk.
    fn alone(&mut self) -> bool {
        if self.lock.is_none() {
            self.lock = folder::try_lock(&self.context.folder.lock()).ok().flatten();
            if self.lock.is_some() {
                self.slots.iter().for_each(|slot| load(&self.context, slot));
            }
        }
        self.lock.is_some()
    }

    /// Orders the certificate of one host if that is due; gives how long it is not.
    fn look_at(&mut self, slot: &Arc<Slot>, any: Option<Arc<Slot>>) -> Duration {
        let (Some(name), Some(acme)) = (name_of(slot), slot.ordered_from().cloned()) else {
            return LOOK;
        };
        if self.busy.contains_key(&name) {
            return LOOK;
        }
        let now = self.context.clock.now();
        let pair = slot.pair.load_full();
        let progress = self.progress_of(&name).clone();
        let draw = draw(&slot.host);
        let due = due(now, pair.as_deref().map(span), progress.window, progress.failures.as_ref(), draw);
        slot.tell(progress.failures.as_ref().map(|failures| failures.problem.clone()), Some(due));
        if due <= now {
            if self.jobs.len() < MAX_ORDERS {
                self.start(Arc::clone(slot), any, acme, progress, None);
            }
            return LOOK;
        }
        let asked = progress.window.map(|window| window.ask).or(self.asked.get(&name).copied());
        if let Some(pair) = pair
            && asked.is_none_or(|asked| asked <= now)
            && self.jobs.len() < MAX_ORDERS
        {
            self.ask_window(Arc::clone(slot), any, acme, progress, pair);
        }
        due.since(now)
    }

    fn progress_of(&mut self, name: &Name) -> &mut Progress {
        let folder = &self.context.folder;
        self.progress.entry(name.clone()).or_insert_with(|| Progress::load(folder, &name.0, &name.1))
    }

    /// Orders a certificate, once the application allows it where it is to be asked.
    fn start(
        &mut self,
        slot: Arc<Slot>,
        any: Option<Arc<Slot>>,
        acme: Acme,
        mut progress: Progress,
        reply: Option<oneshot::Sender<bool>>,
    ) {
        let context = self.context.clone();
        let approver = Arc::clone(&self.approver);
        let name = (acme.directory.clone(), slot.host.clone());
        self.busy.insert(name.clone(), reply.into_iter().collect());
        let job = self.jobs.spawn_local(async move {
            let outcome = match approve(&*approver, &slot).await {
                Ok(true) => {
                    let old = slot.pair.load_full();
                    let order = acme::order(&context, &acme, &slot.host, &mut progress, old.as_deref());
                    match timeout(ORDER, order).await {
                        Ok(Ok(Kept(pair))) => Outcome::Ordered(Box::new(pair)),
                        Ok(Err(failure)) => Outcome::Failed(failure),
                        Err(_) => Outcome::Failed(Failure::new("the ACME server did not finish in time")),
                    }
                }
                Ok(false) => Outcome::Denied,
                Err(why) => Outcome::Unanswered(why),
            };
            Done { slot, any, progress, outcome }
        });
        self.names.insert(job.id(), name);
    }

    fn ask_window(
        &mut self,
        slot: Arc<Slot>,
        any: Option<Arc<Slot>>,
        acme: Acme,
        progress: Progress,
        pair: Arc<Pair>,
    ) {
        let (context, usual) = (self.context.clone(), self.pace.window);
        let name = (acme.directory.clone(), slot.host.clone());
        self.busy.insert(name.clone(), Vec::new());
        let job = self.jobs.spawn_local(async move {
            let asked = timeout(ORDER, acme::window(&context, &acme, &pair, usual)).await;
            let asked = asked.unwrap_or_else(|_| Err(Failure::new("the ACME server did not answer in time")));
            Done { slot, any, progress, outcome: Outcome::Window(asked) }
        });
        self.names.insert(job.id(), name);
    }

    fn demand(&mut self, demand: Demand) {
        let Demand { any, host, reply } = demand;
        let Some((acme, _)) = any.on_demand() else {
            return;
        };
        let acme = acme.clone();
        let name = (acme.directory.clone(), host.clone());
        if any.demanded_host(&host).is_some() {
            // Nobody may be there to hear it; all replies are like this.
            let _ = reply.send(true);
            return;
        }
        let waiting: usize = self.busy.values().map(Vec::len).sum();
        if let Some(others) = self.busy.get_mut(&name) {
            if waiting < MAX_DEMANDS {
                others.push(reply);
            }
            return;
        }
        self.refused.retain(|_, until| *until > Instant::now());
        let full = self.jobs.len() >= 4 * MAX_ORDERS || any.demanded_hosts().len() >= MAX_DEMANDED;
        if full || self.refused.contains_key(&host) || !self.alone() {
            let _ = reply.send(false);
            return;
        }
        let slot = Arc::new(any.for_demanded(&host));
        load(&self.context, &slot);
        let now = self.context.clock.now();
        if !expired(&slot, now) && slot.pair.load().is_some() {
            any.add_demanded(slot);
            let _ = reply.send(true);
            return;
        }
        let progress = Progress::load(&self.context.folder, &name.0, &name.1);
        if progress.failures.as_ref().is_some_and(|failures| failures.next > now) {
            let _ = reply.send(false);
            return;
        }
        self.start(slot, Some(any), acme, progress, Some(reply));
    }

    fn finish(&mut self, done: Done) {
        let Done { slot, any, mut progress, outcome } = done;
        let Some(name) = name_of(&slot) else {
            return;
        };
        self.names.retain(|_, other| *other != name);
        let replies = self.busy.remove(&name).unwrap_or_default();
        let now = self.context.clock.now();
        let ordered = matches!(outcome, Outcome::Ordered(_));
        if let Some(any) = &any
            && !matches!(outcome, Outcome::Unanswered(_) | Outcome::Window(_))
            && self.silent.remove(&slot.route)
        {
            any.tell(None, None);
        }
        match outcome {
            Outcome::Ordered(pair) => {
                let pair = Arc::from(pair);
                // The route may have been put anew meanwhile, or stand on another listener with its own settings.
                let same = self.slots.iter().filter(|other| name_of(other).as_ref() == Some(&name));
                same.chain([&slot]).for_each(|slot| slot.pair.store(Some(Arc::clone(&pair))));
                progress = Progress::default();
                self.asked.remove(&name);
                if let Some(any) = any {
                    any.add_demanded(Arc::clone(&slot));
                }
            }
            Outcome::Failed(failure) => {
                progress.failures = Some(self.failed(&slot, any.as_deref(), &progress, failure));
            }
            Outcome::Unanswered(why) if slot.pair.load().is_none() => {
                // Anybody may name any host: it leaves no trace, and is said once.
                self.refuse(&slot.host, self.pace.first_retry);
                if let Some(any) = any {
                    if self.silent.insert(slot.route.clone()) {
                        eprintln!("proxy: no certificate for {}: {why}", slot.host);
                    }
                    any.tell(Some(format!("{}: {why}", slot.host)), Some(now.plus(self.pace.first_retry)));
                }
            }
            Outcome::Unanswered(why) => {
                progress.failures = Some(self.failed(&slot, None, &progress, Failure::new(why)));
            }
            Outcome::Denied => {
                self.refuse(&slot.host, REFUSED_FOR);
                if let Some(any) = any {
                    any.remove_demanded(&slot.host);
                }
                slot.pair.store(None);
                // That it stays there does no harm: it is asked about again before it is served.
                let _ = self.context.files.remove(&self.context.folder.acme_certificate(&name.0, &name.1));
                progress = Progress::default();
            }
            Outcome::Window(Ok(window)) => progress.window = Some(window),
            // Many servers do not say.
            Outcome::Window(Err(_)) => {
                self.asked.insert(name.clone(), now.plus(self.pace.window));
            }
        }
        if let Err(error) = progress.save(&*self.context.files, &self.context.folder, &name.0, &name.1) {
            eprintln!("proxy: what is under way for {} cannot be written down: {error}", name.1);
        }
        if !slot.demanded || slot.pair.load().is_some() {
            self.progress.insert(name, progress);
        } else {
            self.progress.remove(&name);
        }
        for reply in replies {
            let _ = reply.send(ordered);
        }
    }

    /// One more failure of a host's; where it has no certificate yet and is only known from a handshake, the `*` tells of it.
    fn failed(&mut self, slot: &Slot, any: Option<&Slot>, progress: &Progress, failure: Failure) -> Failures {
        eprintln!("proxy: no certificate for {}: {}", slot.host, failure.why);
        let now = self.context.clock.now();
        let when = (now, failure.after);
        let failures =
            Failures::again(progress.failures.as_ref(), failure.why, when, &self.pace, draw(&slot.host));
        if let Some(any) = any.filter(|_| slot.pair.load().is_none()) {
            self.refuse(&slot.host, failures.next.since(now));
            any.tell(Some(format!("{}: {}", slot.host, failures.problem)), Some(failures.next));
        }
        failures
    }

    /// A job panicked, which is a defect of ours: it is not tried again at once.
    fn broke_off(&mut self, job: Id) {
        let Some(name) = self.names.remove(&job) else {
            return;
        };
        self.busy.remove(&name);
        let (now, pace, draw) = (self.context.clock.now(), self.pace, draw(&name.1));
        let progress = self.progress_of(&name);
        let problem = "the order broke off by a fault of Landfall's own".to_owned();
        let failures = Failures::again(progress.failures.as_ref(), problem, (now, None), &pace, draw);
        progress.failures = Some(failures);
    }

    fn refuse(&mut self, host: &str, time: Duration) {
        if self.refused.len() < MAX_REFUSED {
            self.refused.insert(host.to_owned(), Instant::now() + time);
        }
    }
}

/// Asks the application where it is to be asked.
async fn approve(approver: &dyn Approver, slot: &Slot) -> Result<bool, String> {
    let Some((_, path)) = slot.on_demand() else {
        return Ok(true);
    };
    let asked = timeout(APPROVAL, approver.approve(&slot.route, path, &slot.host)).await;
    let asked = asked.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
    asked.map_err(|why| {
        format!("the application could not be asked at {path} whether there may be one: {why}")
    })
}

fn name_of(slot: &Slot) -> Option<Name> {
    slot.ordered_from().map(|acme| (acme.directory.clone(), slot.host.clone()))
}

fn expired(slot: &Slot, now: Timestamp) -> bool {
    slot.pair.load().as_ref().is_some_and(|pair| pair.facts.not_after <= now)
}

/// Spreads what many hosts do over time; the same for a host each time.
fn draw(host: &str) -> u8 {
    host.bytes().fold(0x5a, |sum, byte| sum.rotate_left(3) ^ byte)
}

/// Reads given files into their place; what cannot be served leaves what is there.
pub(crate) fn read_given(slot: &Slot, now: Timestamp) {
    let Certificate::Files { certificate, key } = &slot.certificate else {
        return;
    };
    let given = given::read(certificate, key, &slot.host, now);
    // One that clients will not take is still better than none, and never better than one that they do.
    let better = |new: &Pair| {
        given.problem.is_none()
            || slot.pair.load().as_ref().is_none_or(|old| old.check(&slot.host, now).is_err())
                && new.check(&slot.host, now).is_err()
    };
    if let Some(pair) = given.pair.filter(better) {
        slot.pair.store(Some(Arc::new(pair)));
    }
    if given.problem.is_some() && given.problem != slot.problem() {
        eprintln!("proxy: {}", given.problem.as_deref().unwrap_or_default());
    }
    slot.tell(given.problem, None);
}

/// Reads what is kept on the disk into its place.
pub(crate) fn load(context: &Context, slot: &Slot) {
    let now = context.clock.now();
    if let Certificate::Files { .. } = slot.certificate {
        read_given(slot, now);
    }
    let Some(acme) = slot.ordered_from() else {
        return;
    };
    let kept = folder::read_if_there(&context.folder.acme_certificate(&acme.directory, &slot.host));
    let pair = kept.ok().flatten().and_then(|pem| Pair::parse(&pem, &pem).ok());
    if let Some(pair) = pair {
        slot.pair.store(Some(Arc::new(pair)));
    }
    let progress = Progress::load(&context.folder, &acme.directory, &slot.host);
    for text in progress.order.iter().flat_map(|order| &order.texts) {
        context.challenges.add_text(&text.token, &text.text);
    }
    if let Some(failures) = progress.failures {
        slot.tell(Some(failures.problem), Some(failures.next));
    }
}

#[cfg(test)]
mod tests {
    use landfall_fx::{RealFiles, SystemClock, TlsDir};
    use landfall_model::Challenge;

    use super::*;
    use crate::approve::Approval;
    use crate::slot::Wanted;
    use crate::{Certificates, Options};

    struct Nobody;

    impl Approver for Nobody {
        fn approve(&self, _: &str, _: &str, _: &str) -> Approval {
            Box::pin(async { Ok(false) })
        }
    }

    fn any() -> Arc<Slot> {
        let acme = Acme {
            directory: "https://acme.example/directory".to_owned(),
            email: None,
            authority: None,
            challenges: vec![Challenge::TlsAlpn01],
            on_demand: Some("/allowed".to_owned()),
        };
        Arc::new(Slot::new(&Wanted {
            listen: ([127, 0, 0, 1], 443).into(),
            host: "*".to_owned(),
            certificate: Certificate::Acme(acme),
            route: "app/web".to_owned(),
        }))
    }

    #[tokio::test]
    async fn a_host_that_anybody_may_name_is_not_remembered_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let approver: Arc<dyn Approver> = Arc::new(Nobody);
        let certificates = Certificates::new(Options {
            folder: TlsDir::new(folder.path()),
            files: Arc::new(RealFiles),
            clock: Arc::new(SystemClock::new()),
            approver: Arc::clone(&approver),
            http2: true,
            pace: Pace::default(),
        });
        let mut keeper = Keeper::new(certificates.unwrap().context, Pace::default(), approver);
        let any = any();
        keeper.want(vec![Arc::clone(&any)]);
        let mut finish = |number: usize, outcome: Outcome| {
            let slot = Arc::new(any.for_demanded(&format!("{number}.example")));
            let progress = Progress::default();
            keeper.finish(Done { slot, any: Some(Arc::clone(&any)), progress, outcome });
            (keeper.progress.len(), keeper.refused.len(), any.problem())
        };
        for number in 0..MAX_REFUSED {
            let (known, refused, problem) = finish(number, Outcome::Unanswered("it is down".to_owned()));
            assert_eq!((known, refused), (0, number + 1));
            assert_eq!(problem.unwrap(), format!("{number}.example: it is down"));
        }
        assert_eq!(finish(MAX_REFUSED, Outcome::Denied), (0, MAX_REFUSED, None), "it answers again");
        assert!(!folder.path().join("acme").exists(), "nothing is on the disk");
        let (known, _, problem) = finish(0, Outcome::Failed(Failure::new("no")));
        assert_eq!((known, problem.as_deref()), (0, Some("0.example: no")));
        assert!(
            folder.path().join("acme").exists(),
            "what the application approved of is held back after a restart"
        );
    }
}

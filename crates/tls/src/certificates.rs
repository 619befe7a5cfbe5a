//! All certificates of a proxy: what routes want, what handshakes and ACME servers are shown, what `status` says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use landfall_fx::{Clock, Files, TlsDir};
use landfall_model::{Certificate, CertificateStatus, Fault, overlap};
use tokio::sync::mpsc;

use crate::acme::Context;
use crate::approve::Approver;
use crate::challenges::Challenges;
use crate::given;
use crate::internal::{Internal, Machine};
use crate::keeper::{Demand, Keeper, load};
use crate::limits::{MAX_DEMANDS, Pace};
use crate::slot::{Slot, Wanted};
use crate::table::Table;
use crate::template::Template;

/// What certificates are kept with.
pub struct Options {
    /// Where they are kept.
    pub folder: TlsDir,
    /// Durable files.
    pub files: Arc<dyn Files>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Who asks applications.
    pub approver: Arc<dyn Approver>,
    /// Whether clients are offered HTTP/2.
    pub http2: bool,
    /// How fast things happen that nobody waits for.
    pub pace: Pace,
}

/// Why a route's certificate is refused, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// It clashes with another route or with what is on the disk.
    #[error("{0}")]
    Clash(String),
}

/// A host and where its certificate comes from: what has one place, on however many listeners.
type Place = (String, Certificate);

/// The certificates of one proxy.
pub struct Certificates {
    pub(crate) context: Context,
    pub(crate) internal: Internal,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) demands: mpsc::Sender<Demand>,
    pace: Pace,
    approver: Arc<dyn Approver>,
    slots: Mutex<BTreeMap<Place, Arc<Slot>>>,
    keeper: Mutex<KeeperThread>,
}

/// The thread that keeps certificates good, which starts when the first needs it.
enum KeeperThread {
    Waiting(mpsc::Receiver<Demand>),
    Running(mpsc::UnboundedSender<Vec<Arc<Slot>>>),
    Ended,
}

impl Certificates {
    /// None yet.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(options: Options) -> Result<Self, Fault> {
        let Options { folder, files, clock, approver, http2, pace } = options;
        let (demands, received) = mpsc::channel(MAX_DEMANDS);
        let (challenges, template) = (Arc::new(Challenges::default()), Arc::new(Template::new(http2)?));
        Ok(Self {
            context: Context { folder, files, clock, challenges, template },
            internal: Internal::default(),
            table: ArcSwap::default(),
            demands,
            pace,
            approver,
            slots: Mutex::default(),
            keeper: Mutex::new(KeeperThread::Waiting(received)),
        })
    }

    /// Says whether a route can have the certificate that it wants, beside the routes that are there.
    ///
    /// # Errors
    /// What makes no sense; another route of the same host and listener with another certificate; files that cannot be
    /// served, unless they could before: what was good is then served on.
    pub fn check(&self, wanted: &Wanted, others: &[Wanted]) -> Result<(), Refusal> {
        let host = &wanted.host;
        let clash = others.iter().find(|other| {
            overlap(other.listen, wanted.listen)
                && other.host == *host
                && other.certificate != wanted.certificate
        });
        if let Some(other) = clash {
            return Err(Refusal::Clash(format!(
                "the route `{}` has {host} on {} with another certificate; give both the same `tls`",
                other.route, wanted.listen
            )));
        }
        match &wanted.certificate {
            Certificate::Internal => {
                self.internal.prepare(&self.machine()).map_err(|fault| Refusal::Clash(fault.message))
            }
            Certificate::Files { certificate, key } => {
                for path in [certificate, key] {
                    if !Path::new(path).is_absolute() {
                        return Err(Refusal::Wrong(format!("the path {path} must be absolute")));
                    }
                }
                let known = self.known(wanted).is_some_and(|slot| slot.pair.load().is_some());
                let given = given::read(certificate, key, host, self.context.clock.now());
                given.problem.filter(|_| !known).map_or(Ok(()), |problem| Err(Refusal::Clash(problem)))
            }
            Certificate::Acme(acme) => {
                let wrong = |why: &str| Err(Refusal::Wrong(why.to_owned()));
                if !acme.directory.starts_with("https://") {
                    return wrong(&format!(
                        "the ACME server's directory `{}` must be an https URL",
                        acme.directory
                    ));
                }
                if acme.challenges.is_empty() {
                    return wrong(
                        "no way of proving that the host is ours is allowed: `challenges` is empty",
                    );
                }
                if acme.authority.as_ref().is_some_and(|path| !Path::new(path).is_absolute()) {
                    return wrong("the path of the ACME server's authority must be absolute");
                }
                if host == "*" && acme.on_demand.is_none() {
                    return wrong(
                        "an ACME server certifies host names: give the route a domain, or `on_demand`",
                    );
                }
                if host.parse::<IpAddr>().is_ok() {
                    return wrong(&format!("an ACME server certifies host names, not the address {host}"));
                }
                Ok(())
            }
        }
    }

    /// Makes these the certificates that are served. What is on the disk is served at once; the rest is ordered.
    pub fn want(&self, wanted: &[Wanted]) {
        let mut slots: BTreeMap<Place, Arc<Slot>> = BTreeMap::new();
        let mut shown = Vec::new();
        for one in wanted {
            let place = (one.host.clone(), one.certificate.clone());
            let slot = slots.entry(place).or_insert_with(|| {
                self.known(one).unwrap_or_else(|| {
                    let slot = Arc::new(Slot::new(one));
                    load(&self.context, &slot);
                    slot
                })
            });
            shown.push((one.listen, Arc::clone(slot)));
        }
        self.table.store(Arc::new(Table::new(shown.iter().map(|(listen, slot)| (*listen, slot)))));
        let all = slots.values().cloned().collect();
        *self.lock() = slots;
        self.tell_keeper(all);
    }

    /// What an ACME server that asks for this path over plain HTTP is answered; `None` when it is none of its paths.
    #[must_use]
    pub fn http_answer(&self, path: &str) -> Option<Bytes> {
        self.context.challenges.text(path)
    }

    /// All certificates, each once, those on demand after their route's.
    #[must_use]
    pub fn status(&self) -> Vec<CertificateStatus> {
        let with_hosts = |slot: &Arc<Slot>| {
            let mut hosts: Vec<CertificateStatus> =
                slot.demanded_hosts().iter().map(|host| host.status()).collect();
            hosts.sort_by(|a, b| a.host.cmp(&b.host));
            hosts.insert(0, slot.status());
            hosts
        };
        self.lock().values().flat_map(with_hosts).collect()
    }

    /// Orders and looks at files no more, and lets another process do so; what is there is served on.
    pub fn stop(&self) {
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = KeeperThread::Ended;
    }

    pub(crate) fn machine(&self) -> Machine<'_> {
        let Context { folder, files, clock, .. } = &self.context;
        Machine { folder, files: &**files, clock: &**clock }
    }

    fn known(&self, wanted: &Wanted) -> Option<Arc<Slot>> {
        self.lock().get(&(wanted.host.clone(), wanted.certificate.clone())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_keeper(&self, slots: Vec<Arc<Slot>>) {
        let needed = slots.iter().any(|slot| slot.certificate != Certificate::Internal);
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        *keeper = match std::mem::replace(&mut *keeper, KeeperThread::Ended) {
            KeeperThread::Waiting(demands) if needed => match self.start_keeper(demands) {
                Ok(sender) => KeeperThread::Running(sender),
                Err(error) => {
                    eprintln!("proxy: certificates cannot be kept good: {error}");
                    KeeperThread::Ended
                }
            },
            other => other,
        };
        if let KeeperThread::Running(sender) = &*keeper {
            // One that is gone has said why.
            let _ = sender.send(slots);
        }
    }

    fn start_keeper(
        &self,
        demands: mpsc::Receiver<Demand>,
    ) -> std::io::Result<mpsc::UnboundedSender<Vec<Arc<Slot>>>> {
        let (sender, wanted) = mpsc::unbounded_channel();
        let (context, pace, approver) = (self.context.clone(), self.pace, Arc::clone(&self.approver));
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().max_blocking_threads(2).build_local(tokio::runtime::LocalOptions::default())
        };
        let run = move || match runtime() {
            Ok(runtime) => runtime.block_on(Keeper::new(context, pace, approver).keep(wanted, demands)),
            Err(error) => eprintln!("proxy: certificates cannot be kept good: {error}"),
        };
        std::thread::Builder::new().name("certificates".to_owned()).spawn(run)?;
        Ok(sender)
    }
}

//! What routes counted, and waiting until nothing is under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Plane, Refused, unknown};
use crate::limits::MAX_ROUTES;
use crate::state::route::Route;
use crate::{Meter, Sample};

impl Plane {
    /// Waits until a pool is drained; one that is not known is.
    pub(crate) async fn drained(&self, id: &str, label: &str, wait: Duration) -> u64 {
        let stats = self.book.borrow().known.get(id).and_then(|route| route.known_pool(label));
        let deadline = Instant::now() + wait;
        let _watching = stats.as_ref().map(|stats| stats.watch(deadline));
        let here = async {
            match &stats {
                Some(stats) => stats.drained(deadline).await,
                None => 0,
            }
        };
        let before = self.repeat(async |before| before.drained(id, label, wait).await);
        let (here, before) = tokio::join!(here, before);
        here + before.unwrap_or(0)
    }

    /// What is under way to a backend, whether its route has it still or not.
    pub(crate) async fn busy(&self, id: &str, address: SocketAddr) -> Result<u64, Refused> {
        let before = self.repeat(async |before| before.busy(id, address).await).await.unwrap_or(0);
        let book = self.book.borrow();
        let live = book.live.get(id).ok_or_else(|| unknown(id))?;
        let left = book.leaving.iter().filter(|(of, _)| of == id).map(|(_, backend)| backend);
        let here = live.backends().chain(left).filter(|backend| backend.address == address);
        Ok(before + here.map(|backend| backend.inflight()).sum::<u64>())
    }

    /// Starts a meter, also of a route that is only going to be put.
    pub(crate) async fn start_meter(&self, id: &str) -> Result<(), Refused> {
        self.refresh().await;
        self.route(id)?.start_meter();
        Ok(())
    }

    pub(crate) async fn meter(&self, id: &str) -> Result<Meter, Refused> {
        self.refresh().await;
        let book = self.book.borrow();
        book.known.get(id).map(|route| route.meter()).ok_or_else(|| unknown(id))
    }

    /// What each pool of a route counted since it came.
    pub(crate) async fn samples(&self, id: &str) -> Result<Vec<Sample>, Refused> {
        self.refresh().await;
        let book = self.book.borrow();
        let route = book.known.get(id).ok_or_else(|| unknown(id))?;
        Ok(route.pools().iter().map(|stats| stats.sample()).collect())
    }

    /// The route of this id, made if it is not known.
    pub(super) fn route(&self, id: &str) -> Result<Arc<Route>, Refused> {
        let mut book = self.book.borrow_mut();
        if book.known.len() >= 2 * MAX_ROUTES && !book.known.contains_key(id) {
            return Err(Refused::Clash("too many routes are metered".to_owned()));
        }
        let workers = self.workers.len();
        let route = book.known.entry(id.to_owned()).or_insert_with(|| Arc::new(Route::new(workers)));
        Ok(Arc::clone(route))
    }
}

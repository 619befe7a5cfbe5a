//! What keeps requests from going on for a while: a hold, a person's pause, maintenance. All of it outlives the process.

use std::sync::Arc;
use std::time::Duration;

use landfall_fx::Clock as _;
use tokio::time::Instant;

use super::{Live, Plane, Refused};
use crate::limits::MAX_HOLD;
use crate::state::route::Route;
use crate::store::Marks;
use crate::{Client, Hold, OpenStreams};

impl Plane {
    /// Holds a route and waits for what is under way, but for streams: whoever does not want to cut them waits for
    /// [`Plane::streams`] before. That it holds is written down meanwhile, with the moment until which
    /// a proxy that starts again goes on with it.
    pub(crate) async fn hold(&self, id: &str, wait: Duration) -> Result<Hold, Refused> {
        let stats = |live: &Live| live.pools.iter().map(|pool| Arc::clone(&pool.stats)).collect::<Vec<_>>();
        let (route, pools) = self.with(id, |live| (Arc::clone(&live.route), stats(live)))?;
        route.hold();
        if let Some(live) = self.book.borrow_mut().live.get_mut(id) {
            let most = Duration::from_millis(live.config.hold.time_ms).min(MAX_HOLD);
            live.held_until = Some(self.clock.now().plus(most));
            live.resumed = None;
        }
        let deadline = Instant::now() + wait;
        let drained = async {
            let mut inflight = 0;
            for stats in &pools {
                inflight += stats.answered(deadline).await;
            }
            inflight
        };
        let before = self.repeat(async |before| before.hold(id, wait).await);
        let (inflight, before, ()) = tokio::join!(drained, before, self.remember());
        let before = before.unwrap_or(Hold { inflight: 0, streams: 0 });
        let streams: u64 = pools.iter().map(|stats| stats.streams_here()).sum();
        Ok(Hold { inflight: inflight + before.inflight, streams: streams + before.streams })
    }

    /// Waits, while requests go on, until no stream of a route is open; gives how many are. Nothing is waited for while
    /// requests are held: they would wait too.
    pub(crate) async fn streams(&self, id: &str, wait: Duration) -> Result<OpenStreams, Refused> {
        let stats = |live: &Live| live.pools.iter().map(|pool| Arc::clone(&pool.stats)).collect::<Vec<_>>();
        let (route, pools) = self.with(id, |live| (Arc::clone(&live.route), stats(live)))?;
        let holding = route.holding();
        let wait = if holding { Duration::ZERO } else { wait };
        let deadline = Instant::now() + wait;
        let here = async {
            loop {
                let mut open = 0;
                for stats in &pools {
                    open += stats.streamed(deadline).await;
                }
                // Where there are several pools, one of before may have new ones.
                if open > 0 || pools.iter().all(|stats| stats.streams_here() == 0) {
                    return;
                }
            }
        };
        let before = self.repeat(async |before| before.streams(id, wait).await);
        let ((), before) = tokio::join!(here, before);
        // Some may have come here while those of before were waited for.
        let here: u64 = pools.iter().map(|stats| stats.streams_here()).sum();
        Ok(OpenStreams { open: here + before.map_or(0, |before| before.open), holding })
    }

    /// Ends a hold without a switch.
    pub(crate) async fn release(&self, id: &str) -> Result<(), Refused> {
        let held = {
            let mut book = self.book.borrow_mut();
            let live = book.live.get_mut(id).ok_or_else(|| super::unknown(id))?;
            live.route.release();
            live.resumed = None;
            live.held_until.take()
        };
        self.repeat(async |before| before.release(id).await).await;
        if held.is_some() {
            self.remember().await;
        }
        Ok(())
    }

    /// Holds requests until a person says otherwise, or lets them through again.
    pub(crate) async fn pause(&self, id: &str, paused: bool) -> Result<(), Refused> {
        self.by_hand(id, Route::paused, Route::set_paused, paused).await?;
        let told =
            async |before: &Client| if paused { before.pause(id).await } else { before.unpause(id).await };
        self.repeat(told).await;
        Ok(())
    }

    /// Turns requests away, or no longer.
    pub(crate) async fn maintenance(&self, id: &str, on: bool) -> Result<(), Refused> {
        self.by_hand(id, Route::in_maintenance, Route::set_maintenance, on).await?;
        self.repeat(async |before| before.set_maintenance(id, on).await).await;
        Ok(())
    }

    /// Changes one of the things that a person says. What cannot be written down is taken back.
    async fn by_hand(
        &self,
        id: &str,
        get: fn(&Route) -> bool,
        set: fn(&Route, bool),
        wanted: bool,
    ) -> Result<(), Refused> {
        let _writing = self.writing.lock().await;
        let route = self.with(id, |live| Arc::clone(&live.route))?;
        let before = get(&route);
        set(&route, wanted);
        let saved = self.save(self.kept()).await;
        if saved.is_err() {
            set(&route, before);
        }
        saved
    }

    /// Writes down which routes hold. Where that fails the hold is as good as it is while this process lives.
    async fn remember(&self) {
        let _writing = self.writing.lock().await;
        if let Err(refused) = self.save(self.kept()).await {
            self.note(format!("a hold would not outlive the proxy: {}", refused.message()));
        }
    }

    /// Goes on with what was written down of a route that was just installed.
    pub(super) fn resume(&self, id: &str, marks: &Marks) {
        let mut book = self.book.borrow_mut();
        let Some(live) = book.live.get_mut(id) else { return };
        live.route.set_paused(marks.paused);
        live.route.set_maintenance(marks.maintenance);
        let most = Duration::from_millis(live.config.hold.time_ms).min(MAX_HOLD);
        let left = marks.held_until.map_or(Duration::ZERO, |until| until.since(self.clock.now())).min(most);
        if !left.is_zero() {
            live.route.hold();
            live.held_until = marks.held_until;
            live.resumed = Some(Instant::now() + left);
        }
    }

    /// Ends the holds of before the start that are over: whoever held may be gone.
    pub(crate) fn end_resumed(&self) {
        for live in self.book.borrow_mut().live.values_mut() {
            if live.resumed.is_some_and(|end| end <= Instant::now()) {
                (live.resumed, live.held_until) = (None, None);
                live.route.release();
            }
        }
    }
}

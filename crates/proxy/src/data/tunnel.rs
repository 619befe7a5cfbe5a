//! A connection that changed its protocol (a websocket): bytes both ways until both sides are done, or one has gone.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use super::exchange::Cut;
use super::flight::Call;
use super::pump::Pump;
use super::side::Client;
use super::upstream::Lease;

/// Copies until both sides closed. A client that closed its side may still be told something; one whose back end closed
/// has `stall` to take what is left of that and to close as well. Its connection is of no use afterwards.
///
/// # Errors
/// When one side broke, or the client does not close.
pub(crate) async fn run(
    call: &Call<'_>,
    client: &mut impl Client,
    mut lease: Lease,
    stall: Duration,
) -> Result<(), Cut> {
    call.progress.limit(call.worker.tick(), None);
    client.tunnel();
    lease.side.raw();
    let (mut up, mut down) = (Pump::new(None), Pump::new(None));
    let (mut up_closed, mut down_closed, mut limited) = (false, false, false);
    let ran = poll_fn(|cx| {
        if !down_closed {
            match down.poll(cx, &mut lease.side, client) {
                Poll::Ready(Ok(())) => match client.poll_close(cx) {
                    Poll::Ready(Ok(())) => down_closed = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut)),
                    Poll::Pending => {}
                },
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut)),
                Poll::Pending => {}
            }
        }
        if !up_closed {
            match up.poll(cx, client, &mut lease.side) {
                Poll::Ready(Ok(())) => match lease.side.poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => up_closed = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut)),
                    Poll::Pending => {}
                },
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut)),
                Poll::Pending => {}
            }
        }
        if down.complete() && !std::mem::replace(&mut limited, true) {
            call.progress.limit(call.worker.tick(), Some(stall));
        }
        match (up_closed && down_closed, call.progress.expired()) {
            (true, _) => Poll::Ready(Ok(())),
            (false, true) => Poll::Ready(Err(Cut)),
            (false, false) => Poll::Pending,
        }
    })
    .await;
    call.trace.moved(up.moved(), down.moved());
    ran
}

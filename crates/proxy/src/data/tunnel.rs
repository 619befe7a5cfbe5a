//! A connection that changed its protocol (a websocket): bytes both ways until both sides are done.

use std::future::poll_fn;
use std::task::Poll;

use super::exchange::Cut;
use super::flight::Call;
use super::pump::Pump;
use super::side::Client;
use super::upstream::Lease;

/// Copies until both sides closed. The client's connection is of no use afterwards.
///
/// # Errors
/// When one side broke.
pub(crate) async fn run(call: &Call<'_>, client: &mut impl Client, mut lease: Lease) -> Result<(), Cut> {
    call.progress.limit(call.worker.tick(), None);
    client.tunnel();
    lease.side.raw();
    let (mut up, mut down) = (Pump::new(None), Pump::new(None));
    let (mut up_closed, mut down_closed) = (false, false);
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
        if up_closed && down_closed { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await;
    call.trace.moved(up.moved(), down.moved());
    ran
}

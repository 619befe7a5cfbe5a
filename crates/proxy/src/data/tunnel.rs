//! A connection that changed its protocol (a websocket): bytes both ways until both sides are done.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::serve::Flight;

/// Copies until both sides closed, or one broke; the request is under way until then.
pub(crate) async fn run(client: OnUpgrade, backend: OnUpgrade, flight: Flight) {
    if let Ok((client, backend)) = tokio::try_join!(client, backend) {
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        // A connection that breaks ends the tunnel; there is nobody to tell.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut backend).await;
    }
    drop(flight);
}

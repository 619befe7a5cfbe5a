//! Proxies that handed over and still have requests in hands, as one that starts from the file finds them.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::give::private_paths;
use crate::Client;
use crate::report::Report;

/// For each of them to answer; a start waits for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The one that was the last to serve, with its report; it follows the others itself.
pub(crate) async fn newest(control: &Path) -> Option<(Client, Report)> {
    let mut all = Vec::new();
    for path in private_paths(control) {
        let client = Client::new(path);
        if let Ok(Ok(report)) = timeout(ANSWER_TIMEOUT, client.report()).await {
            all.push((client, report));
        }
    }
    let newest = all.iter().position(|(client, _)| {
        let path = Some(client.socket());
        all.iter().all(|(_, other)| other.before.as_deref() != path)
    });
    newest.map(|index| all.swap_remove(index))
}

/// Waits until it has ended, of which no more is known: it tells its last report to the one that it handed over to.
pub(crate) async fn ended(client: Client) -> Option<Report> {
    if let Ok(mut connection) = UnixStream::connect(client.socket()).await {
        // It says nothing unasked.
        let _ = connection.read(&mut [0]).await;
    }
    None
}

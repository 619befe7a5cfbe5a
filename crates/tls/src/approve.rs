//! Asking an application whether there may be a certificate for a host.

use std::future::Future;
use std::pin::Pin;

/// What asking comes to: whether there may be one, or why nobody answered.
pub type Approval = Pin<Box<dyn Future<Output = Result<bool, String>>>>;

/// Asks applications. The proxy knows where they run.
pub trait Approver: Send + Sync + 'static {
    /// Asks the application of a route, with a GET of `path?domain=HOST`; 200 allows it. The caller limits the wait.
    fn approve(&self, route: &str, path: &str, host: &str) -> Approval;
}

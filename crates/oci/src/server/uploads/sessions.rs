//! The uploads that are under way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_fx::Random;
use tokio::time::Instant;

use crate::name::Repository;
use crate::server::refusal::{Code, Refusal};
use crate::store::BlobWriter;

/// The most sessions at once.
const MAX_SESSIONS: usize = 256;

/// A session that nothing came for that long is forgotten.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// How long a call waits for another one of the same session: a client that goes on after a cut may come before the cut
/// was noticed.
const BUSY: Duration = Duration::from_secs(10);

/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// All sessions.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Session>>);

struct Session {
    repository: Repository,
    /// `None` while a request works with it.
    writer: Option<BlobWriter>,
    touched: Instant,
}

impl Uploads {
    /// Begins one; gives its id.
    pub(crate) fn begin(
        &self,
        repository: &Repository,
        writer: BlobWriter,
        random: &dyn Random,
    ) -> Result<String, Refusal> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes).map_err(Refusal::broken)?;
        let id = format!("{:032x}", u128::from_ne_bytes(bytes));
        let now = Instant::now();
        let mut sessions = self.lock();
        sessions.retain(|_, it| it.writer.is_none() || now.duration_since(it.touched) < IDLE);
        if sessions.len() >= MAX_SESSIONS {
            let refusal =
                Refusal::new(Code::TooManyRequests, format!("{MAX_SESSIONS} uploads are under way"));
            return Err(refusal.header("retry-after", "5"));
        }
        let session = Session { repository: repository.clone(), writer: Some(writer), touched: now };
        sessions.insert(id.clone(), session);
        Ok(id)
    }

    /// Takes a session's writer for one request, which gives it back.
    pub(crate) async fn take(&self, repository: &Repository, id: &str) -> Result<BlobWriter, Refusal> {
        let begun = Instant::now();
        loop {
            if let Some(writer) = self.try_take(repository, id)? {
                return Ok(writer);
            }
            if begun.elapsed() >= BUSY {
                return Err(Refusal::new(
                    Code::BlobUploadInvalid,
                    "another request is at work with this upload",
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives a session its writer back; without one it ends.
    pub(crate) fn give_back(&self, id: &str, writer: Option<BlobWriter>) {
        let mut sessions = self.lock();
        match (writer, sessions.get_mut(id)) {
            (Some(writer), Some(session)) => {
                session.writer = Some(writer);
                session.touched = Instant::now();
            }
            _ => drop(sessions.remove(id)),
        }
    }

    fn try_take(&self, repository: &Repository, id: &str) -> Result<Option<BlobWriter>, Refusal> {
        let unknown = || Refusal::new(Code::BlobUploadUnknown, "there is no such upload");
        let mut sessions = self.lock();
        let session = sessions.get_mut(id).filter(|session| session.repository == *repository);
        Ok(session.ok_or_else(unknown)?.writer.take())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! One blob into a registry, which goes on where it was cut off.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use landfall_model::{Digest, Fault};
use tokio_stream::StreamExt as _;

use super::login::Scope;
use super::transport::{Ask, Broken, MAX_ANSWER, escape, is_passing};
use super::{Client, faults};
use crate::name::Repository;
use crate::store::Images;

/// What is uploaded, and where to.
pub(super) struct Upload<'a> {
    pub(super) images: &'a Images,
    pub(super) digest: Digest,
    pub(super) to: &'a Repository,
    /// Another repository of the registry, which may have it.
    pub(super) from: Option<&'a Repository>,
    pub(super) scope: &'a Scope,
    pub(super) what: &'a str,
}

/// How a blob came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It was.
    WasThere,
    /// Out of another repository.
    Mounted,
    /// Uploaded, so many bytes.
    Uploaded(u64),
}

/// Where a session is.
struct Session {
    url: String,
    /// Bytes that the registry has.
    offset: u64,
}

/// What a try to send the rest came to.
enum Sent {
    All(String),
    /// It may go better next time, after what was asked for.
    Again(Option<std::time::Duration>, Broken),
    LogIn(HeaderMap),
}

impl Client {
    /// Puts a blob into a repository unless it is there.
    ///
    /// # Errors
    /// What the registry refuses; a cut after a cut without progress; a blob that the store does not have whole.
    pub(super) async fn put_blob(&self, upload: &Upload<'_>) -> Result<Came, Fault> {
        let path = format!("/v2/{}/blobs/{}", upload.to, upload.digest);
        let head =
            self.ask(upload.what, Some(upload.scope), &Ask::new(Method::HEAD, self.url(&path))).await?;
        match head.status() {
            StatusCode::OK => return Ok(Came::WasThere),
            StatusCode::NOT_FOUND => {}
            status => return Err(self.unexpected(upload.what, status, head).await),
        }
        let (images, digest) = (upload.images.clone(), upload.digest);
        let opened = tokio::task::spawn_blocking(move || images.blob(&digest)).await;
        let size = opened.map_err(|error| Fault::internal(error.to_string()))??.size();
        let Some(mut session) = self.begin(upload).await? else { return Ok(Came::Mounted) };
        self.send_all(upload, &mut session, size).await?;
        self.end(upload, &session.url).await?;
        Ok(Came::Uploaded(size))
    }

    /// Begins a session; `None` when the blob was taken over from another repository.
    async fn begin(&self, upload: &Upload<'_>) -> Result<Option<Session>, Fault> {
        let mount = upload.from.map(|from| {
            format!("?mount={}&from={}", escape(&upload.digest.to_string()), escape(from.as_str()))
        });
        let path = format!("/v2/{}/blobs/uploads/{}", upload.to, mount.unwrap_or_default());
        let ask = Ask::new(Method::POST, self.url(&path));
        let answer = self.ask(upload.what, Some(upload.scope), &ask).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(None),
            StatusCode::ACCEPTED => {
                let url = self.location(&ask.url, answer.headers());
                let url = url.ok_or_else(|| self.odd(upload.what, "it says not where an upload goes"))?;
                Ok(Some(Session { url, offset: 0 }))
            }
            status => Err(self.unexpected(upload.what, status, answer).await),
        }
    }

    /// Sends everything that the registry does not have yet, as often as it makes progress.
    async fn send_all(&self, upload: &Upload<'_>, session: &mut Session, size: u64) -> Result<(), Fault> {
        let (mut tries, mut logged_in) = (1, false);
        loop {
            match self.send_rest(upload, session, size).await? {
                Sent::All(url) => {
                    session.url = url;
                    return Ok(());
                }
                Sent::LogIn(headers) if !logged_in => {
                    logged_in = true;
                    self.log_in(upload.what, upload.scope, &headers).await?;
                }
                Sent::LogIn(_) => {
                    let (place, who) = (&self.inner.place, &self.inner.credential);
                    return Err(faults::refused(place, who, upload.what, StatusCode::UNAUTHORIZED, b""));
                }
                Sent::Again(asked, why) => {
                    if tries >= self.inner.patience.tries {
                        return Err(self.broken(upload.what, &why));
                    }
                    self.wait(tries, asked).await;
                    let had = session.offset;
                    self.look(upload, session).await?;
                    logged_in = false;
                    tries = if session.offset > had { 1 } else { tries + 1 };
                }
            }
        }
    }

    /// Sends the rest in one request.
    async fn send_rest(&self, upload: &Upload<'_>, session: &Session, size: u64) -> Result<Sent, Fault> {
        let (images, digest) = (upload.images.clone(), upload.digest);
        let opened = tokio::task::spawn_blocking(move || images.blob(&digest)).await;
        let blob = opened.map_err(|error| Fault::internal(error.to_string()))??;
        let rest = session.offset..size;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_LENGTH, (rest.end - rest.start).into());
        if rest.start > 0 {
            let range = format!("{}-{}", rest.start, rest.end.saturating_sub(1));
            headers.extend(HeaderValue::try_from(range).map(|range| (CONTENT_RANGE, range)));
        }
        let body =
            StreamBody::new(blob.read(rest).stream().map(|piece| piece.map(Frame::data))).boxed_unsync();
        let sent = self.send(&Method::PATCH, &session.url, &headers, Some(upload.scope), body).await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(broken) => return Ok(Sent::Again(None, broken)),
        };
        match answer.status() {
            // 201 and 204 are what some give instead.
            StatusCode::ACCEPTED | StatusCode::CREATED | StatusCode::NO_CONTENT => {
                let next = self.location(&session.url, answer.headers());
                Ok(Sent::All(next.unwrap_or_else(|| session.url.clone())))
            }
            StatusCode::UNAUTHORIZED => Ok(Sent::LogIn(answer.headers().clone())),
            status
                if is_passing(status)
                    || status == StatusCode::RANGE_NOT_SATISFIABLE
                    || status == StatusCode::NOT_FOUND =>
            {
                let asked = self.asked_to_wait(answer.headers());
                let body = self.read_body(upload.what, answer, MAX_ANSWER).await.unwrap_or_default();
                let said = String::from_utf8_lossy(&body).lines().next().unwrap_or_default().to_owned();
                Ok(Sent::Again(asked, Broken::Cut(format!("{status} {said}"))))
            }
            status => Err(self.unexpected(upload.what, status, answer).await),
        }
    }

    /// Asks how far a session is, and begins another one when it is gone.
    async fn look(&self, upload: &Upload<'_>, session: &mut Session) -> Result<(), Fault> {
        let ask = Ask::new(Method::GET, session.url.clone());
        let answer = self.ask(upload.what, Some(upload.scope), &ask).await?;
        if !answer.status().is_success() {
            if let Some(new) = self.begin(&Upload { from: None, ..*upload }).await? {
                *session = new;
            }
            return Ok(());
        }
        let last = answer.headers().get(RANGE).and_then(|range| range.to_str().ok());
        let last =
            last.and_then(|range| range.trim_start_matches("bytes=").split('-').nth(1)?.parse::<u64>().ok());
        // `0-0` is what nothing at all is written as; one byte is sent again then.
        session.offset = last.filter(|last| *last > 0).map_or(0, |last| last + 1);
        if let Some(url) = self.location(&session.url, answer.headers()) {
            session.url = url;
        }
        Ok(())
    }

    /// Ends a session.
    async fn end(&self, upload: &Upload<'_>, url: &str) -> Result<(), Fault> {
        let mark = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{mark}digest={}", escape(&upload.digest.to_string()));
        let answer = self.ask(upload.what, Some(upload.scope), &Ask::new(Method::PUT, url)).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::ACCEPTED => Ok(()),
            status => {
                // The answer to a try that had worked may have been lost.
                let path = format!("/v2/{}/blobs/{}", upload.to, upload.digest);
                let head = Ask::new(Method::HEAD, self.url(&path));
                let there = self.ask(upload.what, Some(upload.scope), &head).await?;
                if there.status() == StatusCode::OK {
                    return Ok(());
                }
                Err(self.unexpected(upload.what, status, answer).await)
            }
        }
    }

    /// A status that should not be.
    pub(super) async fn unexpected(
        &self,
        what: &str,
        status: StatusCode,
        answer: http::Response<hyper::body::Incoming>,
    ) -> Fault {
        let body = self.read_body(what, answer, MAX_ANSWER).await.unwrap_or_default();
        faults::refused(&self.inner.place, &self.inner.credential, what, status, &body)
    }

    pub(super) fn odd(&self, what: &str, why: &str) -> Fault {
        faults::odd(&self.inner.place, what, why)
    }
}

//! The side of the proxy that hands over.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::task::spawn_blocking;

use super::messages::{FORMAT, Offer, Word, expect, say, send, send_descriptors};
use crate::control::{self, Control, Stage, asynchronous};

/// The new proxy may take this long for each of its steps.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// Proxies that may be draining at once.
const MAX_DRAINING: u32 = 10;

/// Answers the call of a proxy that wants to take over; what follows happens in a task of its own.
pub(crate) fn give(control: &Rc<Control>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let wanted = request.headers().get(UPGRADE).is_some_and(|protocol| protocol == "landfall-handover");
    let mut response = Response::default();
    if !wanted || !control.begin_handover() {
        *response.status_mut() = if wanted { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
        return response;
    }
    let control = Rc::clone(control);
    tokio::task::spawn_local(async move {
        if let Err(error) = hand_over(&control, request).await {
            control.plane.note(format!("another proxy could not take over, this one goes on: {error}"));
            control.set_stage(Stage::Serving);
        }
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("landfall-handover"));
    response
}

/// Hands everything over. Whatever goes wrong before the new proxy serves, this one accepts again.
async fn hand_over(control: &Rc<Control>, request: Request<Incoming>) -> io::Result<()> {
    let upgraded = hyper::upgrade::on(request).await.map_err(io::Error::other)?;
    let parts = upgraded.downcast::<TokioIo<tokio::net::UnixStream>>();
    let parts = parts.map_err(|_| io::Error::other("the connection is no plain socket"))?;
    let stream = parts.io.into_inner().into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;

    // Changes that are under way are written down before the offer is made; later ones wait.
    let _unchanged = control.plane.quiet().await;
    let (private_path, private) = private_socket(&control.options.control)?;
    let (offer, descriptors) = offer(control, private_path.clone())?;
    let stream = step(stream, move |stream| {
        send(stream, &offer)?;
        send_descriptors(stream, &descriptors)?;
        expect(stream, Word::Ready)
    })
    .await;
    let stream = stream.inspect_err(|_| drop(std::fs::remove_file(&private_path)))?;

    control.plane.stop_accepting();
    control.stop_listening();
    let served = step(stream, |stream| {
        say(stream, Word::Go)?;
        expect(stream, Word::Serving)
    })
    .await;
    match served {
        Ok(stream) => {
            let private = asynchronous(private)?;
            tokio::task::spawn_local(control::serve(private, Rc::clone(control), true));
            control.gone(stream, private_path);
            Ok(())
        }
        Err(error) => {
            // The new one is gone, or says nothing: it must not be let in halfway.
            drop(std::fs::remove_file(&private_path));
            control.plane.accept_again();
            control.listen()?;
            Err(error)
        }
    }
}

/// Does a step of the exchange on a thread that may wait.
async fn step<F>(stream: UnixStream, talk: F) -> io::Result<UnixStream>
where
    F: FnOnce(&UnixStream) -> io::Result<()> + Send + 'static,
{
    let talked = spawn_blocking(move || talk(&stream).map(|()| stream)).await;
    talked.map_err(io::Error::other).flatten()
}

fn offer(control: &Control, private: PathBuf) -> io::Result<(Offer, Vec<OwnedFd>)> {
    let sockets = control.plane.sockets()?;
    let mut descriptors = vec![control.lock()?, control.listener()?];
    let listeners = sockets.iter().map(|(address, sockets)| (*address, sockets.len())).collect();
    descriptors.extend(
        sockets.into_iter().flat_map(|(_, sockets)| sockets).map(<TcpListener as Into<OwnedFd>>::into),
    );
    let offer = Offer {
        format: FORMAT,
        private,
        token: control.shared.token.clone(),
        listeners,
        routes: control.plane.kept(),
        report: control.plane.report(),
    };
    Ok((offer, descriptors))
}

/// All sockets that proxies beside this control socket may have of their own.
pub(super) fn private_paths(control: &Path) -> impl Iterator<Item = PathBuf> {
    (0..MAX_DRAINING).map(|number| control.with_extension(format!("old{number}")))
}

/// Where this proxy takes calls once it has handed over. Its path is as long as that of the control socket, which fits.
fn private_socket(control: &Path) -> io::Result<(PathBuf, UnixListener)> {
    for path in private_paths(control) {
        // One that nobody listens on is of a proxy that was killed.
        if UnixStream::connect(&path).is_err() {
            let listener = control::bind(&path)?;
            return Ok((path, listener));
        }
    }
    Err(io::Error::other(format!("{MAX_DRAINING} proxies are draining already")))
}

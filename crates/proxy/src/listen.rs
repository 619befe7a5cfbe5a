//! Listening sockets: one for each worker on the same address, and a clear word when the address is somebody else's.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::data::socket::notice_vanished;
use crate::holder;
use crate::limits::BACKLOG;

/// Why an address is not open.
#[derive(Debug, Clone)]
pub(crate) struct NotOpen {
    /// What is wrong, for people: the address and, where visible, who holds it.
    pub(crate) message: String,
    /// Whether somebody else listens there.
    pub(crate) taken: bool,
}

/// Opens `count` sockets on the address, between which the kernel spreads connections. `own` are the addresses that this
/// proxy already listens on.
///
/// # Errors
/// The address is somebody else's, or the system does not give it.
pub(crate) fn open(
    address: SocketAddr,
    count: usize,
    own: &[SocketAddr],
) -> Result<Vec<TcpListener>, NotOpen> {
    let tell = |error: io::Error| tell(address, &error);
    // Sockets that share a port hide that another proxy of the same user has it; one that does not share is told.
    if !own.iter().any(|other| other.port() == address.port()) {
        drop(bind(address, false).map_err(tell)?);
    }
    (0..count).map(|_| bind(address, true).map_err(tell)).collect()
}

/// Opens one more socket on an address that this proxy listens on.
///
/// # Errors
/// What the system says.
pub(crate) fn open_one(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, true)
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 too, whatever this machine's default is: routes are compared so.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // Before anybody can connect, or the first ones would be without.
    notice_vanished(&socket);
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn tell(address: SocketAddr, error: &io::Error) -> NotOpen {
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => match holder::of(address) {
            Some(holder) => format!("the address {address} is in use by process {holder}"),
            None => format!("the address {address} is in use"),
        },
        io::ErrorKind::PermissionDenied => {
            format!("this user may not listen on {address}: ports under 1024 need a privilege")
        }
        io::ErrorKind::AddrNotAvailable => format!("this machine does not have the address {address}"),
        _ => format!("cannot listen on {address}: {error}"),
    };
    NotOpen { message, taken: error.kind() == io::ErrorKind::AddrInUse }
}

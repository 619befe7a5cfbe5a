//! Who listens on a port, from `/proc`: for the message when it is in use.

use std::fs;
use std::net::SocketAddr;

/// `TCP_LISTEN` of the kernel's `tcp_states.h`, as `/proc/net/tcp` shows it.
const LISTEN: &str = "0A";

/// The process that listens on the port of `address`, as `1234 (nginx)`; `None` when that is not visible to this user.
pub(crate) fn of(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, address.port()))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        let holds = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.to_str().is_some_and(|target| inodes.iter().any(|inode| inode == target)));
        if holds {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return Some(format!("{pid} ({})", name.trim()));
        }
    }
    None
}

/// The inodes of the sockets that listen on `port`, from the text of `/proc/net/tcp` (`proc(5)`).
fn listening(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&port) && *state == LISTEN).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100\n\
             1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100\n";
        assert_eq!(listening(table, 8080), ["4711"]);
        assert!(listening(table, 80).is_empty());
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        if let Some(holder) = of(socket.local_addr().unwrap()) {
            assert!(holder.starts_with(&std::process::id().to_string()), "{holder}");
        }
    }
}

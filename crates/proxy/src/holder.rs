//! Who listens on a port, from `/proc`: for the message when it is in use.

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// `TCP_LISTEN` of the kernel's `tcp_states.h`, as `/proc/net/tcp` shows it.
const LISTEN: &str = "0A";

/// The process that listens on the port of `address`, as `1234 (nginx)`; `None` when that is not visible to this user.
pub(crate) fn of(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, address))
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

/// The inodes of the sockets that listen on `address`, or on its port of all addresses, from the text of
/// `/proc/net/tcp` (`proc(5)`).
fn listening(table: &str, address: SocketAddr) -> Vec<String> {
    let (ip, port) = (shown(address.ip()), format!("{:04X}", address.port()));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (local_ip, local_port) = local.split_once(':')?;
        let all = |ip: &str| ip.bytes().all(|digit| digit == b'0');
        let same = local_ip == ip || all(local_ip) || all(&ip);
        (same && local_port == port && *state == LISTEN).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// An address as the kernel shows it: words of 32 bits in the machine's own order of bytes.
fn shown(ip: IpAddr) -> String {
    let octets = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    words.map(|word| format!("{word:08X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100\n\
             1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100\n";
        let at = |address: &str| listening(table, address.parse().unwrap());
        if cfg!(target_endian = "little") {
            assert_eq!(
                (at("127.0.0.1:8080"), at("0.0.0.0:8080")),
                (vec!["4711".into()], vec!["4711".into()])
            );
        }
        assert!(at("127.0.0.1:80").is_empty() && at("127.0.0.2:8080").is_empty());
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        if let Some(holder) = of(socket.local_addr().unwrap()) {
            assert!(holder.starts_with(&std::process::id().to_string()), "{holder}");
        }
    }
}

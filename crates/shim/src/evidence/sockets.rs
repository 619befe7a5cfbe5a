//! Which sockets a process listens on: `/proc/PID/net/tcp{,6}` matched with the links in `/proc/PID/fd`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use landfall_model::Listener;

/// `TCP_LISTEN` of the kernel's `include/net/tcp_states.h`, as the tables show it.
const LISTEN: &str = "0A";

/// The TCP sockets that any of `pids` listens on, each once, with the first process that holds it; by address.
#[must_use]
pub fn listeners(pids: &[u32]) -> Vec<Listener> {
    let mut found = BTreeMap::new();
    for &pid in pids {
        let sockets = sockets_of(pid);
        if sockets.is_empty() {
            continue;
        }
        // The process's own tables: it may live in a network of its own.
        for table in ["tcp", "tcp6"] {
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/net/{table}")) else { continue };
            for (address, inode) in text.lines().filter_map(parse) {
                if sockets.contains(&inode) {
                    found.entry((address, inode)).or_insert(pid);
                }
            }
        }
    }
    let mut listeners: Vec<Listener> =
        found.into_iter().map(|((address, _), pid)| Listener { address: address.to_string(), pid }).collect();
    listeners.dedup_by(|a, b| a.address == b.address);
    listeners
}

/// The inodes of the sockets that a process holds.
fn sockets_of(pid: u32) -> Vec<u64> {
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    folder
        .filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// The address and inode of a line of `proc_net(5)`'s `tcp`, if it is a listening socket.
fn parse(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let address = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    Some((parse_address(address)?, fields.nth(5)?.parse().ok()?))
}

/// `0100007F:1F90`: words of 32 bits in the order of this machine, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |index: usize| u32::from_str_radix(address.get(index * 8..index * 8 + 8)?, 16).ok();
    let ip = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes()))
    } else {
        let mut bytes = [0; 16];
        for index in 0..4 {
            bytes[index * 4..index * 4 + 4].copy_from_slice(&word(index)?.to_ne_bytes());
        }
        IpAddr::V6(Ipv6Addr::from(bytes))
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    #[cfg(target_endian = "little")]
    fn table_lines_are_parsed() {
        let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0";
        assert_eq!(parse(v4), Some(("127.0.0.1:8080".parse().unwrap(), 4242)));
        let v6 = "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1";
        assert_eq!(parse(v6), Some(("[::1]:80".parse().unwrap(), 7)));
        assert_eq!(parse(&v4.replace(" 0A ", " 01 ")), None, "a connection");
        assert_eq!(parse("  sl  local_address rem_address   st tx_queue rx_queue"), None);
    }

    #[test]
    fn the_sockets_of_this_process_are_found() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = TcpListener::bind("[::1]:0").ok();
        let address = v4.local_addr().unwrap();
        let connection = TcpStream::connect(address).unwrap();
        let pid = std::process::id();
        let found = listeners(&[pid, pid]);
        let has = |address: SocketAddr| found.iter().filter(|l| l.address == address.to_string()).count();
        assert_eq!(has(address), 1);
        assert!(v6.is_none_or(|v6| has(v6.local_addr().unwrap()) == 1));
        assert_eq!(has(connection.local_addr().unwrap()), 0);
        drop(v4);
        assert!(listeners(&[pid]).iter().all(|l| l.address != address.to_string()));
    }
}

//! The system's `ssh` on its way to an engine: the user's own configuration and keys, and nothing that asks.

use std::process::Stdio;

use tokio::process::Command;

/// `ssh OPTIONS DESTINATION docker system dial-stdio`, all its pipes open; it ends when it is dropped. Whatever else it is
/// to carry, the command at its other end is one that every engine's machine has, and that ends with its input.
pub(crate) fn to_engine(destination: &str, port: Option<u16>, options: &[&str]) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-T"]).args(options);
    if let Some(port) = port {
        command.arg("-p").arg(port.to_string());
    }
    command.args(["--", destination, "docker", "system", "dial-stdio"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

//! One line of the access log, read without building JSON: only what Landfall's own tag, the duration and the status say.

/// A request that was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hit<'a> {
    pub(super) route: &'a str,
    pub(super) label: &'a str,
    /// Whether it waited.
    pub(super) held: bool,
    /// The status that Caddy itself answered with because nobody else could.
    pub(super) own_error: Option<u16>,
    /// Whether it asked which pool answers.
    pub(super) probe: bool,
    pub(super) status: u16,
    pub(super) micros: u64,
}

impl<'a> Hit<'a> {
    /// Reads a line; `None` for one that is no request of Landfall's routes. A quote inside a JSON string has a backslash
    /// before it, so that no client can write what is looked for here.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let tag = after(text, "\"user_id\":\"")?;
        let tag = &tag[..tag.find('"')?];
        let mut words = tag.split(' ');
        let (route, label, side) = (words.next()?, words.next()?, words.next()?);
        let own_error = words.next()?.strip_prefix('e')?.parse().ok();
        let probe = words.next()?.strip_prefix('p')? == "1";
        let status = number(after(text, "\"status\":")?).parse().ok()?;
        let seconds: f64 = number(after(text, "\"duration\":")?).parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that becomes an integer is cut to its range"
        )]
        let micros = (seconds * 1_000_000.0).round() as u64;
        Some(Self { route, label, held: side == "w", own_error, probe, status, micros })
    }
}

fn after<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    text.rfind(what).map(|at| &text[at + what.len()..])
}

fn number(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+')));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_caddy_2_6_is_read() {
        let line = br#"{"level":"info","ts":1795237267.89,"logger":"http.log.access.landfall","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"44836","proto":"HTTP/1.1","method":"GET","host":"127.0.0.1:18080","uri":"/"},"user_id":"app/dev/web 1.0.0-x a e p","duration":0.001446704,"size":1,"status":200}"#;
        let hit = Hit::read(line).unwrap();
        assert_eq!((hit.route, hit.label, hit.status, hit.micros), ("app/dev/web", "1.0.0-x", 200, 1447));
        assert_eq!((hit.held, hit.own_error, hit.probe), (false, None, false));
    }

    #[test]
    fn durations_come_in_several_forms() {
        let line = |duration: &str| {
            let text = format!("{{\"user_id\":\"r l w e503 p1\",\"duration\":{duration},\"status\":503}}");
            Hit::read(text.as_bytes()).map(|hit| (hit.micros, hit.held, hit.own_error, hit.probe))
        };
        assert_eq!(line("1.5e-05"), Some((15, true, Some(503), true)));
        assert_eq!(line("2"), Some((2_000_000, true, Some(503), true)));
        assert_eq!(line("\"x\""), None);
    }

    #[test]
    fn what_a_client_writes_is_not_taken_for_a_tag() {
        let text = r#"{"request":{"uri":"/?\"user_id\":\"r l a e p\",\"duration\":1,\"status\":200"},"user_id":"","duration":1,"status":404}"#;
        assert_eq!(Hit::read(text.as_bytes()), None);
    }
}

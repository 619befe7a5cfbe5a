//! The forms of strings: names, paths, addresses; each with a regular expression for the JSON Schema and a check that
//! says what is wrong.

use std::net::{IpAddr, SocketAddr};

use landfall_model::AppName;

use crate::shape::{Flaw, Form};

mod container;
mod front;

pub(crate) use container::{
    ARGUMENT, CAPABILITY, CPUS, ENGINE, IMAGE, PLATFORM, PROJECT, REGISTRY, STAGE, USER, cpus,
};
pub(crate) use front::{DIRECTORY, EMAIL, ERROR_STATUS, NETWORK, PART, RATE, RISE, TOKEN, URL};

/// Any text but for NUL, which no process can be given.
pub(crate) static TEXT: Form = Form { pattern: r"^[^\x00]*$", expected: "a text", check: text };
/// A text with something in it.
pub(crate) static FILLED: Form =
    Form { pattern: r"[^\s\x00]", expected: "a text that is not empty", check: filled };
/// A name of an application, environment, service or volume.
pub(crate) static NAME: Form = Form {
    pattern: "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$",
    expected: "1 to 40 of a to z, 0 to 9 and `-`, a letter first",
    check: name,
};
/// A name of an environment variable that Landfall does not set itself.
pub(crate) static VARIABLE: Form = Form {
    pattern: "^(?!(PORT|HOST|LANDFALL_.*)$)[A-Za-z_][A-Za-z0-9_]*$",
    expected: "the name of an environment variable",
    check: variable,
};
/// A path that stays inside the project.
pub(crate) static INSIDE: Form =
    Form { pattern: r"^[^/\x00][^\x00]*$", expected: "a path inside the project", check: inside };
/// An absolute path.
pub(crate) static ABSOLUTE: Form =
    Form { pattern: r"^/[^\x00]*$", expected: "an absolute path", check: absolute };
/// The path of a request.
pub(crate) static REQUEST_PATH: Form =
    Form { pattern: "^/[!-\"$-~]*$", expected: "the path of a URL", check: request_path };
/// The start of the paths of requests.
pub(crate) static PREFIX: Form =
    Form { pattern: "^/[A-Za-z0-9._~%@+=:,/-]*$", expected: "the start of a URL's path", check: prefix };
/// A host name, or `*`.
pub(crate) static DOMAIN: Form = Form {
    pattern: r"^(\*|[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*)$",
    expected: "a host name, or `*`",
    check: domain,
};
/// An address with a port.
pub(crate) static LISTEN: Form =
    Form { pattern: r"^[0-9a-fA-F.:\[\]]+:[0-9]{1,5}$", expected: "an IP address and a port", check: listen };
/// A semantic version.
pub(crate) static SEMVER: Form =
    Form { pattern: r"^[0-9]+\.[0-9]+\.[0-9]+([-+].*)?$", expected: "a semantic version", check: semver };
/// Two statuses with a dash.
pub(crate) static STATUSES: Form =
    Form { pattern: "^[1-5][0-9]{2}-[1-5][0-9]{2}$", expected: "a range of statuses", check: statuses };

/// The longest host name in bytes (RFC 1035, 2.3.4).
const MAX_DOMAIN: usize = 253;

fn text(text: &str) -> Result<(), Flaw> {
    if text.contains('\0') { Err(Flaw::new("it holds a NUL character")) } else { Ok(()) }
}

fn filled(given: &str) -> Result<(), Flaw> {
    if given.trim().is_empty() { Err(Flaw::new("it is empty")) } else { text(given) }
}

fn name(text: &str) -> Result<(), Flaw> {
    let Err(error) = text.parse::<AppName>() else { return Ok(()) };
    let flaw = Flaw::new(error.to_string());
    let tidy: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let tidy = tidy.trim_matches(|c: char| c == '-' || c.is_ascii_digit());
    Err(if tidy.parse::<AppName>().is_ok() { flaw.help(format!("write `{tidy}`")) } else { flaw })
}

fn variable(text: &str) -> Result<(), Flaw> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(good) {
        let flaw = Flaw::new(format!("`{text}` is not the name of an environment variable"));
        return Err(flaw.help("use letters, digits and `_`, no digit first"));
    }
    if matches!(text, "PORT" | "HOST") || text.starts_with("LANDFALL_") {
        let flaw = Flaw::new(format!("`{text}` is set by Landfall"));
        return Err(flaw.help("remove it; PORT, HOST and LANDFALL_… are given to every instance"));
    }
    Ok(())
}

fn inside(given: &str) -> Result<(), Flaw> {
    filled(given)?;
    if given.starts_with('/') {
        let flaw = Flaw::new(format!("`{given}` is an absolute path"));
        return Err(flaw.help("write a path relative to the manifest's folder"));
    }
    let mut depth = 0_i64;
    for part in given.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            let flaw = Flaw::new(format!("`{given}` leads out of the project"));
            return Err(flaw.help("put the manifest in a folder that holds all of the source"));
        }
    }
    Ok(())
}

fn absolute(given: &str) -> Result<(), Flaw> {
    text(given)?;
    if given.starts_with('/') && !given.split('/').any(|part| part == "..") {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{given}` is not an absolute path"))
            .help("write it from the root, as in \"/data\""))
    }
}

fn request_path(text: &str) -> Result<(), Flaw> {
    if !text.starts_with('/') {
        let flaw = Flaw::new(format!("`{text}` does not start with `/`"));
        return Err(flaw.help(format!("write \"/{}\"", text.trim_start_matches("./"))));
    }
    if text.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` holds what a URL must not: a space, a `#` or a letter beyond ASCII"))
            .help("write such letters as %XX"))
    }
}

fn prefix(text: &str) -> Result<(), Flaw> {
    request_path(text)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "._~%@+=:,/-".contains(c);
    if !text.chars().all(good) {
        return Err(Flaw::new(format!("`{text}` holds what the start of a path must not"))
            .help("use letters, digits and any of ._~%@+=:,-"));
    }
    if text.contains("//") || text.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(Flaw::new(format!("`{text}` holds an empty part, `.` or `..`")));
    }
    Ok(())
}

fn domain(text: &str) -> Result<(), Flaw> {
    if text == "*" || text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()) {
        return Ok(());
    }
    let flaw = Flaw::new(format!("`{text}` is not a host name"));
    let bare = text.rsplit("://").next().unwrap_or(text);
    let bare = bare.split(['/', ':']).next().unwrap_or(bare);
    if bare != text && domain(bare).is_ok() {
        return Err(flaw.help(format!("write \"{bare}\"; the port belongs to `listen`, a path to `route`")));
    }
    if text.starts_with("*.") {
        return Err(flaw.help("name each host, or take all with \"*\""));
    }
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if text.len() <= MAX_DOMAIN && text.split('.').all(label) {
        return Ok(());
    }
    Err(if text.is_ascii() { flaw } else { flaw.help("write it in its ASCII form, xn--…") })
}

fn listen(text: &str) -> Result<(), Flaw> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(()),
        Ok(_) => Err(Flaw::new("port 0 is no fixed port").help("name the port, as in \"127.0.0.1:8080\"")),
        Err(_) => {
            let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok_and(|p| p > 0));
            let address = if text.starts_with("localhost") { "127.0.0.1" } else { "0.0.0.0" };
            Err(Flaw::new(format!("`{text}` is not an IP address and a port"))
                .help(format!("write \"{address}:{}\"", port.unwrap_or("8080"))))
        }
    }
}

fn semver(text: &str) -> Result<(), Flaw> {
    let Err(error) = text.parse::<semver::Version>() else { return Ok(()) };
    let flaw = Flaw::new(format!("`{text}` is not a semantic version: {error}"));
    let bare = text.trim_start_matches('v');
    let whole = format!("{bare}{}", ".0".repeat(2_usize.saturating_sub(bare.matches('.').count())));
    Err(if whole.parse::<semver::Version>().is_ok() { flaw.help(format!("write \"{whole}\"")) } else { flaw })
}

fn statuses(text: &str) -> Result<(), Flaw> {
    let ends = text.split_once('-').and_then(|(first, last)| Some((status(first)?, status(last)?)));
    match ends {
        Some((first, last)) if first <= last => Ok(()),
        Some(_) => Err(Flaw::new(format!("`{text}` ends before it starts"))),
        None => {
            Err(Flaw::new(format!("`{text}` is not a range of statuses")).help("write it as \"200-399\""))
        }
    }
}

/// A status from 100 to 599 of three digits.
pub(crate) fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| text.len() == 3 && (100..=599).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flawed(form: &Form, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!((form.check)(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!((form.check)(text).is_err(), "{text}");
        }
    }

    #[test]
    fn forms_take_the_good_and_refuse_the_bad() {
        flawed(&NAME, &["web", "a", "web-2"], &["", "Web", "2web", "web_2", "../x"]);
        flawed(&VARIABLE, &["A", "_a", "PORTS"], &["", "1A", "A-B", "PORT", "HOST", "LANDFALL_X", "A B"]);
        flawed(&INSIDE, &[".", "a/b", "a/../b", "./a", "a b"], &["", " ", "/a", "..", "a/../../b", "a\0"]);
        flawed(&ABSOLUTE, &["/", "/data"], &["", "data", "/a/../b"]);
        flawed(&REQUEST_PATH, &["/", "/a?b=c"], &["", "a", "/a b", "/ä", "/a#b"]);
        flawed(&PREFIX, &["/", "/api/v1/"], &["", "api", "/a//b", "/../a", "/a?b", "/$(x)"]);
        flawed(
            &DOMAIN,
            &["*", "a", "Guestbook.example.com", "10.0.0.1"],
            &["", "http://a.b", "a.b:80", "a.b/c", "*.a.b", "-a", "a..b", "ä.de", "a_b.c", "[::1]"],
        );
        flawed(&LISTEN, &["127.0.0.1:8080", "[::]:80"], &["", ":80", "8080", "localhost:80", "1.2.3.4:0"]);
        flawed(&SEMVER, &["1.4.0", "1.4.0-rc.1"], &["", "v1.4.0", "1.4", "1.04.0", "latest"]);
        flawed(&STATUSES, &["200-399", "200-200"], &["200", "399-200", "99-200", "200-600", "a-b"]);
    }

    #[test]
    fn advice_is_to_the_point() {
        let help = |form: &Form, text: &str| (form.check)(text).unwrap_err().help.unwrap_or_default();
        assert_eq!(help(&NAME, "My App"), "write `my-app`");
        assert_eq!(
            help(&DOMAIN, "https://a.b:443/x"),
            "write \"a.b\"; the port belongs to `listen`, a path to `route`"
        );
        assert_eq!(help(&LISTEN, "localhost:9000"), "write \"127.0.0.1:9000\"");
        assert_eq!(help(&LISTEN, ":80"), "write \"0.0.0.0:80\"");
        assert_eq!(help(&SEMVER, "v1.4"), "write \"1.4.0\"");
    }
}

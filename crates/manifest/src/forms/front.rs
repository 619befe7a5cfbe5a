//! The forms of what stands in front of services and of what judges them: networks, URLs, percentages.

use landfall_model::Network;

use super::{filled, status};
use crate::measure;
use crate::shape::{Flaw, Form};

/// A range of addresses.
pub(crate) static NETWORK: Form = Form {
    pattern: "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$",
    expected: "an address, or a range of them",
    check: network,
};
/// A mail address, as far as a form can say.
pub(crate) static EMAIL: Form =
    Form { pattern: r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$", expected: "a mail address", check: email };
/// An ACME server's directory.
pub(crate) static DIRECTORY: Form = Form {
    pattern: "^(production|staging|https://[!-~]+)$",
    expected: "`production`, `staging` or an https URL",
    check: directory,
};
/// A URL of HTTP.
pub(crate) static URL: Form = Form { pattern: "^https?://[!-~]+$", expected: "an http URL", check: url };
/// The name of a header or a cookie (RFC 9110, 5.6.2).
pub(crate) static TOKEN: Form =
    Form { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$", expected: "a name as HTTP has it", check: token };
/// A part of a number of instances.
pub(crate) static PART: Form =
    Form { pattern: "^([0-9]{1,2}|100)%$", expected: "0% to 100%", check: |text| percent(text, 100, 0) };
/// A rate in percent, with two decimals at most.
pub(crate) static RATE: Form = Form {
    pattern: r"^([0-9]{1,2}(\.[0-9]{1,2})?|100(\.0{1,2})?)%$",
    expected: "0% to 100%, in steps of 0.01%",
    check: |text| percent(text, 100, 2),
};
/// A rise in percent.
pub(crate) static RISE: Form =
    Form { pattern: "^([0-9]{1,3}|1000)%$", expected: "0% to 1000%", check: |text| percent(text, 1_000, 0) };
/// A status of an error.
pub(crate) static ERROR_STATUS: Form =
    Form { pattern: "^[45][0-9]{2}$", expected: "a status from 400 to 599", check: error_status };

fn network(text: &str) -> Result<(), Flaw> {
    text.parse::<Network>().map(drop).map_err(Flaw::new)
}

fn email(text: &str) -> Result<(), Flaw> {
    let good = |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && c != '\0');
    match text.split_once('@') {
        Some((name, host))
            if good(name)
                && good(host)
                && !host.contains('@')
                && host.rsplit_once('.').is_some_and(|(host, top)| !host.is_empty() && !top.is_empty()) =>
        {
            Ok(())
        }
        _ => Err(Flaw::new(format!("`{text}` is not a mail address"))),
    }
}

fn directory(text: &str) -> Result<(), Flaw> {
    if matches!(text, "production" | "staging") {
        return Ok(());
    }
    let flaw = Flaw::new(format!("`{text}` is no ACME directory"));
    if text.starts_with("http://") {
        return Err(flaw.help("ACME speaks HTTPS alone (RFC 8555, 6.1): write https://…"));
    }
    match text.strip_prefix("https://") {
        Some(rest) if is_rest_of_url(rest) => Ok(()),
        _ => Err(flaw
            .help("use \"production\" or \"staging\" for Let's Encrypt, or the https URL of another server")),
    }
}

fn url(text: &str) -> Result<(), Flaw> {
    filled(text)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if rest.is_some_and(is_rest_of_url) {
        return Ok(());
    }
    Err(Flaw::new(format!("`{text}` is no URL of HTTP"))
        .help("write it whole, as in \"http://127.0.0.1:9090\""))
}

fn is_rest_of_url(rest: &str) -> bool {
    !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic())
}

fn token(text: &str) -> Result<(), Flaw> {
    let good = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+.^_`|~-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(good) {
        return Ok(());
    }
    Err(Flaw::new(format!("`{text}` is no name as HTTP has it"))
        .help("use up to 64 letters, digits, `-` and `_`"))
}

/// A percentage up to `most` with so many decimals.
fn percent(text: &str, most: u32, decimals: usize) -> Result<(), Flaw> {
    let Some(hundredths) = measure::percent(text) else {
        let flaw = Flaw::new(format!("`{text}` is not a percentage"));
        return Err(flaw.help("write it as \"25%\""));
    };
    if text.split_once('.').is_some_and(|(_, rest)| rest.len() > decimals + 1) {
        return Err(Flaw::new(format!("`{text}` is more exact than it can be")));
    }
    if hundredths > most * 100 { Err(Flaw::new(format!("`{text}` is more than {most}%"))) } else { Ok(()) }
}

fn error_status(text: &str) -> Result<(), Flaw> {
    match status(text) {
        Some(400..=599) => Ok(()),
        _ => Err(Flaw::new(format!("`{text}` is no status of an error"))
            .help("the proxy itself answers with 400 to 599, such as 502, 503 and 504")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_take_the_good_and_refuse_the_bad() {
        let cases: [(&Form, &[&str], &[&str]); 9] = [
            (&NETWORK, &["10.0.0.0/8", "::1", "fd00::/8"], &["", "10.0.0.0/33", "localhost", "10.0/8"]),
            (&EMAIL, &["a@b.c", "ops+x@example.com"], &["", "a", "a@b", "@b.c", "a@", "a b@c.d", "a@b@c.d"]),
            (
                &DIRECTORY,
                &["production", "staging", "https://127.0.0.1:14000/dir"],
                &["", "letsencrypt", "http://a.b/dir", "https://", "https://a b"],
            ),
            (&URL, &["http://127.0.0.1:9090", "https://p.example/x"], &["", "p:9090", "http://", "ftp://a"]),
            (&TOKEN, &["x-user-id", "landfall_release"], &["", "a b", "a=b", "ä", "a;"]),
            (&PART, &["0%", "25%", "100%"], &["", "25", "101%", "-1%", "2.5%", "%"]),
            (&RATE, &["0%", "0.1%", "0.05%", "100%"], &["", "0.1", "0.001%", "100.01%", ".1%", "0.%"]),
            (&RISE, &["25%", "1000%"], &["1001%", "1.5%", "x%"]),
            (&ERROR_STATUS, &["400", "502", "599"], &["", "200", "600", "5xx", "0502"]),
        ];
        for (form, good, bad) in cases {
            for text in good {
                assert_eq!((form.check)(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!((form.check)(text).is_err(), "{text}");
            }
        }
    }
}

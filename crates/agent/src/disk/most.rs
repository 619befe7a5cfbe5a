//! How much of a disk something may take, as the agent's environment says it.

use landfall_model::Fault;

/// The variable with what all images of ours may take together: beyond it, old releases that are only kept for a
/// rollback go, but for the newest of each service.
pub(crate) const IMAGES: &str = "LANDFALL_IMAGES";

/// What `LANDFALL_IMAGES` is when it is not set.
pub(crate) const IMAGES_DEFAULT: Most = Most::Percent(50);

/// The variable with what the builder's cache may take. Unset, it is left alone: it is not ours alone.
pub(crate) const BUILD_CACHE: &str = "LANDFALL_BUILD_CACHE";

/// The variable with what volumes that no release needs may take together. Unset, none goes for its room.
pub(crate) const VOLUMES: &str = "LANDFALL_VOLUMES";

/// How much something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Most {
    /// As much as it likes.
    All,
    /// Bytes.
    Bytes(u64),
    /// Of a hundred parts of the file system.
    Percent(u8),
}

impl Most {
    /// Reads `off`, `20%`, `5GiB`, `500MB`, `1073741824`.
    ///
    /// # Errors
    /// A usage fault that names the variable.
    pub(crate) fn read(variable: &str, text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let wrong = || {
            Fault::usage(format!("{variable} is `{text}`, which is no amount of a disk"))
                .help("write `20%`, `5GiB` or `off` into the agent's environment, and start it again")
        };
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::All);
        }
        if let Some(percent) = text.strip_suffix('%') {
            return percent
                .trim()
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(Self::Percent)
                .ok_or_else(wrong);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let factor = match unit.trim() {
            "" | "B" => 1,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            "TiB" | "T" => 1 << 40,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return Err(wrong()),
        };
        Ok(Self::Bytes(number.saturating_mul(factor)))
    }

    /// The bytes that it comes to on a file system of `total` bytes; `None` for no limit.
    pub(crate) fn bytes(self, total: u64) -> Option<u64> {
        match self {
            Self::All => None,
            Self::Bytes(bytes) => Some(bytes),
            Self::Percent(percent) => Some(total / 100 * u64::from(percent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        let read = |text| Most::read("V", text).ok();
        assert_eq!(read("off"), Some(Most::All));
        assert_eq!(read("20 %"), Some(Most::Percent(20)));
        assert_eq!(read("5GiB"), Some(Most::Bytes(5 << 30)));
        assert_eq!(read("500 MB"), Some(Most::Bytes(500_000_000)));
        assert_eq!(read("0"), Some(Most::Bytes(0)));
        for bad in ["", "101%", "GiB", "5 apples", "-1"] {
            let fault = Most::read("LANDFALL_IMAGES", bad).unwrap_err();
            assert!(fault.message.contains("LANDFALL_IMAGES"), "{bad}");
        }
    }

    #[test]
    fn a_share_is_of_the_file_system() {
        assert_eq!(Most::Percent(20).bytes(1_000), Some(200));
        assert_eq!(Most::All.bytes(1_000), None);
    }
}

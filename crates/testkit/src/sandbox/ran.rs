//! A command of the binary that ended: what it printed and how it ended.

use std::fmt;
use std::time::Duration;

use landfall_model::{Fault, Receipt, Stamped};

/// What came of one run of the binary.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The arguments it was given.
    pub arguments: Vec<String>,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arguments, code, stdout, stderr, took } = self;
        write!(
            f,
            "landfall {} gave {code:?} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            arguments.join(" ")
        )
    }
}

impl Ran {
    /// The same, having ended with this code.
    ///
    /// # Panics
    /// When it ended otherwise; shows all it printed.
    #[track_caller]
    #[must_use]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The same, having ended well.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// The same, having printed this, on either stream.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "`{text}` is missing: {self}");
        self
    }

    /// The events that `--json` printed, in order.
    ///
    /// # Panics
    /// When a line is no JSON, or none of an event (the receipts at the end are passed over).
    #[track_caller]
    #[must_use]
    pub fn events(&self) -> Vec<Stamped> {
        let is_event = |value: &serde_json::Value| value.get("seq").is_some() && value.get("event").is_some();
        let events = self.lines_of_json().into_iter().filter(is_event);
        events
            .map(|value| {
                serde_json::from_value(value).unwrap_or_else(|error| panic!("no event: {error}: {self}"))
            })
            .collect()
    }

    /// The receipts that `--json` printed last, one for each service that changed.
    ///
    /// # Panics
    /// When one is of another form.
    #[track_caller]
    #[must_use]
    pub fn receipts(&self) -> Vec<Receipt> {
        let receipts =
            self.lines_of_json().into_iter().filter_map(|mut line| Some(line.get_mut("receipt")?.take()));
        receipts
            .map(|value| {
                serde_json::from_value(value).unwrap_or_else(|error| panic!("no receipt: {error}: {self}"))
            })
            .collect()
    }

    /// The one receipt that `--json` printed last.
    ///
    /// # Panics
    /// When there is none or more than one.
    #[track_caller]
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        let mut receipts = self.receipts();
        assert_eq!(receipts.len(), 1, "one receipt is expected: {self}");
        receipts.remove(0)
    }

    /// The fault that `--json` told of: of the transaction's end, or of the command.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn fault(&self) -> Fault {
        let lines = self.lines_of_json().into_iter();
        let mut faults =
            lines.filter_map(|line| line.get("fault").filter(|fault| fault.is_object()).cloned());
        let fault = faults.next_back().unwrap_or_else(|| panic!("no fault: {self}"));
        serde_json::from_value(fault).unwrap_or_else(|error| panic!("no fault: {error}: {self}"))
    }

    /// Every line of standard output as JSON.
    ///
    /// # Panics
    /// When one is not.
    #[track_caller]
    #[must_use]
    pub fn lines_of_json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): `{line}`: {self}"))
        };
        self.stdout.lines().filter(|line| !line.is_empty()).map(parse).collect()
    }
}

//! Verdicts: what a person is told.

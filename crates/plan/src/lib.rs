//! Pure planning: desired and observed in, an ordered plan with its forecast out.

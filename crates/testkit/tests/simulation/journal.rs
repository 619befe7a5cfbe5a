//! The journal under damage: cut anywhere, changed anywhere, it is read as far as it is good.

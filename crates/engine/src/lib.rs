//! Journal, lease, executor, recovery: walks a saved plan and survives being killed.

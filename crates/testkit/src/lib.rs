//! For tests: a simulated world with seeded faults, a sandbox for the whole binary, a load.

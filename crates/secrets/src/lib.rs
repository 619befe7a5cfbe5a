//! Where secret values come from: one module per provider behind one small trait.

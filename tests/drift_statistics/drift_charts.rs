//! The charts of drift. The files are left in `target/tmp/drift_charts` to be looked at.

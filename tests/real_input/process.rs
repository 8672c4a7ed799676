//! The process: names that are no UTF-8, limits, panics, options.

//! Verdicts of models whose routing is known beforehand.

//! Charts: SVG and PNG from statistics tables. Never computes.

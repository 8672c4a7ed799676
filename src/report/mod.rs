//! Findings -> summary.json, verdict, HTML.

//! Writes cells as the JSON of nbformat 4.5, formatted as Jupyter itself does it: sorted keys, indented by one space.

use serde::Serialize;
use serde_json::{Value, json, ser::PrettyFormatter};

use crate::error::{Error, Result};

/// A cell of a notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotebookCell {
    /// Text with its identifier.
    Markdown(String, String),
    /// Python with its identifier.
    Code(String, String),
    /// Python that a program may replace when it runs the notebook: the tag is that of papermill.
    Parameters(String),
}

impl NotebookCell {
    fn json(&self) -> Value {
        match self {
            Self::Markdown(id, text) => {
                json!({ "cell_type": "markdown", "id": id, "metadata": {}, "source": lines(text) })
            }
            Self::Code(id, text) => code(id, text, &json!({})),
            Self::Parameters(text) => code("parameters", text, &json!({ "tags": ["parameters"] })),
        }
    }
}

fn code(id: &str, text: &str, metadata: &Value) -> Value {
    json!({
        "cell_type": "code", "execution_count": null, "id": id, "metadata": metadata, "outputs": [],
        "source": lines(text),
    })
}

/// The lines of a cell, each with its end, as nbformat wants them.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().split_inclusive('\n').collect()
}

/// The file: cells, and the language that they are in.
pub(super) fn document(cells: &[NotebookCell]) -> Result<Vec<u8>> {
    let document = json!({
        "cells": cells.iter().map(NotebookCell::json).collect::<Vec<_>>(),
        "metadata": {
            "kernelspec": { "display_name": "Python 3", "language": "python", "name": "python3" },
            "language_info": { "file_extension": ".py", "mimetype": "text/x-python", "name": "python" },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    });
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b" "));
    document.serialize(&mut writer).map_err(|error| Error::internal(format!("a notebook as JSON: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_keeps_its_end_but_the_last() {
        assert_eq!(lines("a\n\nb\n"), ["a\n", "\n", "b"]);
        let bytes = document(&[NotebookCell::Parameters("x = 1\ny = 2".into())]).unwrap();
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["cells"][0]["source"], json!(["x = 1\n", "y = 2"]));
        assert_eq!(read["cells"][0]["metadata"]["tags"], json!(["parameters"]));
    }
}

//! Numbers of assignments of a run that has no trace: `counts.parquet`, and back.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::frame::{column, read_parquet, to_parquet, unreadable, values};
use crate::{
    error::{Error, Result},
    routing::{ExpertId, LayerId, RoutingShape},
    run::{RunDir, RunRecord},
};

/// The file, in the folder of the run. It is a file of counts of the interchange `moe-routing` too.
const FILE: &str = "counts.parquet";

/// What was counted together: a document, or a category where documents are not told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountedUnit {
    /// Name of the document, where documents are told apart.
    pub document: Option<String>,
    /// Category.
    pub category: Option<String>,
}

/// Numbers of assignments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssignmentCounts {
    /// Experts and choices of every layer.
    pub shape: RoutingShape,
    /// What was counted together.
    pub units: Vec<CountedUnit>,
    /// By layer, in the order of `shape`.
    pub layers: Vec<LayerCounts>,
}

/// The assignments of a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerCounts {
    /// Assignments, `[units, experts]`.
    pub assignments: Vec<u64>,
    /// Tokens that went through the layer, `[units]`.
    pub tokens: Vec<u64>,
}

impl AssignmentCounts {
    /// Whether the counts are told apart by document.
    pub fn tells_documents(&self) -> bool {
        self.units.iter().any(|unit| unit.document.is_some())
    }

    /// The categories, by name.
    pub fn categories(&self) -> Vec<String> {
        let mut names: Vec<String> = self.units.iter().filter_map(|unit| unit.category.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Tokens that went through the layer that most went through.
    pub fn tokens(&self) -> u64 {
        self.layers.iter().map(|layer| layer.tokens.iter().sum()).max().unwrap_or(0)
    }

    /// Writes `counts.parquet`: a row for each layer, unit and expert that has assignments.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, run: &RunDir) -> Result<()> {
        let (mut layers, mut experts, mut counts, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut units: Vec<&CountedUnit> = Vec::new();
        for ((layer, shape), counted) in self.shape.layers().zip(&self.layers) {
            for (at, row) in counted.assignments.chunks_exact(shape.num_experts).enumerate() {
                for (expert, &count) in (0..).zip(row).filter(|(_, count)| **count > 0) {
                    let expert: ExpertId = expert;
                    layers.push(layer);
                    experts.push(expert);
                    counts.push(count);
                    tokens.push(counted.tokens[at]);
                    units.push(&self.units[at]);
                }
            }
        }
        let documents: Vec<Option<&str>> = units.iter().map(|unit| unit.document.as_deref()).collect();
        let categories: Vec<Option<&str>> = units.iter().map(|unit| unit.category.as_deref()).collect();
        let table = vec![
            Column::new("layer".into(), layers),
            Column::new("expert".into(), experts),
            Column::new("count".into(), counts),
            Column::new("tokens".into(), tokens),
            Column::new("document".into(), documents),
            Column::new("category".into(), categories),
        ];
        run.write(FILE, &to_parquet(table)?)
    }

    /// Reads the counts of a run back; what was counted together is in the order of the file.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if they cannot be read, or are not of the layers that the record names.
    pub fn read(run: &RunDir, record: &RunRecord) -> Result<Self> {
        let (path, shape) = (run.file(FILE), record.shape(run.path())?);
        let frame = read_parquet(run, FILE, &["layer", "expert", "count", "tokens", "document", "category"])?;
        let text = |name: &str| -> Result<Vec<Option<String>>> {
            let column =
                frame.column(name).and_then(|column| column.str()).map_err(|error| unreadable(&path, &error))?;
            Ok(column.iter().map(|text| text.map(str::to_owned)).collect())
        };
        let names = text("document")?.into_iter().zip(text("category")?);
        let names: Vec<CountedUnit> = names.map(|(document, category)| CountedUnit { document, category }).collect();
        let (mut index, mut units) = (BTreeMap::new(), Vec::new());
        for unit in &names {
            index.entry(unit).or_insert_with(|| {
                units.push(unit.clone());
                units.len() - 1
            });
        }
        let mut counts = Self::empty(shape, units);
        let layers = values!(frame, &path, "layer", u16);
        let experts = values!(frame, &path, "expert", u16);
        let tokens = column!(frame, &path, "tokens", u64).collect::<Result<Vec<u64>>>()?;
        for (row, count) in column!(frame, &path, "count", u64).enumerate() {
            let added = counts.add((layers[row], experts[row]), index[&names[row]], count?, tokens[row]);
            added.map_err(|what| unreadable(&path, &what))?;
        }
        Ok(counts)
    }

    /// No assignment yet.
    pub fn empty(shape: RoutingShape, units: Vec<CountedUnit>) -> Self {
        let of =
            |experts: usize| LayerCounts { assignments: vec![0; units.len() * experts], tokens: vec![0; units.len()] };
        let layers = shape.layers().map(|(_, layer)| of(layer.num_experts)).collect();
        Self { shape, units, layers }
    }

    /// Adds to the assignments of an expert; says which layer or expert does not exist.
    fn add(
        &mut self,
        (layer, expert): (LayerId, ExpertId),
        unit: usize,
        count: u64,
        tokens: u64,
    ) -> Result<(), String> {
        let at = self.shape.index(layer).ok_or_else(|| format!("holds layer {layer}, which does not route"))?;
        let experts = self.shape.experts(layer);
        if usize::from(expert) >= experts {
            return Err(format!("holds expert {expert} of {experts}"));
        }
        let counted = &mut self.layers[at];
        let sum = &mut counted.assignments[unit * experts + usize::from(expert)];
        *sum = sum.checked_add(count).ok_or("holds more assignments than can be counted")?;
        counted.tokens[unit] = tokens;
        Ok(())
    }
}

/// Refuses to take counts for a trace.
pub(super) fn refuse_counts(run: &RunDir) -> Error {
    Error::run_folder(
        format!("`{}` holds numbers of assignments, not the choices of tokens", run.path().display()),
        "name a run with a trace: a forward pass, or an import of the routes of every token",
    )
}

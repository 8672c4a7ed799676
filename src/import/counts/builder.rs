//! Rows of counts become a table.

use std::collections::{HashMap, HashSet};

use super::table::{CountTable, CountUnit};
use crate::{
    import::routes::Header,
    routing::{ExpertId, LayerId},
};

/// Assignments of one expert.
#[derive(Clone, Debug, Default)]
pub(in crate::import) struct CountRow<'a> {
    /// Decoder layer index, from 0.
    pub(in crate::import) layer: LayerId,
    /// Logical expert.
    pub(in crate::import) expert: ExpertId,
    /// Assignments.
    pub(in crate::import) count: u64,
    /// Category of the text.
    pub(in crate::import) category: Option<&'a str>,
    /// Document.
    pub(in crate::import) document: Option<&'a str>,
    /// Forward pass or training step.
    pub(in crate::import) step: Option<u64>,
    /// Tokens of this category, document and step that went through the layer.
    pub(in crate::import) tokens: Option<u64>,
}

/// Category and document.
type Unit = (Option<String>, Option<String>);

/// Adds rows up: steps and token ids are not told apart.
pub(in crate::import) struct CountBuilder {
    table: CountTable,
    /// Places of the layers in the header, and where their experts begin.
    layers: HashMap<LayerId, (usize, usize)>,
    /// Experts of all layers.
    width: usize,
    units: HashMap<Unit, usize>,
    steps: HashSet<u64>,
    /// Tokens by unit, layer and step, which every row of these repeats.
    tokens: HashMap<(usize, usize, Option<u64>), Option<u64>>,
}

impl CountBuilder {
    /// No row yet. The header says how many experts each layer has.
    pub(in crate::import) fn new(header: Header) -> Self {
        let (mut layers, mut width) = (HashMap::new(), 0);
        for (at, layer) in header.layers.iter().enumerate() {
            layers.insert(layer.layer, (at, width));
            width += layer.num_experts.unwrap_or(0);
        }
        let table = CountTable { header, units: Vec::new(), tokens: None, is_single_precision: false };
        Self { table, layers, width, units: HashMap::new(), steps: HashSet::new(), tokens: HashMap::new() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Its layer or expert does not exist, its number of tokens contradicts that of another row, or a sum is too large.
    pub(in crate::import) fn add(&mut self, row: &CountRow<'_>) -> Result<(), String> {
        let &(at, start) =
            self.layers.get(&row.layer).ok_or_else(|| format!("counts layer {}, which does not route", row.layer))?;
        let experts = self.table.header.layers[at].num_experts.unwrap_or(0);
        if usize::from(row.expert) >= experts {
            return Err(format!("counts expert {} in layer {}, which has {experts}", row.expert, row.layer));
        }
        let unit = self.unit(row);
        let known = self.tokens.entry((unit, at, row.step)).or_insert(row.tokens);
        if *known != row.tokens {
            let told = |tokens: Option<u64>| tokens.map_or_else(|| "no number".to_owned(), |tokens| tokens.to_string());
            return Err(format!(
                "says {} of tokens in layer {}, another row of the same text says {}",
                told(row.tokens),
                row.layer,
                told(*known)
            ));
        }
        self.steps.extend(row.step);
        let sum = &mut self.table.units[unit].assignments[start + usize::from(row.expert)];
        *sum = sum.checked_add(row.count).ok_or("counts more assignments than a number of 64 bits holds")?;
        Ok(())
    }

    fn unit(&mut self, row: &CountRow<'_>) -> usize {
        let name = (row.category.map(str::to_owned), row.document.map(str::to_owned));
        if let Some(unit) = self.units.get(&name) {
            return *unit;
        }
        self.table.units.push(CountUnit {
            category: name.0.clone(),
            document: name.1.clone(),
            assignments: vec![0; self.width],
            tokens: vec![None; self.table.header.layers.len()],
        });
        self.units.insert(name, self.table.units.len() - 1);
        self.table.units.len() - 1
    }

    /// The table.
    pub(in crate::import) fn finish(mut self) -> CountTable {
        let mut sums: HashMap<(usize, usize), Option<u64>> = HashMap::new();
        for ((unit, layer, _), tokens) in self.tokens {
            let sum = sums.entry((unit, layer)).or_insert(Some(0));
            *sum = sum.zip(tokens).map(|(sum, tokens)| sum.saturating_add(tokens));
        }
        for ((unit, layer), tokens) in sums {
            self.table.units[unit].tokens[layer] = tokens;
        }
        if self.steps.len() > 1 {
            self.table.header.remarks.push(format!("the counts of {} steps are added up", self.steps.len()));
        }
        self.table
    }
}

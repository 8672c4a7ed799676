//! Reads back the tables about the input: sequences, messages, routing groups.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use polars::prelude::{DataFrame, StringChunked};

use super::{
    columns::{GroupTable, SequenceTable, SpanTable},
    frame::{column, read_parquet, unreadable},
    read_trace::{RoutingTrace, rows_before},
};
use crate::{
    corpus::Role,
    error::{Error, OptionName, Result},
    routing::LayerId,
    run::RunDir,
};

impl RoutingTrace {
    /// The sequences, documents, categories, data sets and token texts of the run.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a table cannot be read; [`Error::Usage`] if there are more categories or data sets than can be
    /// numbered.
    pub fn sequences(&self) -> Result<SequenceTable> {
        let path = self.run.file("sequences.parquet");
        let frame = read_parquet(&self.run, "sequences.parquet", &["document", "category", "tokens"])?;
        let mut table = SequenceTable {
            tokens: column!(frame, &path, "tokens", u32).collect::<Result<_>>()?,
            ..SequenceTable::default()
        };
        let documents = column!(frame, &path, "document", str).map(|name| name.map(str::to_owned));
        (table.document, table.document_names) = by_first_appearance(documents)?;
        read_categories(&frame, &path, &mut table)?;
        let (dataset, names) = by_first_appearance(dataset_names(&self.run)?.into_iter().map(Ok))?;
        within_u16(names.len(), "data sets", "give fewer files")?;
        table.dataset = dataset.into_iter().map(|dataset| dataset as u16).collect();
        table.dataset_names = names;
        let path = self.run.file("tokens.parquet");
        let frame = read_parquet(&self.run, "tokens.parquet", &["token_id", "text"])?;
        let texts = text(&frame, &path, "text")?;
        for (id, text) in column!(frame, &path, "token_id", u32).zip(texts.iter()) {
            if let Some(text) = text {
                table.token_text.insert(id?, text.to_owned());
            }
        }
        Ok(table)
    }

    /// Counts lengths and messages in rows of the trace, where some tokens have none: what reads them as places among the rows of a
    /// layer needs that.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if a part cannot be read.
    pub fn count_in_rows(&self, sequences: &mut SequenceTable, spans: &mut SpanTable) -> Result<()> {
        for segment in 0..self.segments() {
            for (sequence, positions) in self.sequences_of(segment)? {
                if let Some(tokens) = sequences.tokens.get_mut(sequence as usize) {
                    *tokens = positions.len() as u32;
                }
                let row = |position| rows_before(&positions, position);
                let own = spans.sequence.partition_point(|other| *other < sequence)
                    ..spans.sequence.partition_point(|other| *other <= sequence);
                for at in own {
                    (spans.start[at], spans.end[at]) = (row(spans.start[at]), row(spans.end[at]));
                }
            }
        }
        Ok(())
    }

    /// The name of the document of every sequence; `None` where nothing named it, so that its place in a file stands for the name.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the table cannot be read.
    pub fn named_documents(&self) -> Result<Vec<Option<String>>> {
        let path = self.run.file("sequences.parquet");
        let frame = read_parquet(&self.run, "sequences.parquet", &["document", "source"])?;
        let places = column!(frame, &path, "source", str);
        let names = column!(frame, &path, "document", str).zip(places);
        names
            .map(|(name, place)| {
                Ok(Some(name?).filter(|name| place.as_ref().is_ok_and(|place| place != name)).map(str::to_owned))
            })
            .collect()
    }

    /// Occurrences of every token id that occurs.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the table cannot be read.
    pub fn token_counts(&self) -> Result<BTreeMap<u32, u64>> {
        let path = self.run.file("tokens.parquet");
        let frame = read_parquet(&self.run, "tokens.parquet", &["token_id", "count"])?;
        let ids = column!(frame, &path, "token_id", u32);
        ids.zip(column!(frame, &path, "count", u64)).map(|(id, count)| Ok((id?, count?))).collect()
    }

    /// The messages of the conversations; empty for a run over plain text.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the table cannot be read.
    pub fn spans(&self) -> Result<SpanTable> {
        let path = self.run.file("spans.parquet");
        if !self.run.has("spans.parquet") {
            return Ok(SpanTable::default());
        }
        let frame = read_parquet(&self.run, "spans.parquet", &["sequence", "turn", "role", "start", "end"])?;
        let role = |name: &str| Role::from_name(name).ok_or_else(|| unreadable(&path, &format!("role \"{name}\"")));
        Ok(SpanTable {
            sequence: column!(frame, &path, "sequence", u32).collect::<Result<_>>()?,
            turn: column!(frame, &path, "turn", u16).collect::<Result<_>>()?,
            role: column!(frame, &path, "role", str).map(|name| role(name?)).collect::<Result<_>>()?,
            start: column!(frame, &path, "start", u32).collect::<Result<_>>()?,
            end: column!(frame, &path, "end", u32).collect::<Result<_>>()?,
        })
    }

    /// The routing groups and their capacities in one layer.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the table cannot be read, or its groups are not consecutive.
    pub fn groups(&self, of: LayerId) -> Result<GroupTable> {
        let path = self.run.file("groups.parquet");
        let frame = read_parquet(&self.run, "groups.parquet", &["group", "sequence", "layer", "capacity"])?;
        let mut table = GroupTable::default();
        let rows = column!(frame, &path, "group", u32)
            .zip(column!(frame, &path, "sequence", u32))
            .zip(column!(frame, &path, "layer", u16))
            .zip(column!(frame, &path, "capacity", u32));
        let mut next = 0;
        for (((group, sequence), layer), capacity) in rows {
            let (group, sequence, capacity) = (group?, sequence?, capacity?);
            if layer? != of {
                continue;
            }
            if group as usize == table.sequences.len() {
                table.sequences.push(sequence..sequence);
                table.capacity.push(capacity);
            }
            match table.sequences.last_mut() {
                Some(range) if sequence == next && group as usize + 1 == table.capacity.len() => range.end = next + 1,
                _ => return Err(unreadable(&path, &format!("sequence {sequence} of group {group} is out of order"))),
            }
            next += 1;
        }
        Ok(table)
    }
}

/// Indices of names in the order of their first appearance, and the names.
fn by_first_appearance(names: impl Iterator<Item = Result<String>>) -> Result<(Vec<u32>, Vec<String>)> {
    let mut index: HashMap<String, u32> = HashMap::new();
    let (mut indices, mut distinct) = (Vec::new(), Vec::new());
    for name in names {
        let name = name?;
        let next = distinct.len() as u32;
        indices.push(*index.entry(name).or_insert_with_key(|name| {
            distinct.push(name.clone());
            next
        }));
    }
    Ok((indices, distinct))
}

fn read_categories(frame: &DataFrame, path: &Path, table: &mut SequenceTable) -> Result<()> {
    let categories = text(frame, path, "category")?;
    table.category_names = categories.iter().flatten().map(str::to_owned).collect();
    table.category_names.sort();
    table.category_names.dedup();
    within_u16(
        table.category_names.len(),
        "categories",
        &format!("name a key with fewer values by {}", OptionName::Category),
    )?;
    let position = |name: &str| table.category_names.binary_search_by(|known| known.as_str().cmp(name)).ok();
    table.category = categories.iter().map(|name| name.and_then(position).map(|category| category as u16)).collect();
    Ok(())
}

/// The data set of every sequence; in runs that were made before there were data sets, the stem of its file.
fn dataset_names(run: &RunDir) -> Result<Vec<String>> {
    let path = run.file("sequences.parquet");
    if let Ok(frame) = read_parquet(run, "sequences.parquet", &["dataset"]) {
        return column!(frame, &path, "dataset", str).map(|name| name.map(str::to_owned)).collect();
    }
    let frame = read_parquet(run, "sequences.parquet", &["source"])?;
    column!(frame, &path, "source", str).map(|source| source.map(stem)).collect()
}

fn stem(source: &str) -> String {
    let stem = |path: &str| Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = stem(source).unwrap_or_else(|| source.to_owned());
    // A name such as `a.jsonl.zst` has two endings.
    name.strip_suffix(".jsonl").map_or(name.clone(), str::to_owned)
}

fn text<'a>(frame: &'a DataFrame, path: &Path, name: &str) -> Result<&'a StringChunked> {
    frame.column(name).and_then(|column| column.str()).map_err(|error| unreadable(path, &error))
}

fn within_u16(count: usize, what: &str, hint: &str) -> Result<()> {
    if u16::try_from(count).is_ok() {
        return Ok(());
    }
    Err(Error::usage(format!("{count} {what}; expected at most {}", u16::MAX), hint))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        corpus::{Role, Sequence, Span},
        routing::{CapacityRule, GroupRule, RouterSettings, RoutingShape},
        run::{Identity, Occupied, RecordedLayout, RunDir, RunKind, RunRecord},
        trace::{TraceLayout, write_inputs},
    };

    fn sequence(source: &str, dataset: &str, tokens: usize, spans: Vec<Span>) -> Sequence {
        Sequence {
            source: source.into(),
            dataset: dataset.into(),
            document: format!("{dataset}/{tokens}"),
            category: None,
            token_ids: vec![7; tokens],
            spans,
            truncated: false,
        }
    }

    /// A run over the sequences, two in each group, top-2 of 4 experts at factor 1.
    fn written(dir: &Path, sequences: &[Sequence]) -> RoutingTrace {
        let (run, _) = RunDir::prepare(dir, Occupied::Refuse, &json!({})).unwrap();
        let layout = RecordedLayout { moe_layers: vec![1, 3], num_experts: 4, top_k: 2, ..RecordedLayout::default() };
        run.write_record(&RunRecord::new(Identity::new(RunKind::Route), "tiny", layout)).unwrap();
        let lengths: Vec<_> = sequences.iter().map(|sequence| sequence.token_ids.len()).collect();
        let router = RouterSettings {
            num_experts: 4,
            top_k: 2,
            capacity_rule: CapacityRule::Port,
            capacity_factor: 1.0,
            min_capacity: 4,
        };
        let layout = TraceLayout::new(&lengths, GroupRule::Batch(2), RoutingShape::uniform(vec![1, 3], router));
        write_inputs(&run, &layout, sequences, "tiny", |_| Some("x".into())).unwrap();
        RoutingTrace::open(&run).unwrap()
    }

    #[test]
    fn spans_data_sets_and_groups_come_back_as_written() {
        let span = |turn, role, start, end| Span { turn, role, start, end };
        let spans = vec![span(0, Role::System, 0, 2), span(1, Role::User, 2, 2), span(2, Role::Tool, 2, 9)];
        let dir = tempfile::tempdir().unwrap();
        let sequences = [
            sequence("t/chat.jsonl", "chat", 9, spans),
            sequence("c/b.jsonl", "c", 11, Vec::new()),
            sequence("t/chat.jsonl", "chat", 12, vec![span(0, Role::Assistant, 0, 12)]),
        ];
        let trace = written(dir.path(), &sequences);
        let table = trace.sequences().unwrap();
        assert_eq!((table.dataset, table.dataset_names), (vec![0, 1, 0], vec!["chat".to_owned(), "c".to_owned()]));
        let spans = trace.spans().unwrap();
        assert_eq!(spans.sequence, [0, 0, 0, 2]);
        assert_eq!(spans.turn, [0, 1, 2, 0]);
        assert_eq!(spans.role, [Role::System, Role::User, Role::Tool, Role::Assistant]);
        assert_eq!((spans.start, spans.end), (vec![0, 2, 2, 0], vec![2, 2, 9, 12]));
        // 2 * 1.0 * 20 / 4 = 10 slots for the first two, 2 * 12 / 4 = 6 for the last.
        let groups = trace.groups(3).unwrap();
        assert_eq!((groups.sequences, groups.capacity), (vec![0..2, 2..3], vec![10, 6]));
    }

    #[test]
    fn a_run_without_data_sets_names_them_after_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let trace = written(dir.path(), &[sequence("c/a.b.jsonl.zst", "x", 3, Vec::new())]);
        assert!(trace.spans().unwrap().sequence.is_empty());
        let old = vec![
            polars::prelude::Column::new("source".into(), ["c/a.b.jsonl.zst", "-", "d/text.md"]),
            polars::prelude::Column::new("document".into(), ["a", "b", "b"]),
            polars::prelude::Column::new("category".into(), [None::<&str>, Some("y"), None]),
            polars::prelude::Column::new("tokens".into(), [3_u32, 1, 1]),
        ];
        std::fs::write(dir.path().join("sequences.parquet"), super::super::frame::to_parquet(old).unwrap()).unwrap();
        let table = trace.sequences().unwrap();
        assert_eq!(table.dataset_names, ["a.b", "-", "text"]);
        assert_eq!((table.document, table.category), (vec![0, 1, 1], vec![None, Some(0), None]));
    }
}

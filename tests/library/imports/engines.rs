//! A run of this program, written as other engines and scripts would have recorded it, and imported: its tables are those of the
//! same routes in the interchange, with as much beside them as the format holds, to the last bit; rows that are withheld included.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use expect_test::expect;
use half::f16;
use openmoe_analyze::{pipeline::ImportRunOptions, stats::Tables};

use super::carriers::{NATIVE, compare, imported, options, with_model};
use crate::support::carriers::{Recorded, With, write_npz};

/// A format: its name, what it holds, and how it is written and read.
pub(super) struct Engine {
    pub(super) name: &'static str,
    /// Whether it has token ids, the order of the choices, shares, logits and drops.
    with: With,
    /// Whether it names categories.
    names: bool,
    /// A share as it comes back.
    share: fn(f32) -> f32,
    pub(super) write: fn(&Recorded, &Path),
    pub(super) options: fn(&Path) -> ImportRunOptions,
}

/// Tokens of every sequence of the run: formats that do not tell sequences apart cut them so.
const LENGTH: usize = 54;
/// Sequences of a micro-batch.
const BATCH: usize = 4;

const IDS: With = With { ids: true, order: false, logits: false, shares: false, drops: false };

pub(super) const ENGINES: [Engine; 10] = [
    Engine {
        name: "vllm",
        with: IDS,
        names: true,
        share: |share| share,
        write: |recorded, path| recorded.write_vllm(&path.with_extension("jsonl")),
        options: |path| with_model(&path.with_extension("jsonl")),
    },
    Engine {
        name: "sglang",
        with: IDS,
        names: true,
        share: |share| share,
        write: |recorded, path| recorded.write_sglang(&path.with_extension("jsonl")),
        options: |path| with_model(&path.with_extension("jsonl")),
    },
    Engine {
        name: "sglang-per-token",
        with: IDS,
        names: true,
        share: |share| share,
        write: Recorded::write_sglang_per_token,
        options: with_model,
    },
    Engine {
        name: "slime",
        with: IDS,
        names: true,
        share: |share| share,
        write: |recorded, path| recorded.write_slime(&path.with_extension("pt")),
        options: |path| with_model(&path.with_extension("pt")),
    },
    Engine {
        name: "megatron",
        with: With { order: true, ..IDS },
        names: false,
        share: |share| share,
        write: |recorded, path| recorded.write_megatron(path, BATCH),
        options: |path| {
            let mut options = with_model(&path.join("router_trace_rank0.jsonl"));
            options.import.tokens = Some(path.join("tokens.txt"));
            (options.import.micro_batch, options.import.sequence_length) = (Some(BATCH), Some(LENGTH));
            options
        },
    },
    Engine {
        name: "router-logits",
        with: With { order: true, logits: true, ..IDS },
        names: false,
        share: |share| share,
        write: |recorded, path| recorded.write_router_logits(path, write_npz),
        options: with_model,
    },
    Engine {
        name: "openmoe-json",
        with: With { ids: false, ..With::ALL },
        names: false,
        share: |share| share,
        write: |recorded, path| recorded.write_openmoe_json(&path.with_extension("json"), |_| LENGTH),
        options: |path| with_model(&path.with_extension("json")),
    },
    Engine {
        name: "esft",
        with: With { ids: false, order: true, shares: true, ..IDS },
        names: true,
        share: |share| format!("{share:.4}").parse().unwrap(),
        write: Recorded::write_esft,
        options: with_model,
    },
    Engine {
        name: "flame",
        with: With { order: true, shares: true, ..IDS },
        names: false,
        share: |share| f16::from_f32(share).to_f32(),
        write: Recorded::write_flame,
        options: |path| {
            let mut options = with_model(path);
            options.import.sequence_length = Some(LENGTH);
            options
        },
    },
    Engine {
        name: "olmoe",
        with: With { order: true, ..IDS },
        names: false,
        share: |share| share,
        write: |recorded, path| recorded.write_olmoe(&path.with_extension("jsonl")),
        options: |path| with_model(&path.with_extension("jsonl")),
    },
];

impl Engine {
    /// The run, with shares and names as far as the format keeps them.
    fn recorded(&self) -> Recorded {
        let recorded = Recorded::of(&NATIVE.run).with_shares(self.share);
        if self.names { recorded } else { recorded.without_names() }
    }

    /// The tables of the run, written in the format and imported.
    fn tables(&self, folder: &Path) -> Tables {
        let path = folder.join(self.name);
        (self.write)(&self.recorded(), &path);
        let (run, tables) = imported((self.options)(&path), &folder.join(format!("run-{}", self.name)));
        let format = run.record().unwrap().identity.import.unwrap().format;
        assert!(self.name.starts_with(&format), "{} was recognised as {format}", self.name);
        tables
    }

    /// The tables of the same routes in the interchange; formats that hold the same share them.
    fn in_interchange<'t>(&self, known: &'t mut HashMap<String, Tables>, folder: &Path) -> &'t Tables {
        let holds = format!("{:?}, names: {}, a share of {}", self.with, self.names, (self.share)(0.123_456));
        known.entry(holds).or_insert_with(|| {
            let path = folder.join(format!("interchange-{}", self.name));
            self.recorded().write_arrays(&path, self.with, write_npz);
            imported(options(&path), &folder.join(format!("run-interchange-{}", self.name))).1
        })
    }
}

/// Rows with a number.
fn numbers(tables: &Tables) -> usize {
    tables.values().flat_map(|table| &table.rows).filter(|row| row.estimate.is_some()).count()
}

/// Statistics that have a number in the run and none in the import.
fn withheld(native: &Tables, imported: &Tables) -> Vec<&'static str> {
    let known = |tables: &Tables| -> std::collections::BTreeSet<&'static str> {
        let rows = tables.values().flat_map(|table| &table.rows);
        rows.filter(|row| row.estimate.is_some()).map(|row| row.statistic.name()).collect()
    };
    known(native).difference(&known(imported)).copied().collect()
}

#[test]
fn every_format_gives_all_numbers_that_it_can_carry() {
    let recorded = Recorded::of(&NATIVE.run);
    assert!(recorded.sequences.iter().all(|of| of.token_ids.len() == LENGTH), "formats cut sequences to one length");
    assert_eq!(recorded.sequences.len() % BATCH, 0);
    let folder = tempfile::tempdir().unwrap();
    let (mut known, mut told) = (HashMap::new(), format!("the run: {} numbers\n", numbers(&NATIVE.tables)));
    for engine in &ENGINES {
        let tables = engine.tables(folder.path());
        for (name, table) in engine.in_interchange(&mut known, folder.path()) {
            assert_eq!(tables[name].rows, table.rows, "{}, {name}", engine.name);
        }
        let carried = numbers(&tables);
        if engine.names && !engine.with.shares {
            // Nothing was rounded, and the categories are there: the numbers are those of the run itself.
            assert_eq!(compare(&NATIVE.tables, &tables).0, carried);
        }
        writeln!(told, "{}: {carried} numbers; without {}", engine.name, withheld(&NATIVE.tables, &tables).join(" "))
            .unwrap();
    }
    expect![[r#"
        the run: 3932 numbers
        vllm: 1947 numbers; without router_entropy router_margin
        sglang: 1947 numbers; without router_entropy router_margin
        sglang-per-token: 1947 numbers; without router_entropy router_margin
        slime: 1947 numbers; without router_entropy router_margin
        megatron: 1557 numbers; without cramers_v domain_specialization jensen_shannon router_entropy router_margin
        router-logits: 1611 numbers; without cramers_v domain_specialization jensen_shannon
        openmoe-json: 936 numbers; without conditional_mutual_information cramers_v domain_specialization jensen_shannon routing_std routing_std_corrected token_predictability top_tokens vocabulary_specialization
        esft: 867 numbers; without conditional_mutual_information router_entropy token_predictability top_tokens vocabulary_specialization
        flame: 1575 numbers; without cramers_v domain_specialization jensen_shannon router_entropy
        olmoe: 1557 numbers; without cramers_v domain_specialization jensen_shannon router_entropy router_margin
    "#]].assert_eq(&told);
}

//! What was typed, and where it is to be written.

use super::*;

#[test]
fn unwritable_out() {
    let bench = Bench::new(TINY);
    let below_a_file = bench.path("corpus.jsonl").join("run");
    bench.refused(
        &["--out", below_a_file.to_str().unwrap()],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: cannot create `TEMP/corpus.jsonl/run`: Not a directory (os error 20)

        hint: a part of the path is a file: choose another path
    "#]],
    );
    let file = bench.path("corpus.jsonl");
    bench.refused(
        &["--out", file.to_str().unwrap()],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/corpus.jsonl` is a file; expected a folder or a path where one can be made

        hint: choose another --out
    "#]],
    );
}

#[test]
fn occupied_out() {
    let bench = Bench::new(TINY);
    fs::create_dir(bench.path("out")).unwrap();
    bench.write("out/thesis.tex", "mine");
    bench.refused(
        &[],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/out` holds other files; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]],
    );
    let outcome = bench.route(&["--force"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(fs::read(bench.path("out/thesis.tex")).unwrap(), b"mine", "foreign files stay");
    bench.route(&[]).refused(&expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/out` holds a complete run; expected a new or empty folder

        hint: choose another --out, or add --force to replace the run, or --resume to go on with it
    "#]]);
}

#[test]
fn unknown_flag_values() {
    let bench = Bench::new(TINY);
    bench.refused(&["--group", "batch:0"], &expect![[r#"
        error: invalid value 'batch:0' for '--group <GROUP>': routing group `batch:0` is unknown; expected sequence, batch:N or tokens:N with N >= 1

        For more information, try '--help'.
    "#]]);
    bench.refused(
        &["--capacity-rule", "colossal"],
        &expect![[r#"
        error: invalid value 'colossal' for '--capacity-rule <RULE>'
          [possible values: port, t5x, unlimited]

        For more information, try '--help'.
    "#]],
    );
    bench.refused(
        &["--capacity-factor", "-1"],
        &expect![[r#"
        error: --capacity-factor -1; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited
    "#]],
    );
    bench.refused(
        &["--capacity-factor", "nan"],
        &expect![[r#"
        error: --capacity-factor NaN; expected a positive number

        hint: for no drops at all use --capacity-rule unlimited
    "#]],
    );
    bench.refused(
        &["--frobnicate"],
        &expect![[r#"
        error: unexpected argument '--frobnicate' found

          tip: a similar argument exists: '--truncate'

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn nothing_typed_says_what_is_missing_and_shows_an_example() {
    openmoe_with(&["route"]).refused(&expect![[r#"
        error: the following required arguments were not provided:
          --corpus <PATH>...
          --out <DIR>
          <CHECKPOINT>

        Usage: openmoe-analyze route [OPTIONS] <CHECKPOINT> --corpus <PATH>... --out <DIR>

        For more information, try '--help'.

        Example:
          openmoe-analyze route path/to/openmoe-8b --corpus corpus/domains corpus/languages --out runs/8b

        Corpora: .jsonl, .json, .txt and .md, also as .gz or .zst, .parquet, folders of these, - for standard input. A row has `text` (or `input_ids`, or a prompt and its completion), and may have `id` and a category. If the text has another key, name it with --text-key.
    "#]]);
    openmoe_with(&[]).refused(&expect![[r#"
        Shows how a mixture-of-experts language model routes its tokens: exact forward pass of OpenMoE and
        eleven other families, routing trace, statistics with intervals and baselines, charts

        Usage: openmoe-analyze <COMMAND>

        Commands:
          route        Is routing decided by the token id, whatever the context? Forward pass, trace,
                       statistics, charts
          stats        Compute the statistics of a finished run again, without a forward pass
          chart        Draw the charts of a finished run again from its statistics
          report       Write one report of several finished runs: route, drift and drops together, or two
                       runs of a kind side by side
          fetch        Fetch checkpoints from the Hugging Face hub ahead of a run, into the cache that its
                       clients share
          inspect      Show what a checkpoint is, what a run would cost, and whether the model is sane
          convert      Write a checkpoint of any form that is read (T5X, pytorch_model.bin) as safetensors
          drift        When was routing learnt, and what still changes? The same tokens through several
                       checkpoints of one run
          drops        Are later tokens dropped more? Multi-turn transcripts: where tokens lose their
                       experts, why, and what prevents it
          mitigate     What does it cost to route otherwise, and what would help? The same text again with a
                       table, frozen routers, other slots
          import       Check routes that another engine recorded (vLLM, SGLang, transformers, Megatron ...),
                       and study them as a run
          recorder     Print the script that makes an engine record its routes
          demo         Run route, drift and drops on the bundled checkpoints, text and transcripts
          contrast     Which experts differ between two categories, roles, documents or turns of a run, or
                       between two runs?
          expert       What does one expert do? Its load, categories, classes of tokens, top tokens,
                       partners, drops
          token        Where does one token go, layer by layer? And which tokens moved most between
                       checkpoints?
          category     Which experts take a category, and how much of it is its token ids?
          reproduce    How far are finished runs from the paper? Its Figures 5-14 beside yours, and the
                       closed forms they must satisfy
          notebook     Write a Jupyter notebook that loads a finished run and draws its main figures again,
                       ready to be changed
          completions  Print what makes a shell complete subcommands, options and values
          man          Print the manual page, or write one page for every subcommand
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Try it on the bundled model and text:  openmoe-analyze demo

        Exit codes: 0 done, 1 a check that was asked for failed, 2 bad input or usage, 3 a fault of the
        tool, 130 interrupted (resumable).
    "#]]);
}

#[test]
fn stats_of_a_folder_that_holds_no_run() {
    let folder = tempfile::tempdir().unwrap();
    openmoe_with(&["stats", folder.path().to_str().unwrap()]).refused(&expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]]);
    openmoe_with(&["chart", folder.path().to_str().unwrap()]).refused(&expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]]);
}

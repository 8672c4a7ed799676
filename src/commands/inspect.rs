//! `inspect`: what a checkpoint is, what a run would cost, and whether the model is sane.

use serde_json::{Value, json};

use super::{checkpoint_places::CheckpointPlaces, progress::TerminalProgress, signals, terminal, threads};
use crate::{
    checkpoint::{Checkpoint, describe_oddities},
    cli::InspectArgs,
    error::Result,
    hub::TOKENIZERS,
    pipeline::{
        checkpoint_description::{Load, continue_text, describe_checkpoint},
        checkpoint_spec::CheckpointSpec,
        fingerprint::read_watched,
        hub_checkpoint::HubFiles,
        prepared_pass::open_tokenizer,
        quantities,
    },
    run::HubOrigin,
};

/// Prints a checkpoint's description, and what the model makes of a text.
pub(super) fn run(arguments: &InspectArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let mut spec = CheckpointSpec::in_folder(&arguments.checkpoint);
    let places = match arguments.text {
        // The text goes through all weights, which are better fetched with their hashes compared than read piece by piece.
        Some(_) => CheckpointPlaces::new(HubFiles::Everything, false, progress),
        None => CheckpointPlaces::new(HubFiles::Configuration, false, progress).without_zip(),
    };
    places.with_config(arguments.config.as_deref())?.resolve(&mut spec)?;
    let checkpoint = spec.open()?;
    // Of weights that are elsewhere only headers are read, unless a text goes through them.
    let is_elsewhere = checkpoint.bytes_elsewhere() > 0;
    let headers_only = is_elsewhere && arguments.text.is_none();
    let routers = if headers_only { Vec::new() } else { checkpoint.constant_routers()? };
    for line in checkpoint.notes().iter().chain(&routers) {
        terminal::warn(line);
    }
    let tokenizer = open_tokenizer(&checkpoint, progress)?;
    let load = Load {
        length: arguments.length.map(|length| length as usize),
        tokens: arguments.tokens,
        memory: arguments.memory.map(|size| size.as_u64()),
    };
    let mut description = describe_checkpoint(&checkpoint, tokenizer.as_ref(), load)?;
    if let Some(origin) = spec.origin() {
        description["hub"] = describe_place(&checkpoint, &spec, origin);
    }
    if let Some(text) = &arguments.text {
        // The forward pass reads all weights anyway, and whether they are sane is the question of this command.
        for index in (0..checkpoint.files().len()).filter(|_| !is_elsewhere) {
            for line in describe_oddities(&read_watched(&checkpoint, index, progress)?.oddities) {
                terminal::warn(&line);
            }
        }
        let sample = continue_text(&checkpoint, tokenizer.as_ref(), text, arguments.continuation)?;
        description["text"] = sample;
    }
    if arguments.json {
        terminal::print_json(&format!("{description:#}"))?;
    } else {
        print_description(&description)?;
    }
    Ok(())
}

/// Where a checkpoint of the hub is, and what a run would read of it.
fn describe_place(checkpoint: &Checkpoint, spec: &CheckpointSpec, origin: &HubOrigin) -> Value {
    let has = |name: &&str| match &spec.weights {
        Some(weights) => weights.folder.has(name),
        None => spec.folder.join(name).is_file(),
    };
    let tokenizers: Vec<&str> = TOKENIZERS.into_iter().filter(has).collect();
    json!({
        "repository": origin.repository,
        "revision": origin.revision,
        "commit": origin.commit,
        "bytes": checkpoint.bytes(),
        "bytes_elsewhere": checkpoint.bytes_elsewhere(),
        "bytes_for_routing": checkpoint.bytes_for_routing(),
        "bytes_to_fetch_for_routing": checkpoint.bytes_to_fetch_for_routing(),
        "tokenizers": tokenizers,
    })
}

/// The same in words.
fn hub_line(hub: &Value) -> String {
    let bytes = |key: &str| quantities::bytes(float(&hub[key]));
    let text = |key: &str| hub[key].as_str().unwrap_or_default();
    let kept = float(&hub["bytes_for_routing"]) - float(&hub["bytes_to_fetch_for_routing"]);
    let kept = if kept > 0.0 { format!(", {} of it are here already", quantities::bytes(kept)) } else { String::new() };
    let missing = if hub["bytes_elsewhere"].as_u64() == Some(0) {
        "all of it is here".to_owned()
    } else {
        format!(
            "{} of {} are not here; routing reads about {}{kept}",
            bytes("bytes_elsewhere"),
            bytes("bytes"),
            bytes("bytes_for_routing")
        )
    };
    format!("hub             {} at commit {} ({}): {missing}", text("repository"), text("commit"), text("revision"))
}

fn print_description(d: &Value) -> Result<()> {
    let mut lines = shape_lines(d);
    lines.extend(file_lines(d));
    lines.extend(cost_lines(d));
    lines.extend(d.get("text").into_iter().flat_map(text_lines));
    lines.iter().try_for_each(|line| terminal::print(line))
}

/// A number of the description, with its thousands grouped where it is a count.
fn number(value: &Value) -> String {
    value.as_u64().map_or_else(|| value.to_string(), quantities::grouped)
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn shape_lines(d: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let words = d["in_words"].as_array().into_iter().flatten();
    let words = words.map(|part| format!("{:<16}{}", text(&part["part"]), text(&part["words"])));
    let mut lines = vec![
        format!("checkpoint      {}", text(&d["checkpoint"])),
        format!("family          {}", text(&d["family"])),
        format!(
            "shape           hidden {}, intermediate {}, {} layers, {} heads of {} ({} key-value), vocabulary {}, context {}",
            d["hidden_size"],
            d["intermediate_size"],
            d["num_hidden_layers"],
            d["num_attention_heads"],
            d["head_dim"],
            d["num_key_value_heads"],
            d["vocab_size"],
            d["max_position_embeddings"]
        ),
        format!("MoE layers      {} with {} experts, top-{}", d["moe_layers"], d["num_experts"], d["router_topk"]),
    ];
    lines.extend(words);
    lines.push(format!(
        "parameters      {} in total, {} active per token",
        number(&d["parameters"]["total"]),
        number(&d["parameters"]["active_per_token"])
    ));
    lines
}

fn file_lines(d: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dtypes = d["dtypes"].as_array().into_iter().flatten();
    let mut lines: Vec<String> = dtypes
        .map(|dtype| format!("dtype           {} ({} tensors)", text(&dtype["dtype"]), dtype["tensors"]))
        .collect();
    let files = d["files"].as_array().into_iter().flatten();
    lines.extend(
        files.map(|file| {
            format!("file            {} ({})", text(&file["path"]), quantities::bytes(float(&file["bytes"])))
        }),
    );
    lines.push(match d["tokenizer"]["file"].as_str() {
        Some(file) => format!("tokenizer       {file} ({} ids)", number(&d["tokenizer"]["ids"])),
        None => match d["hub"]["tokenizers"][0].as_str() {
            Some(file) => format!("tokenizer       {file}, which is not here yet"),
            None => "tokenizer       none: only rows with `input_ids` can be routed".to_owned(),
        },
    });
    lines.extend(d.get("hub").map(hub_line));
    lines
}

fn cost_lines(d: &Value) -> [String; 2] {
    let (capacity, estimate) = (&d["capacity"], &d["estimate"]);
    let slots = if capacity.is_null() {
        "capacity        no limit: the model drops no assignment".to_owned()
    } else {
        format!(
            "capacity        {} slots per expert for {} tokens at factor {} (rule port); {} with rule t5x",
            capacity["port"], capacity["length"], capacity["factor"], capacity["t5x"]
        )
    };
    [
        slots,
        format!(
            "estimate        {} tokens: at least {} for the forward pass and {} of memory ({:.1} MFLOP per token, {:.0} GFLOP/s measured, {} threads, {})",
            number(&estimate["tokens"]),
            quantities::duration(float(&estimate["seconds"])),
            quantities::bytes(float(&estimate["memory_bytes"])),
            float(&estimate["flop_per_token"]) / 1e6,
            float(&estimate["flop_per_second"]) / 1e9,
            estimate["threads"],
            estimate["instruction_set"].as_str().unwrap_or_default(),
        ),
    ]
}

fn text_lines(text: &Value) -> [String; 2] {
    [
        format!(
            "perplexity      {:.1} over {} tokens (nll {:.3} per token; a uniform guess has {}): {}",
            float(&text["perplexity"]),
            text["tokens"],
            float(&text["nll_per_token"]),
            number(&text["uniform_perplexity"]),
            text["judgement"].as_str().unwrap_or_default()
        ),
        format!("continuation    {}", text["continuation"]),
    ]
}

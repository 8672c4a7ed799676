//! The identity of a forward pass: all options, text, weights and properties of the machine that decide its trace.

use super::{options::RunOptions, pass::Pass};
use crate::{
    checkpoint::{check_blob, sha256_file},
    corpus::{Corpus, Tokenizer},
    error::{Result, path_text},
    model::{Arithmetic, instruction_set},
    routing::RouterSettings,
    run::{
        ArithmeticOptions, CheckpointFiles, ForwardPassOptions, Identity, QueueOptions, RecordedInput, RunKind,
        TextOptions, TokenizerFile,
    },
};

/// The identity of a forward pass.
pub(crate) fn pass_identity(
    options: &RunOptions,
    pass: &Pass,
    checkpoint: &CheckpointFiles,
    tokenizer: Option<&Tokenizer>,
    corpus: &Corpus,
    router: &RouterSettings,
    text: Option<TextOptions>,
) -> Result<Identity> {
    let conversations = options.conversations.as_ref();
    Ok(Identity {
        checkpoint: Some(checkpoint.clone()),
        tokenizer: tokenizer.map(tokenizer_file).transpose()?,
        text,
        queues: Some(queue_options(options, router)),
        arithmetic: Some(arithmetic_options(Arithmetic::F32)),
        forward_pass: Some(ForwardPassOptions {
            log_logits: pass.log_logits,
            losses: pass.losses,
            allow_constant_router: options.routing.allow_constant_router,
            template: conversations.map(|_| pass.template.to_string()),
            oasst_paths: conversations.map(|conversations| conversations.oasst_paths.to_string()),
            chat_template: conversations.and_then(|_| corpus.template.clone()),
        }),
        ..Identity::new(RunKind::Route)
    })
}

fn tokenizer_file(tokenizer: &Tokenizer) -> Result<TokenizerFile> {
    let sha256 = sha256_file(tokenizer.file())?;
    check_blob(tokenizer.file(), &sha256)?;
    Ok(TokenizerFile { path: path_text(tokenizer.file()), sha256 })
}

/// How text becomes sequences; `has_bos` says whether a BOS stands before each.
pub(crate) fn text_options(
    options: &RunOptions,
    inputs: Vec<RecordedInput>,
    context: usize,
    has_bos: bool,
) -> TextOptions {
    let input = &options.input;
    TextOptions {
        inputs,
        category_key: input.category_key.clone(),
        text_key: input.text_key.clone(),
        context,
        truncate: input.truncate,
        bos: has_bos,
        max_sequences: input.max_sequences,
    }
}

/// How tokens compete for experts.
pub(crate) fn queue_options(options: &RunOptions, router: &RouterSettings) -> QueueOptions {
    QueueOptions {
        group: options.routing.group,
        capacity_rule: router.capacity_rule,
        capacity_factor: router.capacity_factor,
        min_capacity: router.min_capacity,
    }
}

/// How this machine rounds, and in which order it adds.
pub(crate) fn arithmetic_options(arithmetic: Arithmetic) -> ArithmeticOptions {
    ArithmeticOptions {
        dtype: arithmetic.name().to_owned(),
        device: "cpu".to_owned(),
        instruction_set: instruction_set().to_owned(),
    }
}

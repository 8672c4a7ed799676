//! What decides a trace: options, text, weights and machine.

use super::request::Request;
use crate::{
    checkpoint::{check_blob, sha256_file},
    cli::CommonArgs,
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
pub(crate) fn identity(
    arguments: &Request,
    checkpoint: &CheckpointFiles,
    tokenizer: Option<&Tokenizer>,
    corpus: &Corpus,
    router: &RouterSettings,
    context: usize,
) -> Result<Identity> {
    let common = &arguments.common;
    let conversations = arguments.transcripts.as_ref();
    Ok(Identity {
        checkpoint: Some(checkpoint.clone()),
        tokenizer: tokenizer.map(tokenizer_file).transpose()?,
        text: Some(text_options(common, corpus.files.iter().map(RecordedInput::from).collect(), context)),
        queues: Some(queue_options(common, router)),
        arithmetic: Some(arithmetic_options(Arithmetic::F32)),
        forward_pass: Some(ForwardPassOptions {
            log_logits: common.execution.log_logits,
            allow_constant_router: common.routing.allow_constant_router,
            template: conversations.map(|transcripts| transcripts.how.template.to_string()),
            oasst_paths: conversations.map(|transcripts| transcripts.how.oasst_paths.to_string()),
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

/// How text becomes sequences.
pub(crate) fn text_options(common: &CommonArgs, inputs: Vec<RecordedInput>, context: usize) -> TextOptions {
    let input = &common.input;
    TextOptions {
        inputs,
        category_key: input.category.clone(),
        text_key: input.text_key.clone(),
        context,
        truncate: input.truncate,
        bos: !input.no_bos,
        max_sequences: input.max_sequences.map(|most| most as usize),
    }
}

/// How tokens compete for experts.
pub(crate) fn queue_options(common: &CommonArgs, router: &RouterSettings) -> QueueOptions {
    QueueOptions {
        group: common.routing.group,
        capacity_rule: router.capacity_rule,
        capacity_factor: router.capacity_factor,
        min_capacity: router.min_capacity,
    }
}

/// What rounds on this machine, and in which order.
pub(crate) fn arithmetic_options(arithmetic: Arithmetic) -> ArithmeticOptions {
    ArithmeticOptions {
        dtype: arithmetic.name().to_owned(),
        device: "cpu".to_owned(),
        instruction_set: instruction_set().to_owned(),
    }
}

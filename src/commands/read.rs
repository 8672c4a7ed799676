//! Reads the text and the conversations of a request, and tells what could not be used.

use super::{
    request::{Request, Transcripts},
    terminal,
};
use crate::{
    checkpoint::Checkpoint,
    corpus::{Corpus, CorpusOptions, Template, Tokenizer, TranscriptOptions},
    error::Result,
};

/// Conversations first, then plain text.
pub(super) fn read(
    request: &Request,
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    context: usize,
) -> Result<Corpus> {
    let transcripts = request
        .transcripts
        .as_ref()
        .map(|transcripts| conversations(request, transcripts, checkpoint, tokenizer, context));
    let text = (!request.corpus.is_empty()).then(|| plain_text(request, checkpoint, tokenizer, context));
    let corpus = match (transcripts.transpose()?, text.transpose()?) {
        (Some(transcripts), Some(text)) => transcripts.append(text),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Corpus::default(),
    };
    let named = corpus.sequences.iter().any(|sequence| sequence.category.is_some());
    if let Some(key) = request.common.input.category.as_ref().filter(|_| !named) {
        terminal::warn(&format!("no row has the key `{key}` of --category with a text: there are no categories"));
    }
    for skipped in &corpus.skipped {
        terminal::warn(&format!("{} left out: {}", skipped.place, skipped.reason));
    }
    if !request.common.execution.quiet {
        if corpus.documents_left_out > 0 {
            let documents = terminal::count(corpus.documents_left_out as u64, "document");
            terminal::note(&format!("--max-sequences left out {documents}, in whole or in part"));
        }
        corpus.notes.iter().for_each(|note| terminal::note(&format!("{}: {}", note.place, note.reason)));
    }
    Ok(corpus)
}

fn conversations(
    request: &Request,
    transcripts: &Transcripts,
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    context: usize,
) -> Result<Corpus> {
    let (config, input) = (checkpoint.config(), &request.common.input);
    let template = Template::open(transcripts.how.template, checkpoint.dir())?;
    let options = TranscriptOptions {
        paths: transcripts.paths.clone(),
        format: transcripts.how.format,
        oasst_paths: transcripts.how.oasst_paths,
        category_key: input.category.clone(),
        context,
        bos: (!input.no_bos).then_some(config.bos_token_id),
        eos: config.eos_token_id,
        vocab_size: config.vocab_size,
        max_sequences: input.max_sequences.map(|n| n as usize),
        strict: input.strict,
    };
    let corpus = Corpus::read_transcripts(&options, &template, tokenizer)?;
    if !request.common.execution.quiet {
        for file in &corpus.files {
            let format = file.format.as_deref().unwrap_or("no format");
            let documents = terminal::count(file.documents as u64, "document");
            terminal::note(&format!("{}: {format}, {documents}", file.path.display()));
        }
        let (cut, all) = (corpus.conversations_cut, terminal::count(corpus.sequences.len() as u64, "conversation"));
        terminal::note(&format!("template {template}; {cut} of {all} cut at {context} tokens"));
    }
    Ok(corpus)
}

fn plain_text(
    request: &Request,
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    context: usize,
) -> Result<Corpus> {
    let input = &request.common.input;
    let options = CorpusOptions {
        paths: request.corpus.clone(),
        category_key: input.category.clone(),
        context,
        truncate: input.truncate,
        bos: (!input.no_bos).then_some(checkpoint.config().bos_token_id),
        vocab_size: checkpoint.config().vocab_size,
        max_sequences: input.max_sequences.map(|n| n as usize),
        strict: input.strict,
    };
    Corpus::read(&options, tokenizer)
}

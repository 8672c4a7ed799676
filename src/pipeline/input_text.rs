//! Reads the text and the conversations of a run, and reports what could not be used.

use super::{
    options::{ConversationOptions, RunOptions},
    progress::Progress,
    quantities,
};
use crate::{
    checkpoint::Checkpoint,
    corpus::{Categories, ChatTemplate, Corpus, CorpusOptions, Template, Tokenizer, TranscriptOptions},
    error::{Error, OptionName, Result, nearest_spelling},
    stats::CATEGORIES_SHOWN,
};

/// Reads the conversations, then the plain text, which begin with `bos`.
pub(crate) fn read_text(
    options: &RunOptions,
    template: ChatTemplate,
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    bos: Option<u32>,
    context: usize,
    progress: &dyn Progress,
) -> Result<Corpus> {
    let conversations = options.conversations.as_ref().map(|conversations| {
        let template = Template::open(template, &checkpoint.text_folder())?;
        let options = transcript_options(options, conversations, checkpoint, bos, context);
        let corpus = Corpus::read_transcripts(&options, &template, tokenizer)?;
        tell_conversations(&corpus, &template, context, progress);
        Ok(corpus)
    });
    let text = || Corpus::read(&corpus_options(options, checkpoint, bos, context), tokenizer);
    let text = (!options.corpus.is_empty()).then(text);
    let corpus = match (conversations.transpose()?, text.transpose()?) {
        (Some(conversations), Some(text)) => conversations.append(text),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Corpus::default(),
    };
    check_category(options, &corpus)?;
    tell(&corpus, progress);
    Ok(corpus)
}

/// The id at position 0 of every sequence of text: OpenMoE's own, for other families what the files of the tokenizer say.
pub(crate) fn bos(checkpoint: &Checkpoint, tokenizer: Option<&Tokenizer>, options: &RunOptions) -> Result<Option<u32>> {
    if !options.input.bos {
        return Ok(None);
    }
    match checkpoint.architecture().special_tokens.bos {
        Some(bos) => Ok(Some(bos)),
        None => tokenizer.map_or(Ok(None), Tokenizer::bos),
    }
}

/// How many places are listed; the others are counted.
const SHOWN: usize = 20;

/// The most categories that a trace can distinguish.
const MOST_CATEGORIES: usize = u16::MAX as usize;

/// Refuses a category key that no row has: the run would have no category at all.
fn check_category(options: &RunOptions, corpus: &Corpus) -> Result<()> {
    let count = corpus.categories.as_ref().map_or(0, |categories| categories.count);
    if count > MOST_CATEGORIES {
        return Err(Error::corpus(
            format!(
                "{} categories; at most {} can be told apart",
                quantities::grouped(count as u64),
                quantities::grouped(MOST_CATEGORIES as u64)
            ),
            format!("name a key with fewer values by {}", OptionName::Category),
        ));
    }
    let named = corpus.sequences.iter().any(|sequence| sequence.category.is_some());
    let Some(key) = options.input.category_key.as_ref().filter(|_| !named) else { return Ok(()) };
    let mut keys: Vec<&str> = corpus.keys.iter().map(String::as_str).collect();
    let nearest = nearest_spelling(key, keys.iter().copied());
    let hint = match nearest {
        Some(nearest) => format!("did you mean {}?", OptionName::Category.with(nearest)),
        None => format!("name one of the keys of the rows, or leave {} out", OptionName::Category),
    };
    let more = keys.len().saturating_sub(12);
    keys.truncate(12);
    let has = match (keys.is_empty(), more) {
        (true, _) => "there are no rows with keys".to_owned(),
        (false, 0) => format!("the rows have {}", keys.join(", ")),
        (false, more) => format!("the rows have {} and {more} more keys", keys.join(", ")),
    };
    Err(Error::corpus(format!("no row has a value under the key `{key}` of {}; {has}", OptionName::Category), hint))
}

/// Reports what could not be used and how the text was understood; the rest of a long list is only counted.
fn tell(corpus: &Corpus, progress: &dyn Progress) {
    for skipped in corpus.skipped.iter().take(SHOWN) {
        progress.warn(&format!("{} left out: {}", skipped.place, skipped.reason));
    }
    for (count, reason) in corpus.skipped.rest(SHOWN) {
        progress.warn(&format!("... and {} more: {reason}", quantities::grouped(count as u64)));
    }
    corpus.warnings.iter().for_each(|warning| progress.warn(warning));
    warn_of_repeated(corpus, progress);
    if let Some(categories) = &corpus.categories {
        tell_categories(categories, progress);
    }
    if corpus.documents_left_out > 0 {
        let documents = quantities::count(corpus.documents_left_out as u64, "document");
        progress.note(&format!("{} left out {documents}, in whole or in part", OptionName::MaxSequences));
    }
    for file in corpus.files.iter().filter(|file| file.partial) {
        let bytes = quantities::grouped(file.bytes);
        progress.note(&format!(
            "{}: read up to {}, {bytes} bytes; its hash is theirs",
            file.path.display(),
            OptionName::MaxSequences
        ));
    }
    corpus.notes.iter().take(SHOWN).for_each(|note| progress.note(&format!("{}: {}", note.place, note.reason)));
    for (count, reason) in corpus.notes.rest(SHOWN) {
        progress.note(&format!("... and {} more: {reason}", quantities::grouped(count as u64)));
    }
}

/// Warns of repeated documents: copies are not independent, so they make every interval too narrow.
fn warn_of_repeated(corpus: &Corpus, progress: &dyn Progress) {
    let (repeated, documents) = (corpus.repeated_documents() as u64, corpus.documents() as u64);
    if repeated > 0 {
        let all = quantities::count(documents, "document");
        progress.warn(&format!(
            "{} of {all} repeat another one token by token: copies are no new evidence, and narrow the intervals",
            quantities::grouped(repeated)
        ));
    }
}

/// Reports the categories in one line, with a warning if there are too many to be shown.
fn tell_categories(categories: &Categories, progress: &dyn Progress) {
    let line = categories.line();
    if categories.count > CATEGORIES_SHOWN {
        progress.warn(&format!(
            "{line}; single ones are in the tables of stats/ only: charts, report and summary show up to {CATEGORIES_SHOWN}"
        ));
    } else if categories.by.is_some() && categories.reason.is_some() {
        progress.warn(&line);
    } else {
        progress.note(&line);
    }
}

/// Reports how each file of conversations was understood.
fn tell_conversations(corpus: &Corpus, template: &Template, context: usize, progress: &dyn Progress) {
    for file in &corpus.files {
        let format = file.format.as_deref().unwrap_or("no format");
        let documents = quantities::count(file.documents as u64, "document");
        progress.note(&format!("{}: {format}, {documents}", file.path.display()));
    }
    let (cut, all) = (corpus.conversations_cut, quantities::count(corpus.sequences.len() as u64, "conversation"));
    let source = template.source().map_or_else(String::new, |source| format!(" ({source})"));
    progress.note(&format!("template {template}{source}; {cut} of {all} cut at {context} tokens"));
}

fn transcript_options(
    options: &RunOptions,
    conversations: &ConversationOptions,
    checkpoint: &Checkpoint,
    bos: Option<u32>,
    context: usize,
) -> TranscriptOptions {
    let (architecture, input) = (checkpoint.architecture(), &options.input);
    TranscriptOptions {
        paths: conversations.paths.clone(),
        format: conversations.format,
        oasst_paths: conversations.oasst_paths,
        category_key: input.category_key.clone(),
        context,
        bos,
        eos: architecture.special_tokens.eos.first().copied(),
        vocab_size: architecture.vocabulary,
        max_sequences: input.max_sequences,
        strict: input.strict,
    }
}

fn corpus_options(options: &RunOptions, checkpoint: &Checkpoint, bos: Option<u32>, context: usize) -> CorpusOptions {
    let (architecture, input) = (checkpoint.architecture(), &options.input);
    CorpusOptions {
        paths: options.corpus.clone(),
        category_key: input.category_key.clone(),
        text_key: input.text_key.clone(),
        context,
        truncate: input.truncate,
        bos,
        vocab_size: architecture.vocabulary,
        max_sequences: input.max_sequences,
        strict: input.strict,
    }
}

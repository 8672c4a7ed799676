//! The experts of a run that its page shows one by one.

use rayon::prelude::*;

use super::{progress::Progress, recorded_settings::recorded_settings};
use crate::{
    error::Result,
    report::{ExpertCard, ExpertReport, ExpertSection, ProfileSource},
    routing::{LayerId, View},
    run::RunRecord,
    stats::{LAYERS_EACH, LayerProfiles, evenly_spread},
    trace::RoutingTrace,
};

/// The most experts that a page shows, over all layers; each takes about 4 kB before it is compressed.
const EXPERTS: usize = 96;
/// The most choices that are counted for it: of a larger run fewer layers are shown.
const CHOICES: u64 = 1 << 24;
/// Token ids that are listed of an expert.
const TOKENS: usize = 8;

/// The experts of a run's trace: of up to eight layers, evenly spread, those that take most of any one category, at most 96 in all.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] if the trace cannot be read; [`crate::error::Error::Interrupted`].
pub(super) fn expert_section(
    run: usize,
    (record, label): (&RunRecord, &str),
    trace: &RoutingTrace,
    progress: &dyn Progress,
) -> Result<ExpertSection> {
    let (sequences, settings) = (trace.sequences()?, recorded_settings(record));
    let shape = trace.shape();
    let choices: u64 =
        sequences.tokens.iter().map(|tokens| u64::from(*tokens)).sum::<u64>() * shape.most_choices() as u64;
    let layers = LAYERS_EACH.min((CHOICES / choices.max(1)) as usize).max(1);
    let layers: Vec<LayerId> = evenly_spread(trace.moe_layers(), layers);
    let all: usize = trace.moe_layers().iter().map(|layer| shape.experts(*layer)).sum();
    let mut section = ExpertSection {
        run,
        checkpoint: label.to_owned(),
        of: (all, trace.moe_layers().len()),
        ..ExpertSection::default()
    };
    for &layer in &layers {
        progress.check()?;
        let columns = trace.layer(layer)?;
        let profiles = LayerProfiles::new(&sequences, &columns, &settings, View::Chosen)?;
        let (tokens, documents) = profiles.size();
        let source = ProfileSource {
            run: String::new(),
            checkpoint: label.to_owned(),
            checkpoints: Vec::new(),
            only: Vec::new(),
            tokens,
            documents,
            settings: (&settings).into(),
        };
        let card = |expert| ExpertCard::new(&ExpertReport::new(source.clone(), profiles.expert(expert, TOKENS)));
        let experts = profiles.telling_experts(EXPERTS / layers.len());
        section.layers.insert(layer, experts.into_par_iter().map(card).collect());
    }
    Ok(section)
}

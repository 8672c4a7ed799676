//! The context variable that explains most of what the token id leaves open.

use super::{Answer, Context, ContextAdds, Evidence, LayerIndependence, Share, Verdict, independence::CONTEXT_ADDS};
use crate::routing::LayerId;

/// The context variable that explains most once the token id is known: over all layers, the one whose interval has the largest
/// lower end.
#[derive(Clone, Debug, PartialEq)]
pub struct StrongestContext {
    /// Whether any context explains more than a tenth of what is left.
    pub answer: ContextAdds,
    /// The variable.
    pub context: Context,
    /// The layer in which it explains most.
    pub layer: LayerId,
    /// What it explains there, as a share of what the token id leaves open.
    pub share: Share,
    because: Evidence,
}

impl StrongestContext {
    /// The strongest of all layers; none if no share is known.
    pub(super) fn of(layers: &[LayerIndependence]) -> Option<Self> {
        let known = || {
            layers.iter().flat_map(|layer| {
                let shares = Context::ALL.into_iter().zip(&layer.contexts);
                shares.filter_map(move |(context, added)| Some((layer, context, added.share()?)))
            })
        };
        let (layer, context, share) = known().max_by(|a, b| a.2.low.total_cmp(&b.2.low))?;
        let answer = match () {
            () if share.low > CONTEXT_ADDS => ContextAdds::MoreThanATenth,
            () if known().all(|(_, _, share)| share.high <= CONTEXT_ADDS) => ContextAdds::AtMostATenth,
            () => ContextAdds::Undecided,
        };
        let is_own = |own: &&Evidence| own.finding.subject.variable == Some(context.variable());
        let because = layer.because.iter().find(is_own)?.clone();
        Some(Self { answer, context, layer: layer.layer, share, because })
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let answer = Answer::StrongestContext(self.answer);
        Verdict { layer: Some(self.layer), ..Verdict::new(answer, vec![self.because.clone()]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::verdict::{RouteVerdict, made::layer};

    #[test]
    fn the_largest_lower_end_of_all_layers_is_named() {
        let strongest = |rows: &[crate::stats::Finding]| RouteVerdict::of(rows).strongest.unwrap();
        // The previous token has the larger estimate in layer 3, but a wide interval.
        let rows =
            [layer(1, (0.6, 0.55, 0.65), (0.2, 0.15, 0.25)), layer(3, (0.6, 0.55, 0.65), (0.3, 0.1, 0.5))].concat();
        let own = strongest(&rows);
        assert_eq!((own.context, own.layer, own.answer), (Context::PreviousToken, 1, ContextAdds::MoreThanATenth));
        assert_eq!(own.verdict().because[0].low, Some(0.15));
        let own = strongest(&layer(1, (0.6, 0.55, 0.65), (0.0, -0.1, 0.05)));
        assert_eq!((own.context, own.answer), (Context::Document, ContextAdds::AtMostATenth));
        let own = strongest(&layer(1, (0.6, 0.55, 0.65), (0.05, -0.1, 0.15)));
        assert_eq!((own.context, own.answer), (Context::Document, ContextAdds::Undecided));
        assert_eq!(RouteVerdict::of(&layer(1, (0.6, 0.55, 0.65), (0.0, 0.0, 0.0))[..1]).strongest, None);
    }
}

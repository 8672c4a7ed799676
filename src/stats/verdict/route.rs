//! The verdict of a route run: layer by layer, and how the layers compare.

use std::collections::BTreeSet;

use super::{
    Answer, Evidence, Independence, LayerIndependence, LayersDiffer, Share, Specialist, StrongestContext, Verdict,
};
use crate::{
    routing::LayerId,
    stats::{Finding, Statistic},
};

/// The verdict on a route run.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteVerdict {
    /// Layer by layer, ascending.
    pub layers: Vec<LayerIndependence>,
    /// All layers together.
    pub overall: OverallIndependence,
    /// How the layers compare; none if no layer has enough data.
    pub compared: Option<Compared>,
    /// The context variable that explains most; none if no share of one is known.
    pub strongest: Option<StrongestContext>,
    /// The expert that stands out most; none if no load is above an even one.
    pub specialist: Option<Specialist>,
}

/// The verdict on all layers that have something to explain.
#[derive(Clone, Debug, PartialEq)]
pub struct OverallIndependence {
    /// The answer of the layer that fits least; if no layer could be judged, the answer that they share.
    pub answer: Independence,
    /// The layers that decided.
    pub deciding: Vec<LayerId>,
    /// Whether these are all that have something to explain.
    pub is_of_all: bool,
    /// The layers whose routers are constant, or nearly so.
    pub left_out: Vec<LayerId>,
    /// Whether all of those are entirely constant.
    pub is_left_out_constant: bool,
    because: Vec<Evidence>,
}

/// The layers that follow the token id most and least.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Whether they differ.
    pub answer: LayersDiffer,
    /// The layer that follows it most.
    pub most: LayerId,
    /// What the token id explains there.
    pub most_share: Share,
    /// The layer that follows it least.
    pub least: LayerId,
    /// What the token id explains there.
    pub least_share: Share,
    because: Vec<Evidence>,
}

impl RouteVerdict {
    /// The verdict on the headline findings of a route run.
    pub fn of(findings: &[Finding]) -> Self {
        let ids: BTreeSet<LayerId> =
            findings.iter().filter(|row| row.statistic == Statistic::MutualInformation).map(|row| row.layer).collect();
        let layers: Vec<LayerIndependence> =
            ids.into_iter().map(|layer| LayerIndependence::of(findings, layer)).collect();
        Self {
            overall: OverallIndependence::of(&layers),
            compared: Compared::of(&layers),
            strongest: StrongestContext::of(&layers),
            specialist: Specialist::of(findings),
            layers,
        }
    }
}

impl RouteVerdict {
    /// Between which ends the intervals of what the token id explains lie in some layers, no share above 1.
    pub fn range(layers: &[LayerIndependence]) -> Option<(f64, f64)> {
        let shares = || layers.iter().filter_map(|layer| layer.token.share());
        let low = shares().map(|share| share.low).reduce(f64::min)?;
        let high = shares().map(|share| share.high.min(1.0)).reduce(f64::max)?;
        Some((low, high))
    }
}

impl OverallIndependence {
    /// The layer that fits least decides; layers without enough data come before it.
    fn of(layers: &[LayerIndependence]) -> Self {
        let (empty, varied): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| layer.answer.is_constant());
        let unknown: Vec<_> = varied.iter().copied().filter(|layer| !layer.answer.is_judged()).collect();
        let is_left_out_constant = empty.iter().all(|layer| layer.answer == Independence::ConstantRouter);
        let (answer, deciding) = match varied.iter().map(|layer| layer.answer).max() {
            None if layers.is_empty() => (Independence::NotEnoughData, Vec::new()),
            None if is_left_out_constant => (Independence::ConstantRouter, empty.clone()),
            None => (Independence::NearlyConstantRouter, empty.clone()),
            Some(_) if !unknown.is_empty() => (Independence::NotEnoughData, unknown),
            Some(worst) => (worst, varied.iter().copied().filter(|layer| layer.answer == worst).collect()),
        };
        let ids = |layers: &[&LayerIndependence]| layers.iter().map(|layer| layer.layer).collect::<Vec<_>>();
        Self {
            answer,
            is_of_all: deciding.len() == varied.len(),
            left_out: if varied.is_empty() { Vec::new() } else { ids(&empty) },
            is_left_out_constant,
            because: deciding.iter().filter_map(|layer| layer.because.first().cloned()).collect(),
            deciding: ids(&deciding),
        }
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            layers: self.deciding.clone(),
            layers_left_out: self.left_out.clone(),
            ..Verdict::new(Answer::ContextIndependent(self.answer), self.because.clone())
        }
    }
}

impl Compared {
    fn of(layers: &[LayerIndependence]) -> Option<Self> {
        let known: Vec<(&LayerIndependence, Share)> =
            layers.iter().filter_map(|layer| Some((layer, layer.token.share()?))).collect();
        let by_value =
            |a: &&(&LayerIndependence, Share), b: &&(&LayerIndependence, Share)| a.1.value.total_cmp(&b.1.value);
        let (most, least) = (known.iter().max_by(by_value)?, known.iter().min_by(by_value)?);
        let answer = if known.len() < 2 {
            LayersDiffer::OnlyOneLayer
        } else if most.1.overlaps(least.1) {
            LayersDiffer::NotMeasurably
        } else {
            LayersDiffer::Yes
        };
        let both = if known.len() < 2 { &[most][..] } else { &[most, least] };
        let because = both.iter().filter_map(|(layer, _)| layer.because.first().cloned()).collect();
        Some(Self {
            answer,
            most: most.0.layer,
            most_share: most.1,
            least: least.0.layer,
            least_share: least.1,
            because,
        })
    }

    /// The same as an entry of `summary.json`; the layer that follows the token id most is the first of `layers`.
    pub fn verdict(&self) -> Verdict {
        let layers =
            if self.answer == LayersDiffer::OnlyOneLayer { vec![self.most] } else { vec![self.most, self.least] };
        Verdict { layers, ..Verdict::new(Answer::LayersDiffer(self.answer), self.because.clone()) }
    }
}

//! Whether ids had to be mapped from places of experts to experts.

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{Header, RouteSequence},
};

/// `expert_ids`.
pub(super) struct ExpertIds;

impl ExpertIds {
    pub(super) fn make(_: &Header) -> Box<dyn Check> {
        Box::new(Self)
    }
}

impl Check for ExpertIds {
    fn see(&mut self, _: &Header, _: &RouteSequence) {}

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let result = |outcome, says: String| CheckResult::new("expert_ids", outcome, says);
        let Some(map) = &header.physical_to_logical else {
            return result(Outcome::NotApplicable, "the ids are those of the experts".to_owned());
        };
        let moved: usize =
            map.iter().map(|layer| (0..).zip(layer).filter(|(place, expert)| place != *expert).count()).sum();
        let places: usize = map.iter().map(Vec::len).sum();
        let beyond = (0..).zip(map).find_map(|(at, layer): (usize, _)| {
            layer.iter().find(|expert| usize::from(**expert) >= reading.experts[at]).map(|expert| (at, *expert))
        });
        if let Some((at, expert)) = beyond {
            let says =
                format!("the map of layer {} leads to expert {expert}, which does not exist", header.layers[at].layer);
            return result(Outcome::Failed, says);
        }
        if moved == 0 {
            return result(Outcome::Passed, "every expert is in its own place".to_owned());
        }
        let says = format!(
            "{moved} of {places} places hold another expert than their number says: mapped by the last map of the record; what was \
             routed before an earlier rearrangement may be mapped wrongly"
        );
        result(Outcome::Warned, says).with("moved", moved as f64)
    }
}

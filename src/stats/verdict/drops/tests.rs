//! Verdicts on hand-made findings.

use super::*;
use crate::stats::{
    Subject, Variant,
    verdict::{
        RiseIsTheQueue, Side,
        made::{four_trends, of_dataset, ratio, trend},
    },
};

#[test]
fn the_interval_decides_and_random_order_says_what_is_left() {
    let rows = [four_trends(), trend(9, Variant::LastMinusFirst, 0.05, -0.03, 0.01), ratio(11)].concat();
    let verdict = DropsVerdict::of(&rows);
    let answers: Vec<_> = verdict.trends().map(|trend| (trend.answer, trend.side, trend.is_u_shaped())).collect();
    assert_eq!(
        answers,
        [
            (LaterTokens::MoreThanInRandomOrder, Side::Above, false),
            (LaterTokens::AsInRandomOrder, Side::NotMeasurably, true),
            (LaterTokens::Less, Side::Below, false),
            (LaterTokens::NoTrend, Side::Above, false),
            (LaterTokens::LessThanInRandomOrder, Side::Below, false),
        ]
    );
    assert_eq!(verdict.overall.answer, LaterTokens::MoreInSomeLessInOthers);
    assert_eq!(verdict.layers[5].verdict().answer, Answer::LaterTokensDroppedMore(LaterTokens::NotMeasured));
    let intervals = verdict.intervals.unwrap();
    assert_eq!((intervals.all, intervals.above, intervals.below), (5, 2, 2));
    let entry = verdict.layers[1].verdict();
    assert!(entry.u_shaped && entry.layer == Some(3));
    assert_eq!(entry.because.len(), 5, "trend, excess, both arms of the U, drop ratio");
}

#[test]
fn a_rise_that_random_order_lacks_is_not_the_queue() {
    let overall = |rows: &[Finding]| DropsVerdict::of(rows).overall;
    let rise = overall(&trend(1, Variant::LastMinusFirst, 0.05, 0.03, 0.01));
    assert_eq!(rise.queue.unwrap().0, RiseIsTheQueue::NotShown);
    let (queue, least) = overall(&trend(1, Variant::LastMinusFirst, 0.05, 0.0, 0.01)).queue.unwrap();
    // At most 0.01 of at least 0.04 is left.
    assert_eq!(queue, RiseIsTheQueue::AtLeastHalf);
    assert!((least - 0.75).abs() < 1e-12);
    let without = &trend(1, Variant::LastMinusFirst, 0.05, 0.0, 0.01)[..1];
    assert_eq!(overall(without).queue, None);
    assert_eq!(overall(&trend(1, Variant::LastMinusFirst, 0.005, 0.0, 0.01)).answer, LaterTokens::NoTrend);
    assert_eq!(overall(&trend(1, Variant::LastMinusFirst, -0.05, 0.0, 0.01)).answer, LaterTokens::LessInSomeLayers);
    assert_eq!(overall(&[]).answer, LaterTokens::NotEnoughData);
    let none = vec![Finding { estimate: Some(0.0), low: None, high: None, ..ratio(1).remove(0) }];
    assert_eq!(overall(&none).answer, LaterTokens::NothingDropped);
}

#[test]
fn a_single_data_set_that_is_everything_is_none() {
    let all = trend(1, Variant::LastMinusFirst, 0.05, 0.0, 0.01);
    let of = |rows: &[Vec<Finding>]| DropsVerdict::of(&rows.concat()).datasets;
    assert!(of(&[all.clone(), of_dataset("talks", all.clone())]).is_empty());
    let mut few = of_dataset("talks", all.clone());
    few[0] = few[0].clone().withheld("3 documents");
    few[0].n = 3;
    let sets = of(&[all.clone(), few.clone()]);
    assert_eq!((sets.len(), sets[0].answer), (1, LaterTokens::NotEnoughData));
    let sets = of(&[all.clone(), few, of_dataset("texts", all)]);
    assert_eq!(sets[1].answer, LaterTokens::MoreInSomeLayers);
    assert_eq!(sets[1].trends[0].verdict().dataset.as_deref(), Some("texts"));
}

#[test]
fn models_differ_on_the_side_where_their_interval_lies() {
    let difference = |layer, low, high| Finding {
        estimate: Some(f64::midpoint(low, high)),
        low: Some(low),
        high: Some(high),
        ..Finding::new(Statistic::DropDifference, layer, crate::routing::View::Chosen).about(|subject| Subject {
            checkpoint: Some("chat".into()),
            reference: Some("base".into()),
            variant: Some(Variant::Of(Statistic::AssignmentDropRatio)),
            ..subject
        })
    };
    let mut alone = difference(7, 0.0, 0.0);
    (alone.low, alone.high) = (None, None);
    let rows =
        [ratio(1), vec![difference(1, -0.02, -0.01), difference(3, -0.02, 0.01), difference(5, 0.1, 0.2), alone]];
    let verdict = DropsVerdict::of(&rows.concat());
    let [only] = verdict.differences.as_slice() else { panic!("{verdict:?}") };
    let sides: Vec<_> = only.layers.iter().map(|(side, _)| *side).collect();
    assert_eq!(sides, [Side::Below, Side::NotMeasurably, Side::Above, Side::NotEnoughData]);
    let entry = only.verdict(&only.layers[0]);
    assert_eq!(entry.answer, Answer::DropRatioDiffers(Side::Below));
    assert_eq!((entry.checkpoint.as_deref(), entry.layer), (Some("chat"), Some(1)));
}
